"""`rlaw figure`."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from rlaw.cli.picture import Draws, listing, save
from rlaw.cli.terminal import Json, show
from rlaw.errors import UsageError


def figure(
    name: Annotated[str | None, Argument(help="one of --list")] = None,
    data: Annotated[str | None, Argument(help="a store, a CSV, Parquet or JSONL file, or a dataset's name")] = None,
    output: Annotated[Path | None, Option("--output", "-o", help="NAME.pdf, .svg or .png; NAME.svg here")] = None,
    listed: Annotated[bool, Option("--list", help="what each figure shows")] = False,
    draws: Draws = None,
    seed: Annotated[int, Option(min=0, help="of the bootstrap")] = 0,
    json: Json = False,
) -> None:
    """Draw one figure of DATA as PDF, SVG or PNG: vectors, fonts embedded, the same bytes every time.

    Example: rlaw figure intra-model qwen2.5-math-base -o intra.pdf
    """
    from rlaw.reporting import figures

    if listed:
        return listing("figures", figures.titles(), as_json=json)
    if name is None or data is None:
        raise UsageError("rlaw figure takes a NAME and DATA\n  next: rlaw figure --list")
    drawn_as = save(name, figures.titles(), output, figures.FORMS)
    drawn = figures.draw(name, data, draws=draws, seed=seed)
    path = drawn_as.write(drawn.picture)
    words = {"title": drawn.title, "caption": drawn.caption, "beware": drawn.beware}
    text = f"{drawn.title}\n{drawn.caption}\nBeware: {drawn.beware}\nfigure: {path}"
    return show({"figure": name, "path": str(path), **words}, text, as_json=json)
