"""Arguments and options that several commands share."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rlaw.errors import UsageError

if TYPE_CHECKING:
    from rlaw.measurements.frame import Frame

Where = Annotated[
    list[str], typer.Option("--where", metavar="K=V", help="only rows with this value; repeated for one column, either")
]
Map = Annotated[list[str], typer.Option("--map", metavar="OURS=THEIRS", help="rename a column; may be repeated")]
Format = Annotated[
    str, typer.Option(metavar="auto|NAME", help="importer of a log: by its content, by name, or file.py:IMPORTER")
]
Measure = Annotated[
    str | None,
    typer.Option(metavar="loss|accuracy|percent", help="what a table's losses are, where their column does not say"),
]
Far = Annotated[bool, typer.Option("--far", help="allow what is more than 100 times outside the data")]
Window = Annotated[
    str | None,
    typer.Option(
        metavar="FIRST:LAST", help="steps that count, inclusive; else those the store's study declared, else all"
    ),
]
Draws = Annotated[int, typer.Option(min=20, help="bootstrap draws")]
ReportDraws = Annotated[
    int | None, typer.Option(min=20, help="bootstrap draws; 1000 for the main fits, 200 or 300 for costlier ones")
]
Level = Annotated[float, typer.Option(min=0.01, max=0.999, help="share of the draws inside an interval")]
Seed = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="of the random numbers")]
Name = Annotated[str | None, typer.Argument(metavar="NAME", help="one of --list")]
_DATA = typer.Argument(metavar="DATA", help="a store, a CSV, Parquet or JSONL file, or a bundled dataset's name")
Data = Annotated[str, _DATA]
MaybeData = Annotated[str | None, _DATA]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="the file; its format is what the name ends with")]
Listed = Annotated[bool, typer.Option("--list", help="print the names with what each shows")]
Strict = Annotated[bool, typer.Option("--strict", help="exit 4 when the ladder identifies no law of the size")]
EfficiencyDoubling = Annotated[
    str | None, typer.Option(metavar="TIME", help="such as '12 months', assumed: report the years to the target")
]
Items = Annotated[int | None, typer.Option(min=1, help="problems of one evaluation, where the data do not say")]


def pairs(options: Sequence[str], name: str) -> dict[str, str]:
    """`k=v` options as a mapping.

    Raises:
        UsageError: one without a key or a value, or the same key twice with different values.
    """
    several = choices(options, name)
    for key, values in several.items():
        if len(set(values)) > 1 or not values[0]:
            what = " and ".join(f"{key}={value}" for value in values)
            raise UsageError(f"{name} {what!r}: write it once, as KEY=VALUE")
    return {key: values[0] for key, values in several.items()}


def choices(options: Sequence[str], name: str) -> dict[str, tuple[str, ...]]:
    """`k=v` options, the same key perhaps several times, as the values of each key; a value may be empty.

    Raises:
        UsageError: one without a key or without `=`.
    """
    found: dict[str, tuple[str, ...]] = {}
    for text in options:
        key, mark, value = (part.strip() for part in text.partition("="))
        if not (key and mark):
            raise UsageError(f"{name} {text!r}: write it as KEY=VALUE")
        found[key] = (*found.get(key, ()), value)
    return found


def read(
    data: str,
    where: Sequence[str] = (),
    mapping: Sequence[str] = (),
    format: str = "auto",
    measure: str | None = None,
    *,
    every_tau: bool = False,
) -> "Frame":
    """The frame given by a command's DATA, --where, --map, --format and --measure, cut to what one law can be of."""
    frame = loaded(data, mapping, format, measure).where(**choices(where, "--where"))
    return frame.one_law(every_tau=every_tau)


def measured(data: str, mapping: Sequence[str], format: str, measure: str | None) -> "str | Frame":
    """DATA as it is, so that a store stays one; its frame where options say how to read it."""
    as_it_is = not mapping and format == "auto" and measure is None
    return data if as_it_is else loaded(data, mapping, format, measure)


def loaded(data: str, mapping: Sequence[str], format: str, measure: str | None) -> "Frame":
    """The frame of a command's DATA, all of it."""
    from rlaw.measurements.load import load

    return load(data, mapping=pairs(mapping, "--map"), format=format, measure=measure)
