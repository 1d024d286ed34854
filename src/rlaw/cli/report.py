"""`rlaw report`."""

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from rlaw.cli.options import Format, Map, Measure, ReportDraws, Seed, Where, choices, measured
from rlaw.cli.terminal import Json, show


def report(
    data: Annotated[Path, Argument(metavar="DATA", help="a store; or, with -o, a table or a bundled dataset's name")],
    output: Annotated[Path | None, Option("--output", "-o", help="the HTML file; STORE/report.html by default")] = None,
    form: Annotated[Literal["pdf", "png"] | None, Option(help="save the figures in this format too")] = None,
    where: Where = [],  # noqa: B006 - the command line makes a new list
    mapping: Map = [],  # noqa: B006
    format: Format = "auto",
    measure: Measure = None,
    draws: ReportDraws = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Write a report of DATA. Fits, findings, figures and tables in one HTML file, with a folder of SVG figures.

    Example: rlaw report runs/micro --form pdf
    """
    import rlaw

    source = measured(str(data), mapping, format, measure)
    written = rlaw.report(
        source, output, where=choices(where, "--where"), draws=draws, seed=seed, forms=(form,) if form else ()
    )
    show(written.to_json(), str(written), as_json=json)
