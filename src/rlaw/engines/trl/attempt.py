"""One attempt at one run: from the newest checkpoint, or the base, to the last step, by TRL's trainer."""

# pyright: reportMissingImports=false, reportMissingModuleSource=false

import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from datasets import Dataset

from rlaw.engines import checkpoint, progress
from rlaw.engines.base import Workspace, ended, started
from rlaw.engines.progress import Progress
from rlaw.engines.trl import settings, state
from rlaw.engines.trl.adapter import TaskAdapter, task_adapter
from rlaw.engines.trl.evaluation import Evaluations
from rlaw.engines.trl.recorder import Recorder
from rlaw.engines.trl.rollouts import Grader
from rlaw.engines.trl.stream import Stream
from rlaw.engines.trl.trainer import Trainer
from rlaw.store.files import make_folder
from rlaw.store.records import BaseTrained, Record
from rlaw.study.plan import Run


@dataclass(frozen=True)
class Start:
    """What RL starts from, as transformers takes it; `record` is of the base, None for a checkpoint that is named."""

    checkpoint: str
    revision: str | None = None
    record: BaseTrained | None = None


def start(run: Run, workspace: Workspace) -> Start:
    """The checkpoint that the study names; else the local engine's base, pretrained unless it is in the cache."""
    if run.checkpoint is not None:
        name, _, revision = run.checkpoint.partition("@")
        return Start(name, revision or None)
    from rlaw.engines.local import pretrain, process

    process.prepare(workspace.cache)
    _, facts = pretrain.base(run, workspace.cache)
    record = BaseTrained(run=run.id, attempt=workspace.attempt, **vars(facts))
    return Start(str(workspace.cache / "bases" / facts.digest), record=record)


def train(run: Run, workspace: Workspace) -> Iterator[Record]:
    """The records of one attempt; closing the iterator, or Ctrl-C, keeps the last finished step."""
    make_folder(workspace.checkpoints)
    found = checkpoint.newest(workspace.checkpoints, workspace.steps)
    at = progress.read(found, run.id) if found else Progress()
    yield started(run, workspace.attempt, at.step, threads=torch.get_num_threads(), hardware=hardware())
    origin = start(run, workspace)
    if origin.record is not None:
        yield origin.record
    yield from Stream().records(lambda stream: _work(run, workspace, origin, at, found, stream))


def hardware() -> dict[str, str]:
    """The device that torch uses, and the machine."""
    cuda = torch.cuda.is_available()
    device = torch.cuda.get_device_name() if cuda else platform.processor() or "cpu"
    return {"platform": "gpu" if cuda else "cpu", "device": device, "machine": platform.machine()}


def _work(run: Run, workspace: Workspace, origin: Start, at: Progress, found: Path | None, stream: Stream) -> None:
    """What the trainer's thread does."""
    transformers.utils.logging.disable_progress_bar()
    checkpoints, output = workspace.checkpoints, workspace.folder / "trl"
    finished = at.step == run.rl.steps or at.diverged
    if finished:  # nothing is trained any more, only measured again
        origin = Start(str(found))
    adapter = task_adapter(run, origin.checkpoint, origin.revision)
    grader = Grader(run, adapter)
    recorder = Recorder(at, workspace.attempt, grader, Evaluations(run, workspace.attempt, adapter), checkpoints)
    try:
        trainer = _trainer(run, origin, adapter, grader, output)
        recorder.listen(trainer, stream)
        if finished:
            recorder.on_train_begin(None, None, None)
        else:
            trainer.train(resume_from_checkpoint=str(found) if found else None)
        recorder.save()
    finally:
        shutil.rmtree(output, ignore_errors=True)
    at, kept = recorder.at, f"checkpoints/{recorder.at.name}"
    weights = state.weights(workspace.folder / kept)
    stream.send(ended(run, workspace.attempt, at.step, kept, weights, diverged=at.diverged), recorder.save)


def _trainer(run: Run, origin: Start, adapter: TaskAdapter, grader: Grader, output: Path) -> Trainer:
    model = transformers.AutoModelForCausalLM.from_pretrained(
        origin.checkpoint, revision=origin.revision or "main", dtype=torch.float32
    )
    rows = {"prompt": adapter.prompts(grader.problems), "index": list(range(len(grader.problems)))}
    trainer = Trainer(
        run,
        model=model,
        reward_funcs=grader,
        args=settings.config(run, output),
        train_dataset=Dataset.from_dict(rows),
        processing_class=adapter.tokenizer,
    )
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer
