"""`rlaw figure`."""

from pathlib import Path

from rlaw.cli.options import (
    Format,
    Listed,
    Map,
    MaybeData,
    Measure,
    Name,
    Output,
    ReportDraws,
    Seed,
    Where,
    choices,
    measured,
)
from rlaw.cli.terminal import Json, requested, show, write


def figure(
    name: Name = None,
    data: MaybeData = None,
    output: Output = None,
    listed: Listed = False,
    where: Where = [],  # noqa: B006 - the command line makes a new list
    mapping: Map = [],  # noqa: B006
    format: Format = "auto",
    measure: Measure = None,
    draws: ReportDraws = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Draw one figure of DATA. PDF, SVG or PNG (NAME.svg here without -o): vectors, the same bytes every time.

    Example: rlaw figure intra-model qwen2.5-math-base -o intra.pdf
    """
    from rlaw.reporting import figures

    name, data = requested(figures.FIGURES, name, data, output, listed=listed, as_json=json)
    source = measured(data, mapping, format, measure)
    path = output or Path(f"{name}.svg")
    drawn = figures.draw(name, source, where=choices(where, "--where"), draws=draws, seed=seed)
    write(path, drawn)
    words = {"title": drawn.title, "caption": drawn.caption, "beware": drawn.caveat}
    text = f"{drawn.title}\n{drawn.caption}\nCaveat: {drawn.caveat}\nfigure: {path}"
    show({"figure": name, "path": str(path), **words}, text, as_json=json)
