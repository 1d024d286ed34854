"""`rlaw forecast`."""

from typing import Annotated, Literal

from typer import Option

from rlaw.cli.options import (
    Data,
    Draws,
    EfficiencyDoubling,
    Far,
    Format,
    Level,
    Map,
    Measure,
    Seed,
    Strict,
    Where,
    Window,
    read,
)
from rlaw.cli.terminal import Json, all_done, gate, show
from rlaw.errors import NotIdentifiable

At = Annotated[list[float], Option("--at", metavar="X", help="place on the axis; may be repeated")]


def forecast(
    data: Data,
    target: Annotated[str, Option(metavar="MODEL|SIZE", help="a model's name, largest, or a size, in the data or not")],
    anchor: Annotated[
        str, Option(metavar="none|step0|first:K", help="what the forecast may use of the target")
    ] = "none",
    axis: Annotated[Literal["compute", "data", "step"], Option(help="what the loss is a function of")] = "compute",
    law: Annotated[str, Option(help="auto pools the ladder; or damped-trend, or one of `rlaw laws`")] = "auto",
    at: At = [],  # noqa: B006
    target_loss: Annotated[float | None, Option(metavar="L", help="report what it costs past the last place")] = None,
    efficiency_doubling: EfficiencyDoubling = None,
    where: Where = [],  # noqa: B006 - the command line makes a new list
    mapping: Map = [],  # noqa: B006
    format: Format = "auto",
    measure: Measure = None,
    window: Window = None,
    draws: Draws = 1000,
    level: Level = 0.9,
    seed: Seed = 0,
    far: Far = False,
    strict: Strict = False,
    json: Json = False,
) -> None:
    """Forecast the loss of a size. Blind, anchored at its step 0, or calibrated by its first evaluations.

    Example: rlaw forecast qwen2.5-math-base --target 72B --anchor first:10 --axis data
    """
    import rlaw

    frame = read(data, where, mapping, format, measure)
    result = rlaw.forecast(
        frame, target, anchor=anchor, axis=axis, law=law, at=at,
        target_loss=target_loss, efficiency_doubling=efficiency_doubling,
        window=window, draws=draws, level=level, seed=seed, far=far,
    )  # fmt: skip
    show(result.to_json(), str(result), as_json=json)
    if strict and not result.identified:
        gate(NotIdentifiable(f"no law of the size is identified by {frame.source} (--strict)"))
    if strict:
        all_done(result.warnings)
