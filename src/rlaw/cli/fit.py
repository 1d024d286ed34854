"""`rlaw fit`."""

from typing import Annotated, Literal

from typer import Option

from rlaw.cli.options import Data, Draws, Format, Items, Level, Map, Measure, Seed, Where, Window, read
from rlaw.cli.terminal import Json, gate, show
from rlaw.errors import NotIdentifiable


def fit(
    data: Data,
    law: Annotated[str, Option(help="one of `rlaw laws`")] = "saturating",
    axis: Annotated[Literal["compute", "data", "step"], Option(help="what the loss is a function of")] = "compute",
    where: Where = [],  # noqa: B006 - the command line makes a new list
    mapping: Map = [],  # noqa: B006
    format: Format = "auto",
    measure: Measure = None,
    hold_out: Annotated[str | None, Option(metavar="largest|SIZE", help="leave a size out of the fit")] = None,
    window: Window = None,
    space: Annotated[Literal["loss", "log"], Option(help="where squared errors are taken")] = "loss",
    noise: Annotated[Literal["equal", "binomial"], Option(help="weight of a point within its size")] = "equal",
    items: Items = None,
    intervals: Annotated[
        Literal["bootstrap", "profile", "none"], Option(help="how intervals are computed")
    ] = "bootstrap",
    draws: Draws = 1000,
    level: Level = 0.9,
    seed: Seed = 0,
    sensitivity: Annotated[
        bool, Option("--sensitivity", help="fit again without each size, and with other windows")
    ] = False,
    strict: Annotated[bool, Option("--strict", help="exit 4 when the law is not identified")] = False,
    json: Json = False,
) -> None:
    """Fit a scaling law to DATA.

    Example: rlaw fit qwen2.5-math-base --law saturating --axis compute
    """
    import rlaw

    frame = read(data, where, mapping, format, measure)
    result = rlaw.fit(
        law, frame, axis=axis, hold_out=hold_out, window=window, space=space, noise=noise, items=items,
        intervals=intervals, draws=draws, level=level, seed=seed,
    )  # fmt: skip
    document, text = result.to_json(), str(result)
    if sensitivity:
        from rlaw.fitting.sensitivity import sensitivity as refits

        moved = refits(result)
        document, text = document | {"sensitivity": moved.to_json()}, f"{text}\n\n{moved}"
    show(document, text, as_json=json)
    if strict and not result.identified:
        gate(NotIdentifiable(f"{law} is not identified by {frame.source} (--strict)"))
