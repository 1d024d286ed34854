"""`rlaw dose`."""

from typing import Annotated

from typer import Option

from rlaw.cli.options import Data, Level, Map, Seed, Where, choices, pairs
from rlaw.cli.terminal import Json, show


def dose(
    data: Data,
    of: Annotated[str | None, Option(metavar="data_size|unique_data|COLUMN", help="the dose; a table's `dose`")] = None,
    by: Annotated[str, Option(metavar="COLUMN", help="names the arm")] = "arm",
    reference: Annotated[str | None, Option(metavar="ARM", help="the arm that doses are counted in")] = None,
    where: Where = [],  # noqa: B006 - the command line makes a new list
    mapping: Map = [],  # noqa: B006
    draws: Annotated[int, Option(min=200, help="bootstrap draws")] = 2000,
    level: Level = 0.9,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """What a mixture is worth in data: equivalent doses with bounds, and whether more ever hurts.

    Example: rlaw dose runs.csv --of dose --by arm --reference easy
    """
    import rlaw

    result = rlaw.dose(
        data, of=of, by=by, reference=reference, where=choices(where, "--where"), mapping=pairs(mapping, "--map"),
        draws=draws, level=level, seed=seed,
    )  # fmt: skip
    show(result.to_json(), str(result), as_json=json)
