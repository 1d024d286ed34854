"""`rlaw contrast`."""

from typing import Annotated, Literal

from typer import Argument, Option

from rlaw.cli.options import Format, Level, Map, Measure, Where, Window, choices, measured
from rlaw.cli.terminal import Json, show

Several = Annotated[
    list[str],
    Argument(metavar="DATA [DATA]", help="a store, a table, logs or a bundled dataset; several are contrasted"),
]


def contrast(
    data: Several,
    between: Annotated[
        str | None, Option(metavar="FACTOR[=A,B,…]", help="a column, or a setting of a store's runs")
    ] = None,
    axis: Annotated[
        Literal["compute", "data", "step"] | None, Option(help="what is equal; the study's, else the first there is")
    ] = None,
    at: Annotated[list[str], Option("--at", metavar="X", help="a place on the axis; the common end if none")] = [],  # noqa: B006
    margin: Annotated[float, Option(help="difference of the loss within which recipes are equivalent")] = 0.0,
    target: Annotated[str | None, Option(metavar="SIZE", help="a size at which the difference is forecast")] = None,
    spread: Annotated[
        str | None, Option(metavar="SD|DATA", help="run-to-run standard deviation of the loss, or data that show it")
    ] = None,
    where: Where = [],  # noqa: B006
    mapping: Map = [],  # noqa: B006
    format: Format = "auto",
    measure: Measure = None,
    window: Window = None,
    level: Level = 0.9,
    json: Json = False,
) -> None:
    """Say which of two recipes is better, and how sure that is: at every size, over sizes, and at a size not run.

    Example: rlaw contrast runs/micro-curriculum --between arm=main,curriculum --margin 0.01
    """
    import rlaw
    from rlaw import units

    sources = [measured(one, mapping, format, measure) for one in data]
    result = rlaw.contrast(
        sources[0] if len(sources) == 1 else sources,
        between,
        where=choices(where, "--where"),
        axis=axis,
        at=[units.parse(x, "FLOPs") for x in at],
        margin=margin,
        target=target,
        spread=spread,
        window=window,
        level=level,
    )
    show(result.to_json(), str(result), as_json=json)
