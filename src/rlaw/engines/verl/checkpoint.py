"""Which of veRL's checkpoints a run resumes from: the newest that is whole, and whose steps are all in the store.

veRL writes `global_step_N/actor/{model,optim,extra_state}_world_size_W_rank_R.pt` and `data.pt`, and saves before it
logs the step. A step that was saved and never logged would be missing in the records: acknowledged.jsonl lists
those whose records are in the store.
"""

import json
import os
import zipfile
from pathlib import Path

from rlaw.engines.progress import Progress
from rlaw.errors import EngineError
from rlaw.files import make_folder

PARTS = ("model", "optim", "extra_state")
FILES = ("told.jsonl", "acknowledged.jsonl")  # the first one is an older version's


def acknowledge(checkpoints: Path, at: Progress) -> None:
    """Write down that the records of a step are in the store."""
    make_folder(checkpoints)
    with (checkpoints / FILES[-1]).open("ab") as file:
        file.write(json.dumps({"step": at.step, "tokens": at.tokens, "flops": at.flops}).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def acknowledged(checkpoints: Path) -> dict[int, Progress]:
    """All steps whose records are in the store; a line cut short is left out."""
    texts = [path.read_bytes() for name in FILES if (path := checkpoints / name).is_file()]
    rows = (json.loads(line) for text in texts for line in text.split(b"\n")[:-1])
    return {row["step"]: Progress(**row) for row in rows}


def newest(checkpoints: Path, gpus: int) -> tuple[Progress, Path] | None:
    """The newest checkpoint to go on from, and its step's progress; None: from the start.

    Raises:
        EngineError: it was written on another number of GPUs.
    """
    known = acknowledged(checkpoints)
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

    A shard is a zip file, whose directory is at its end: one that can be read is not cut short.
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
