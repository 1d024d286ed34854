"""One attempt at one run: from the newest checkpoint, or the base, to the last step, by TRL's trainer."""

# pyright: reportMissingImports=false, reportMissingModuleSource=false

import platform
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import transformers
from datasets import Dataset

from rlaw.engines import checkpoint, progress
from rlaw.engines.base import Workspace, started
from rlaw.engines.progress import Progress
from rlaw.engines.trl import settings, state
from rlaw.engines.trl.adapter import Questions, questions
from rlaw.engines.trl.evaluation import Evaluations
from rlaw.engines.trl.recorder import Recorder
from rlaw.engines.trl.rollouts import Grader
from rlaw.engines.trl.start import Start, start
from rlaw.engines.trl.stream import Stream
from rlaw.engines.trl.trainer import Trainer
from rlaw.store.provenance import now
from rlaw.store.records import Record, RunFinished
from rlaw.study.plan import Run


def train(run: Run, workspace: Workspace) -> Iterator[Record]:
    """The records of one attempt; closing the iterator, or Ctrl-C, keeps the last finished step."""
    found = checkpoint.newest(workspace.folder / "checkpoints")
    at = progress.read(found) if found else Progress()
    yield started(run, workspace.attempt, at.step, threads=torch.get_num_threads(), hardware=hardware())
    begin = start(run, workspace)
    if begin.record is not None:
        yield begin.record
    yield from Stream().records(lambda stream: _work(run, workspace, begin, at, found, stream))


def hardware() -> dict[str, str]:
    """The device that torch uses, and the machine."""
    cuda = torch.cuda.is_available()
    device = torch.cuda.get_device_name() if cuda else platform.processor() or "cpu"
    return {"platform": "gpu" if cuda else "cpu", "device": device, "machine": platform.machine()}


def _work(run: Run, workspace: Workspace, begin: Start, at: Progress, found: Path | None, stream: Stream) -> None:
    """What the trainer's thread does."""
    transformers.utils.logging.disable_progress_bar()
    checkpoints, output = workspace.folder / "checkpoints", workspace.folder / "trl"
    finished = at.step == run.rl.steps or at.diverged
    if finished:  # nothing is trained any more, only measured again
        begin = Start(str(found))
    asked = questions(run, begin.checkpoint, begin.revision)
    grader = Grader(run, asked)
    narrator = Recorder(at, workspace.attempt, grader, Evaluations(run, workspace.attempt, asked), checkpoints)
    try:
        trainer = _trainer(run, begin, asked, grader, output)
        narrator.listen(trainer, stream)
        if finished:
            narrator.on_train_begin(None, None, None)
        else:
            trainer.train(resume_from_checkpoint=str(found) if found else None)
        narrator.save()
    finally:
        shutil.rmtree(output, ignore_errors=True)
    stream.tell(_finished(run, workspace.attempt, narrator.at, checkpoints), narrator.save)


def _trainer(run: Run, begin: Start, asked: Questions, grader: Grader, output: Path) -> Trainer:
    model = transformers.AutoModelForCausalLM.from_pretrained(
        begin.checkpoint, revision=begin.revision or "main", dtype=torch.float32
    )
    rows = {"prompt": asked.prompts(grader.problems), "index": list(range(len(grader.problems)))}
    arguments: dict[str, Any] = dict(
        model=model,
        reward_funcs=grader,
        args=settings.config(run, output),
        train_dataset=Dataset.from_dict(rows),
        processing_class=asked.tokenizer,
    )
    trainer = Trainer(run, **arguments)
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def _finished(run: Run, attempt: int, at: Progress, checkpoints: Path) -> RunFinished:
    return RunFinished(
        run=run.id,
        attempt=attempt,
        step=at.step,
        checkpoint=f"checkpoints/{at.name}",
        weights=state.weights(checkpoints / at.name),
        diverged=at.diverged,
        time=now(),
    )
