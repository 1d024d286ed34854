"""Which of veRL's checkpoints a run goes on from: the newest that is whole, and whose steps are all in the store.

veRL writes `global_step_N/actor/{model,optim,extra_state}_world_size_W_rank_R.pt` and `data.pt`, and saves before it
logs the step. A step that was saved and never told would be missing in the records, so `Told` keeps which were.
"""

import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

from rlaw.errors import EngineError
from rlaw.files import make_folder

PARTS = ("model", "optim", "extra_state")


@dataclass(frozen=True, slots=True)
class Told:
    """A step whose records are in the store. `tokens` and `flops` (exact) count from the start of RL."""

    step: int = 0
    tokens: int = 0
    flops: int = 0


def note(checkpoints: Path, told: Told) -> None:
    """Keep that the records of a step are in the store."""
    make_folder(checkpoints)
    with (checkpoints / "told.jsonl").open("ab") as file:
        file.write(json.dumps({"step": told.step, "tokens": told.tokens, "flops": told.flops}).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def told(checkpoints: Path) -> dict[int, Told]:
    """All steps whose records are in the store; a line cut short is left out."""
    path = checkpoints / "told.jsonl"
    if not path.is_file():
        return {}
    *whole, _ = path.read_bytes().split(b"\n")
    noted = (Told(**json.loads(line)) for line in whole)
    return {one.step: one for one in noted}


def newest(checkpoints: Path, gpus: int) -> tuple[Told, Path] | None:
    """The newest checkpoint to go on from, and what was told by then; None: from the start.

    Raises:
        EngineError: it was written on another number of GPUs.
    """
    known = told(checkpoints)
    found = sorted(((step, path) for path in checkpoints.glob("global_step_*") if (step := _step(path))), reverse=True)
    for step, path in found:
        if step in known and (world := whole(path)):
            if world != gpus:
                raise EngineError(
                    f"{path} was written on {world} GPUs, the size's resources say {gpus}: shards of another number\n"
                    f"  next: resources: {{gpus: {world}}} until the run is done, or remove {checkpoints} to start over"
                )
            return known[step], path
    return None


def whole(folder: Path) -> int | None:
    """The number of shards of a checkpoint; None when one is missing or cut short.

    A shard is a zip file, whose directory is at its end: that it can be read tells that the file has its end.
    """
    actor = folder / "actor"
    worlds = {int(path.name.split("_")[3]) for path in actor.glob("model_world_size_*_rank_*.pt")}
    if len(worlds) != 1 or not (folder / "data.pt").is_file():
        return None
    world = worlds.pop()
    shards = (actor / f"{part}_world_size_{world}_rank_{rank}.pt" for part in PARTS for rank in range(world))
    return world if all(path.is_file() and zipfile.is_zipfile(path) for path in shards) else None


def _step(path: Path) -> int | None:
    number = path.name.removeprefix("global_step_")
    return int(number) if number.isdigit() else None
