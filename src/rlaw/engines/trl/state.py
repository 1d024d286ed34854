"""The verified folder that a run resumes from after a step.

The folder is transformers' own checkpoint (weights, optimizer, schedule, random numbers, trainer state: what
`resume_from_checkpoint` reads), moved under a name of ours with a manifest of hashes and the record of its step.
"""

import hashlib
import shutil
from pathlib import Path
from typing import Any

from rlaw.engines import checkpoint
from rlaw.engines.progress import Progress

LEFT_OUT = ("training_args.bin", "README.md")  # a pickle, and a card for a hub: neither is read again


def save(at: Progress, trainer: Any, checkpoints: Path) -> None:
    """Write the state after a step into a folder of its own.

    Raises:
        StoreError: it cannot be written; older checkpoints are as they were.
    """

    def fill(aside: Path) -> None:
        try:
            trainer._save_checkpoint(trainer.model, trial=None)
        except RuntimeError as error:  # what torch raises on a full disk
            raise OSError(str(error)) from error
        written = Path(trainer.args.output_dir) / f"checkpoint-{trainer.state.global_step}"
        for path in written.iterdir():
            if path.name not in LEFT_OUT:
                shutil.move(path, aside / path.name)
        shutil.rmtree(written)
        at.write(aside)

    checkpoint.write(checkpoints / at.name, fill)
    checkpoint.prune(checkpoints)


def weights(folder: Path) -> str:
    """The SHA-256 of the weights of a checkpoint; of all their hashes where they are in several files."""
    hashes = [sha256 for name, sha256 in sorted(checkpoint.verify(folder).items()) if name.endswith(".safetensors")]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
