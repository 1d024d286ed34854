"""The columns of the table: their names, types and defaults, which of them identify a curve, and how they are found."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from rlaw.errors import DataError, UsageError
from rlaw.text import columns_listed

#: name -> (type, value where the source has no such column). Params are non-embedding, or as the source gives them.
#: A seed is a whole number, or any text.
COLUMNS: dict[str, tuple[Any, Any]] = {
    "model": (pl.String, None),
    "params": (pl.Float64, None),
    "variant": (pl.String, ""),
    "benchmark": (pl.String, ""),
    "domain": (pl.String, ""),
    "arm": (pl.String, "main"),
    "run": (pl.String, ""),
    "seed": (pl.Int64, 0),
    "tau": (pl.Float64, 1.0),
    "group_size": (pl.Int64, None),
    "prompts": (pl.Int64, None),
    "order": (pl.String, ""),
    "subsets": (pl.String, ""),
    "schedule": (pl.String, ""),
    "step": (pl.Int64, None),
    "data_size": (pl.Float64, None),
    "compute_flops": (pl.Float64, None),
    "test_loss": (pl.Float64, None),
    "items": (pl.Int64, None),
    "samples": (pl.Int64, 1),
    "correct": (pl.List(pl.Int64), None),
    "response_length": (pl.Float64, None),
}
#: the columns that identify a curve
CURVE = ("params", "model", "variant", "benchmark", "tau", "group_size", "arm", "run", "seed")
#: what a table calls a column, and what it is here
OURS = {"n_params": "params"}
#: a column that says which start of a run a row is of
ATTEMPT = "attempt"
#: names of a share of right answers
ACCURACIES = (
    *("accuracy", "acc", "test_accuracy", "val_accuracy", "eval_accuracy", "test_acc", "val_acc", "eval_acc"),
    *("pass_rate", "pass@1", "pass_at_1", "solve_rate", "success_rate", "exact_match"),
)


def plain_name(name: str) -> str:
    """A column's name without what does not tell names apart: case, blanks around, a byte order mark, dashes."""
    return "_".join(name.strip("\ufeff \t\r\n\u00a0").casefold().replace("-", " ").replace("_", " ").split())


def find(name: str, columns: Sequence[str], source: str) -> str | None:
    """The column of that name, in other letter case where there is none as written; None without one.

    Raises:
        DataError: several are called so.
    """
    if name in columns:
        return name
    alike = [column for column in columns if plain_name(column) == plain_name(name)]
    if len(alike) > 1:
        written = " and ".join(map(repr, alike))
        raise DataError(f"{source}: columns {written} may both be {name}\n  next: `mapping={{'{name}': '{alike[0]}'}}`")
    return alike[0] if alike else None


def rename(table: pl.DataFrame, mapping: Mapping[str, str], source: str) -> tuple[pl.DataFrame, dict[str, str]]:
    """The table with our names where it has others, and what each column that was renamed was called (ours -> theirs).

    Args:
        table: as it was read.
        mapping: ours -> theirs; every other column is found by its name, in any letter case.
        source: for messages.

    Raises:
        UsageError: the mapping names a column that is not there, or one column twice.
        DataError: two columns of the table may be one of ours.
    """
    columns, found = table.columns, dict[str, str]()
    for ours, theirs in mapping.items():
        column = find(theirs, columns, source)
        if column is None and theirs != ATTEMPT:  # which is derived where the table does not have it
            raise UsageError(
                f"`mapping={{'{ours}': '{theirs}'}}`: {source} has no column {theirs!r}; "
                f"it has {columns_listed(columns)}"
            )
        found[OURS.get(ours, ours)] = column or theirs
    if len(set(found.values())) < len(found):
        twice = next(theirs for theirs in found.values() if list(found.values()).count(theirs) > 1)
        raise UsageError(f"column {twice!r} is given two names\n  next: `mapping=` each column once")
    for name in (*COLUMNS, *OURS, ATTEMPT):
        ours = OURS.get(name, name)
        column = None if ours in found else find(name, [c for c in columns if c not in found.values()], source)
        if column is not None:
            found[ours] = column
    there = {ours: theirs for ours, theirs in found.items() if theirs in columns}
    taken = [
        ours for ours, theirs in there.items() if ours != theirs and ours in columns and ours not in there.values()
    ]
    kept = table.drop(taken).rename({theirs: ours for ours, theirs in there.items()})
    return kept, {ours: theirs for ours, theirs in found.items() if ours != theirs}


def theirs(columns: Iterable[str]) -> list[str]:
    """The names that a table would have for columns of ours."""
    back = {ours: name for name, ours in OURS.items()}
    return [back.get(column, column) for column in columns]
