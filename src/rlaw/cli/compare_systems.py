"""`rlaw compare-systems`."""

from typing import Annotated

from typer import Argument, Option

from rlaw.cli.options import Map, Seed, Where, choices, pairs
from rlaw.cli.terminal import Json, show
from rlaw.errors import UsageError

Ledger = Annotated[
    str,
    Argument(
        metavar="LEDGER", help="CSV, JSONL or Parquet: system, benchmark, item, outcome or correct; seconds, usd …"
    ),
]
Weights = Annotated[
    list[str], Option(metavar="items|equal|NAME=W", help="of benchmarks, in means over them; NAME=W for each benchmark")
]
Level = Annotated[float, Option(min=0.01, max=0.999, help="of intervals; 1 - the chance of any false difference")]


def compare_systems(
    ledger: Ledger,
    weights: Weights = [],  # noqa: B006 - the command line makes a new list
    where: Where = [],  # noqa: B006
    mapping: Map = [],  # noqa: B006
    level: Level = 0.95,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Compare systems on the same items: pairs, groups that cannot be told apart, failures, costs.

    Example: rlaw compare-systems ledger.csv --weights equal
    """
    import rlaw

    result = rlaw.compare_systems(
        ledger, weights=_weights(weights), where=choices(where, "--where"), mapping=pairs(mapping, "--map"),
        level=level, seed=seed,
    )  # fmt: skip
    show(result.to_json(), str(result), as_json=json)


def _weights(given: list[str]) -> str | dict[str, float] | None:
    if len(given) <= 1 and not any("=" in text for text in given):
        return given[0] if given else None
    named = pairs([part for text in given for part in text.split(",")], "--weights")
    try:
        return {name: float(value) for name, value in named.items()}
    except ValueError:
        raise UsageError(f"--weights {' '.join(given)!r}: write a number for each benchmark, as NAME=0.5") from None
