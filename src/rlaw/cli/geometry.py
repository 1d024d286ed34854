"""`rlaw geometry`."""

from typing import Annotated

from typer import Argument

from rlaw.cli.terminal import Json, show

Base = Annotated[str, Argument(metavar="BASE", help="folder of the checkpoint that all started from, in safetensors")]
Checkpoints = Annotated[list[str], Argument(metavar="CHECKPOINT…", help="folders of what became of it")]


def geometry(base: Base, checkpoints: Checkpoints, json: Json = False) -> None:
    """How far checkpoints moved from their base, and whether their updates conflict, by layer.

    Example: rlaw geometry base skill-a skill-b
    """
    import rlaw

    result = rlaw.geometry(base, checkpoints)
    show(result.to_json(), str(result), as_json=json)
