"""`rlaw retention`."""

from typing import Annotated

from typer import Argument

from rlaw.cli.options import Level, Map, Seed, Where, choices, pairs
from rlaw.cli.terminal import Json, show

Answers = Annotated[
    str,
    Argument(metavar="DATA", help="CSV, JSONL or Parquet: stage, benchmark, item, outcome or correct; trained, seed …"),
]


def retention(
    data: Answers,
    where: Where = [],  # noqa: B006 - the command line makes a new list
    mapping: Map = [],  # noqa: B006
    level: Level = 0.9,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """How good every skill is after every stage of training, what was forgotten, and what transferred.

    Example: rlaw retention evals.csv --map stage=checkpoint
    """
    import rlaw

    result = rlaw.retention(
        data, where=choices(where, "--where"), mapping=pairs(mapping, "--map"), level=level, seed=seed
    )
    show(result.to_json(), str(result), as_json=json)
