"""What RL starts from: weights that the study names, or the base that our local engine pretrains."""

from dataclasses import dataclass

from rlaw.engines.base import Workspace
from rlaw.store.records import BaseTrained
from rlaw.study.plan import Run


@dataclass(frozen=True)
class Start:
    """A checkpoint as transformers takes it; `record` tells of its making, None where it was only named."""

    checkpoint: str
    revision: str | None = None
    record: BaseTrained | None = None


def start(run: Run, workspace: Workspace) -> Start:
    """The named checkpoint; else the base, pretrained unless it is in the cache already."""
    if run.checkpoint is not None:
        name, _, revision = run.checkpoint.partition("@")
        return Start(name, revision or None)
    from rlaw.engines.local import pretrain, process

    process.prepare(workspace.cache)
    _, facts = pretrain.base(run, workspace.cache)
    record = BaseTrained(run=run.id, attempt=workspace.attempt, **vars(facts))
    return Start(str(workspace.cache / "bases" / facts.digest), record=record)
