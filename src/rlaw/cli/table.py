"""`rlaw table`."""

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


def table(
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
    """Make one table of DATA. LaTeX (booktabs) or CSV; without -o, print it as CSV.

    Example: rlaw table efficiency-fits qwen2.5-math-base -o table6.tex
    """
    from rlaw.reporting import tables

    name, data = requested(tables.TABLES, name, data, output, listed=listed, as_json=json)
    source = measured(data, mapping, format, measure)
    made = tables.make(name, source, where=choices(where, "--where"), draws=draws, seed=seed)
    if output is not None:
        write(output, made)
    rows = [[str(cell) for cell in row] for row in made.rows]
    document = {"table": name, "path": output and str(output), "caption": made.caption}
    text = f"{made.caption}\ntable: {output}" if output else f"{made.csv()}{made.caption}"
    show({**document, "columns": list(made.columns), "rows": rows}, text, as_json=json)
