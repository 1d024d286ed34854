"""The tables of a study. To add one: write its function in the file of its kind, name it below, give it a test row and
a line in the docs."""

from typing import Any

from rlaw.analysis.evidence import Evidence, gather
from rlaw.errors import NotFound, RlawError
from rlaw.reporting.tables import held_out, law, measured, protocols, recipe, usage
from rlaw.reporting.tables.base import FORMS, Number, Table, TableFn

__all__ = ["FORMS", "TABLES", "Number", "Table", "TableFn", "all_tables", "make", "titles"]

#: in the order of a list: name -> (its function, what it tells)
_REGISTRY: dict[str, tuple[TableFn, str]] = {
    "parameters": (law.parameters, "shared parameters of the ladder law over every axis"),
    "sizes": (law.sizes, "k and E of every size, by its own line and by the ladder law"),
    "ladder": (measured.ladder, "the sizes as measured"),
    "benchmarks": (measured.benchmarks, "the benchmark suite (cf. Table 1)"),
    "recipe": (recipe.recipe, "hyper-parameters (cf. Table 2)"),
    "pass-at-1": (measured.pass_rates, "Pass@1 before and after RL (cf. Table 4)"),
    "repeats": (measured.repeats, "scatter over runs, standard deviation and SEM (cf. Table 5)"),
    "efficiency-fits": (protocols.efficiency_fits, "K_max, N_0, R² by intra, inter and all (cf. Table 6)"),
    "decomposition": (protocols.decomposition, "D_0 and lambda of the loss decomposition (cf. Table 7)"),
    "equal-compute": (measured.equal_compute, "loss of each size at equal compute"),
    "without-sizes": (law.without_sizes, "the ladder law without each size"),
    "windows": (law.windows, "the ladder law with other windows"),
    "laws": (held_out.laws, "laws and baselines on points they had not seen"),
    "beyond": (held_out.beyond, "laws on runs that went farther than the main arm"),
    "runs": (usage.runs, "every run with what it took"),
    "phases": (usage.phases, "where the FLOPs went"),
}
TABLES: dict[str, TableFn] = {name: function for name, (function, _) in _REGISTRY.items()}


def titles() -> dict[str, str]:
    """What each table tells, by name."""
    return {name: text for name, (_, text) in _REGISTRY.items()}


def make(name: str, source: Any, *, draws: int | None = None, seed: int = 0) -> Table:
    """One table of a store, a file or a bundled dataset.

    Args:
        name: one of `titles()`.
        source: what `rlaw.load` takes.
        draws: bootstrap draws; 1000 of fits and fewer of what is costlier where None.
        seed: of the bootstrap.

    Raises:
        NotFound: no such table, or no such source.
        RlawError: the source lacks what the table would tell.
    """
    if name not in TABLES:
        raise NotFound(f"no table is called {name!r}\n  next: choose one of {', '.join(TABLES)}")
    return TABLES[name](gather(source, draws=draws, seed=seed))


def all_tables(evidence: Evidence) -> tuple[dict[str, Table], dict[str, str]]:
    """Every table the evidence can speak of, and why the others were left out."""
    made, left_out = {}, {}
    for name, function in TABLES.items():
        try:
            made[name] = function(evidence)
        except RlawError as error:
            left_out[name] = str(error).partition("\n")[0]
    return made, left_out
