"""The tables of a study. To add one: write its function in the file of its kind, add it to the list below, to the tests
and to the docs."""

from collections.abc import Mapping
from typing import Any

from rlaw.analysis.evidence import gather
from rlaw.reporting.family import Family
from rlaw.reporting.tables import contrasts, held_out, law, measured, protocols, recipe, usage
from rlaw.reporting.tables.base import FORMATS, Number, Table, TableFn

__all__ = ["TABLES", "Number", "Table", "TableFn", "make"]

#: name -> (its function, what it shows)
TABLES: Family[Table] = Family("table", FORMATS, {
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
    "laws": (held_out.laws, "laws and baselines on held-out points"),
    "beyond": (held_out.beyond, "laws on runs that went farther than the main arm"),
    "contrasts": (contrasts.contrasts, "recipes that the study contrasts, at every size and over sizes"),
    "runs": (usage.runs, "every run with what it took"),
    "phases": (usage.phases, "where the FLOPs went"),
})  # fmt: skip


def make(
    name: str, source: Any, *, where: Mapping[str, Any] | None = None, draws: int | None = None, seed: int = 0
) -> Table:
    """One table of a store, a file or a bundled dataset.

    Args:
        name: one of `TABLES`.
        source: what `rlaw.load` takes.
        where: the rows that laws are fitted to, as `rlaw.report` takes it.
        draws: bootstrap draws; 1000 for the main fits and fewer for costlier computations where None.
        seed: of the bootstrap.

    Raises:
        NotFound: no such table, or no such source.
        RlawError: the source lacks what the table would show.
    """
    TABLES.check(name)
    return TABLES[name](gather(source, where=where, draws=draws, seed=seed))
