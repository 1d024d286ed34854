"""`rlaw health`."""

from typing import Annotated

from typer import Argument, Option

from rlaw.cli.options import Format, Map, pairs
from rlaw.cli.terminal import Json, gate, show
from rlaw.errors import DataError

Log = Annotated[str, Argument(metavar="LOG", help="a trainer's log, a folder of logs, a store, or one run of a store")]


def health(
    log: Log,
    mapping: Map = [],  # noqa: B006 - the command line makes a new list
    format: Format = "auto",
    strict: Annotated[bool, Option("--strict", help="exit 4 when a run has an alarm")] = False,
    json: Json = False,
) -> None:
    """Examine runs for what goes wrong in RL. Each alarm with its evidence, threshold, source and what to do.

    Example: rlaw health train.log
    """
    import rlaw

    result = rlaw.health(log, format=format, mapping=pairs(mapping, "--map"))
    show(result.to_json(), str(result), as_json=json)
    if strict and result.sick:
        rules = dict.fromkeys(alarm.rule for run in result.runs for alarm in run.alarms)
        gate(DataError(f"{log}: {', '.join(rules)} (--strict)"))
