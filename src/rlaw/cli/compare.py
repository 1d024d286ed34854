"""`rlaw compare`."""

from typing import Annotated, Literal

from typer import Option

from rlaw.cli.options import Data, Draws, Format, Level, Map, Measure, Seed, Where, Window, read
from rlaw.cli.terminal import Json, gate, show
from rlaw.errors import NotIdentifiable

Laws = Annotated[list[str], Option(metavar="A,B,…", help="laws to judge, auto among them; all by default")]


def compare(
    data: Data,
    axis: Annotated[Literal["compute", "data", "step"], Option(help="what the loss is a function of")] = "compute",
    cut: Annotated[int | None, Option(min=2, metavar="K", help="see the first K points of every curve")] = None,
    hold_out: Annotated[str | None, Option(metavar="largest|each|SIZE", help="see the other sizes")] = None,
    rolling: Annotated[bool, Option("--rolling", help="see ever longer beginnings of every curve")] = False,
    anchor: Annotated[int, Option(min=1, metavar="K", help="observed points of a held-out size")] = 10,
    laws: Laws = [],  # noqa: B006 - the command line makes a new list
    where: Where = [],  # noqa: B006
    mapping: Map = [],  # noqa: B006
    format: Format = "auto",
    measure: Measure = None,
    window: Window = None,
    draws: Draws = 200,
    level: Level = 0.9,
    seed: Seed = 0,
    strict: Annotated[bool, Option("--strict", help="exit 4 when no law beats the baselines")] = False,
    json: Json = False,
) -> None:
    """Judge laws by held-out points. The rest of each curve, what comes next along it, or a size left out.

    Example: rlaw compare qwen2.5-math-base --cut 25 --axis data
    """
    import rlaw

    frame = read(data, where, mapping, format, measure)
    names = [name.strip() for text in laws for name in text.split(",") if name.strip()] or None
    result = rlaw.compare(
        frame, laws=names, axis=axis, cut=cut, hold_out=hold_out, rolling=rolling, anchor=anchor,
        window=window, draws=draws, level=level, seed=seed,
    )  # fmt: skip
    show(result.to_json(), str(result), as_json=json)
    if strict and result.verdict.startswith("no law"):
        gate(NotIdentifiable(f"{result.verdict} (--strict)"))
