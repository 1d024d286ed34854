"""What RL starts from: the checkpoint that our local engine pretrains."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlaw.engines.base import Workspace
from rlaw.engines.local import pretrain, process
from rlaw.plan import Run, base_key
from rlaw.records import BaseTrained


@dataclass(frozen=True)
class Start:
    """A checkpoint that transformers loads, and what is told of its making; None of one that was only named."""

    checkpoint: str
    revision: str | None = None
    record: BaseTrained | None = None

    def dtype(self, run: Run) -> Any:
        """Of the weights while they are trained: full precision, unless the study asks for autocast to less."""
        import torch

        return torch.float32


def start(run: Run, workspace: Workspace) -> Start:
    """The base of a run, pretrained by the local engine unless it is in the cache already."""
    process.prepare(workspace.cache)
    _, facts = pretrain.base(run, workspace.cache)
    record = BaseTrained(run=run.id, attempt=workspace.attempt, **vars(facts))
    folder = Path(workspace.cache) / "bases" / base_key(run)
    return Start(str(folder), record=record)
