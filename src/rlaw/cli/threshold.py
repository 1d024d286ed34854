"""`rlaw threshold`."""

from typing import Annotated

from typer import Option

from rlaw.cli.options import Data, Draws, EfficiencyDoubling, Format, Level, Map, Measure, Seed, Where, choices, pairs
from rlaw.cli.terminal import Json, show


def threshold(
    data: Data,
    reach: Annotated[float, Option(help="the threshold, a share of right answers")] = 0.9,
    along: Annotated[
        str, Option("--in", metavar="compute|data|step|tokens|gpu-hours|COLUMN", help="the resource that is spent")
    ] = "compute",
    of: Annotated[str, Option(metavar="COLUMN", help="the task's variable, numbers above 0")] = "depth",
    by: Annotated[str | None, Option(metavar="COLUMN", help="runs of each value have a law of their own")] = None,
    budget: Annotated[str | None, Option(metavar="X", help="of one run; the most that a run spent by default")] = None,
    efficiency_doubling: EfficiencyDoubling = None,
    where: Where = [],  # noqa: B006 - the command line makes a new list
    mapping: Map = [],  # noqa: B006
    format: Format = "auto",
    measure: Measure = None,
    draws: Draws = 1000,
    level: Level = 0.9,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Fit the law of what it takes to reach a threshold. T = a D^gamma, runs that never got there included.

    Example: rlaw threshold runs.csv --reach 0.9 --in step --of depth --by logic
    """
    import rlaw
    from rlaw import units

    result = rlaw.threshold(
        data, reach=reach, along=along, of=of, by=by,
        budget=None if budget is None else units.parse(budget, UNIT.get(along, "count")),
        efficiency_doubling=efficiency_doubling, where=choices(where, "--where"), mapping=pairs(mapping, "--map"),
        format=format, measure=measure,
        draws=draws, level=level, seed=seed,
    )  # fmt: skip
    show(result.to_json(), str(result), as_json=json)


#: what a budget of a resource is written in
UNIT = {"compute": "FLOPs", "gpu-hours": "GPU-h"}
