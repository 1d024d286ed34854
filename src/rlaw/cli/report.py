"""`rlaw report`."""

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from rlaw.cli.picture import Draws
from rlaw.cli.terminal import Json, show


def report(
    data: Annotated[Path, Argument(help="a store; or a table or a bundled dataset's name, which need -o")],
    output: Annotated[Path | None, Option("--output", "-o", help="the HTML file; STORE/report.html by default")] = None,
    form: Annotated[Literal["pdf", "png"] | None, Option(help="what the figures are saved as beside SVG")] = None,
    draws: Draws = None,
    seed: Annotated[int, Option(min=0, help="of the bootstrap")] = 0,
    json: Json = False,
) -> None:
    """Fit, judge and draw everything DATA can speak of, into one HTML file and a folder of figures (SVG) beside it.

    Example: rlaw report runs/micro --form pdf
    """
    import rlaw.reporting

    written = rlaw.reporting.write(data, output, draws=draws, seed=seed, forms=(form,) if form else ())
    show(written.to_json(), str(written), as_json=json)
