"""Which of veRL's checkpoints a run resumes from: the newest that is whole, and whose steps are all in the store.

veRL writes `global_step_N/actor/{model,optim,extra_state}_world_size_W_rank_R.pt` and `data.pt`, and saves before it
logs the step. A step that was saved and never logged would be missing in the records: acknowledged.jsonl lists
those whose records are in the store.
"""

import json
import os
import zipfile
from pathlib import Path

from rlaw.engines.progress import Progress, check_run
from rlaw.errors import EngineError
from rlaw.store.files import make_folder

PARTS = ("model", "optim", "extra_state")
FILES = ("told.jsonl", "acknowledged.jsonl")  # the first one is an older version's


def acknowledge(checkpoints: Path, at: Progress, run: str) -> None:
    """Write down that the records of a step of a run are in the store."""
    make_folder(checkpoints)
    with (checkpoints / FILES[-1]).open("ab") as file:
        row = {"run": run, "step": at.step, "tokens": at.tokens, "flops": at.flops}
        file.write(json.dumps(row).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def acknowledged(checkpoints: Path, run: str, at_most: int | None = None) -> dict[int, Progress]:
    """The steps of a run, up to one of them, whose records are in the store; a line cut short is left out.

    Raises:
        StoreError: they are another run's.
    """
    texts = [(path, path.read_bytes()) for name in FILES if (path := checkpoints / name).is_file()]
    known = {}
    for path, text in texts:
        for row in map(json.loads, text.split(b"\n")[:-1]):
            check_run(path, row.pop("run", run), run)  # rlaw 0.1.0 named no run
            if at_most is None or row["step"] <= at_most:
                known[row["step"]] = Progress(**row)
    return known


def newest(checkpoints: Path, gpus: int, run: str, at_most: int | None = None) -> tuple[Progress, Path] | None:
    """The newest checkpoint to go on from, and its step's progress; None: from the start.

    Args:
        checkpoints: the run's folder of them.
        gpus: that the run has now.
        run: its id.
        at_most: the last step that may be resumed from; None: any.

    Raises:
        EngineError: it was written on another number of GPUs.
        StoreError: it is another run's.
    """
    known = acknowledged(checkpoints, run, at_most)
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
