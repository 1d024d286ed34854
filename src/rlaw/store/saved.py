"""The step that a run's newest checkpoint has, whichever engine wrote it, without opening the checkpoint.

A checkpoint is written when the records of its step are on the disk: one that is ahead of the journal shows that the
journal has lost its end.
"""

from contextlib import suppress
from pathlib import Path

from rlaw.errors import RlawError, StoreError
from rlaw.store.files import read_json

_PREFIX = "step-"
STATE = "state.json"


def newest_step(folder: Path) -> int:
    """The highest step that a run has a checkpoint of, damaged ones included; 0 when there is none."""
    names = (path.name.removeprefix(_PREFIX) for path in (folder / "checkpoints").glob(f"{_PREFIX}*"))
    steps = [int(name) for name in names if name.isdecimal()]
    with suppress(RlawError, KeyError):  # none of this kind, or a damaged one, which the engine passes over
        steps.append(read_json(folder / "checkpoints" / STATE)["step"])
    return max(steps, default=0)


def check(path: Path, saved: int, known: int) -> None:
    """Refuse a journal that a checkpoint is ahead of.

    Args:
        path: of the journal.
        saved: the newest checkpoint's step, looked up before the journal was read.
        known: the highest step of the journal.

    Raises:
        StoreError: the journal has lost its end.
    """
    if saved > known:
        raise StoreError(
            f"{path} ends with step {known}, and there is a checkpoint of step {saved}: lines are missing at its end\n"
            f"  next: take the file from a copy of the store, or delete the run's folder and run it again"
        )
