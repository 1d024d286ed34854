"""`rlaw merge`."""

from pathlib import Path
from typing import Annotated

from typer import Option

from rlaw.cli.geometry import Base, Checkpoints
from rlaw.cli.options import Seed
from rlaw.cli.terminal import Json, show


def merge(
    base: Base,
    checkpoints: Checkpoints,
    output: Annotated[Path, Option("--output", "-o", help="the folder to write; must not be there")],
    method: Annotated[str, Option(metavar="mean|task-arithmetic|ties|dare|wudi|gcwm", help="how")] = "mean",
    scale: Annotated[float, Option(help="of the merged update: task-arithmetic, ties, dare")] = 1.0,
    density: Annotated[float, Option(help="share of numbers kept of each update: ties, dare")] = 0.2,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Merge checkpoints of one base into one that loads as the base does.

    Example: rlaw merge base skill-a skill-b -o merged --method gcwm
    """
    import rlaw

    result = rlaw.merge(base, checkpoints, output, method=method, scale=scale, density=density, seed=seed)
    show(result, f"{result['tensors']} tensors merged by {method}: {output}", as_json=json)
