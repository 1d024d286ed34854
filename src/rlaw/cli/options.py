"""What the commands that read DATA share: `--where`, `--map`, `--window`, `--items`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from rlaw.errors import UsageError

if TYPE_CHECKING:
    from rlaw.measurements.frame import Frame

Where = Annotated[list[str], typer.Option("--where", metavar="K=V", help="only rows with this value; may be repeated")]
Map = Annotated[list[str], typer.Option("--map", metavar="OURS=THEIRS", help="rename a column; may be repeated")]
Window = Annotated[
    str | None,
    typer.Option(
        metavar="FIRST:LAST", help="steps that count, inclusive; else those the store's study declared, else all"
    ),
]
Draws = Annotated[int, typer.Option(min=20, help="futures drawn")]
Level = Annotated[float, typer.Option(min=0.01, max=0.999, help="of the intervals")]
Seed = Annotated[int, typer.Option(min=0, help="of the random numbers")]
Strict = Annotated[bool, typer.Option("--strict", help="exit 4 when the ladder tells no law of the size")]
Items = Annotated[int | None, typer.Option(min=1, help="problems of one evaluation, where the data do not tell")]


def pairs(options: Sequence[str], name: str) -> dict[str, str]:
    """`k=v` options as a mapping."""
    split = [text.partition("=") for text in options]
    for (key, mark, value), text in zip(split, options, strict=True):
        if not (key and mark and value):
            raise UsageError(f"{name} {text!r}: write it as KEY=VALUE")
    return {key.strip(): value.strip() for key, _, value in split}


def read(data: str, where: Sequence[str] = (), mapping: Sequence[str] = (), *, every_tau: bool = False) -> "Frame":
    """The frame that a command's DATA, --where and --map name, cut to what one law can speak of."""
    from rlaw.measurements.load import load

    frame = load(data, mapping=pairs(mapping, "--map")).where(**pairs(where, "--where"))
    return frame.one_law(every_tau=every_tau)
