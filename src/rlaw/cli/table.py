"""`rlaw table`."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from rlaw.cli.picture import Draws, listing, save
from rlaw.cli.terminal import Json, show
from rlaw.errors import UsageError


def table(
    name: Annotated[str | None, Argument(help="one of --list")] = None,
    data: Annotated[str | None, Argument(help="a store, a CSV, Parquet or JSONL file, or a dataset's name")] = None,
    output: Annotated[Path | None, Option("--output", "-o", help="NAME.tex or NAME.csv; else on stdout")] = None,
    listed: Annotated[bool, Option("--list", help="what each table tells")] = False,
    draws: Draws = None,
    seed: Annotated[int, Option(min=0, help="of the bootstrap")] = 0,
    json: Json = False,
) -> None:
    """Make one table of DATA as LaTeX (booktabs) or CSV.

    Example: rlaw table efficiency-fits qwen2.5-math-base -o table6.tex
    """
    from rlaw.reporting import tables

    if listed:
        return listing("tables", tables.titles(), as_json=json)
    if name is None or data is None:
        raise UsageError("rlaw table takes a NAME and DATA\n  next: rlaw table --list")
    told_as = save(name, tables.titles(), output, tables.FORMS) if output else None
    told = tables.make(name, data, draws=draws, seed=seed)
    path = told_as.write(told.picture) if told_as else None
    rows = [[str(cell) for cell in row] for row in told.rows]
    document = {"table": name, "path": path and str(path), "caption": told.caption}
    text = f"{told.caption}\ntable: {path}" if path else f"{told.csv()}{told.caption}"
    return show({**document, "columns": list(told.columns), "rows": rows}, text, as_json=json)
