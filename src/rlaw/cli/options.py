"""Arguments and options that several commands share."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rlaw.errors import UsageError

if TYPE_CHECKING:
    from rlaw.measurements.frame import Frame

Where = Annotated[list[str], typer.Option("--where", metavar="K=V", help="only rows with this value; may be repeated")]
Map = Annotated[list[str], typer.Option("--map", metavar="OURS=THEIRS", help="rename a column; may be repeated")]
Format = Annotated[
    str, typer.Option(metavar="auto|NAME", help="importer of a log: by its content, by name, or file.py:IMPORTER")
]
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
Items = Annotated[int | None, typer.Option(min=1, help="problems of one evaluation, where the data do not say")]


def pairs(options: Sequence[str], name: str) -> dict[str, str]:
    """`k=v` options as a mapping."""
    split = [text.partition("=") for text in options]
    for (key, mark, value), text in zip(split, options, strict=True):
        if not (key and mark and value):
            raise UsageError(f"{name} {text!r}: write it as KEY=VALUE")
    return {key.strip(): value.strip() for key, _, value in split}


def read(
    data: str,
    where: Sequence[str] = (),
    mapping: Sequence[str] = (),
    format: str = "auto",
    *,
    every_tau: bool = False,
) -> "Frame":
    """The frame given by a command's DATA, --where, --map and --format, cut to what one law can be fitted to."""
    from rlaw.measurements.load import load

    frame = load(data, mapping=pairs(mapping, "--map"), format=format).where(**pairs(where, "--where"))
    return frame.one_law(every_tau=every_tau)
