"""One attempt at a run: write the data, start veRL, record what it does, end it."""

import hashlib
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rlaw.engines.base import Workspace, ended, started
from rlaw.engines.data import benchmark_texts, check_lengths, distinct_so_far, training_texts
from rlaw.engines.progress import Progress
from rlaw.engines.verl import checkpoint, launch, log, prepare, settings
from rlaw.engines.verl.paths import Paths
from rlaw.engines.verl.recorder import Recorder
from rlaw.errors import EngineError
from rlaw.store.records import Record
from rlaw.study.plan import Run


def train(run: Run, workspace: Workspace) -> Iterator[Record]:
    """The records of an attempt, read from veRL's files while it runs."""
    paths = Paths.of(workspace)
    found = checkpoint.newest(paths.checkpoints, run.resources.gpus, run.id, workspace.steps)
    at = found[0] if found else Progress()
    hardware = {"gpus": str(run.resources.gpus), "nodes": str(run.resources.nodes)}
    yield started(run, workspace.attempt, at.step, threads=run.resources.cpus, hardware=hardware)
    model, tokenizer = _model(run)
    recorder, diverged = _prepare(run, workspace.attempt, paths, tokenizer), None
    if at.step < run.rl.steps:
        resume = (at.step, str(found[1])) if found else None
        overrides = settings.overrides(run, settings.places(run, paths, model, resume))
        training = launch.start(run, paths, workspace.attempt, overrides)
        try:
            diverged = yield from records(recorder, paths, at, training)
        finally:
            training.stop()
    last = run.rl.steps if diverged is None else diverged
    folder = paths.checkpoints / f"global_step_{last}"  # weights of a run that diverged are not kept
    shutil.rmtree(paths.rollouts, ignore_errors=True)
    kept = str(folder.relative_to(workspace.folder.absolute())) if folder.is_dir() else ""
    yield ended(run, workspace.attempt, last, kept, _digest(folder), diverged=diverged is not None)


def records(recorder: Recorder, paths: Paths, at: Progress, training: launch.Training) -> Iterator[Record]:
    """The records of a training, while it runs; returns the step at which it diverged, or None.

    Raises:
        EngineError: it ended badly, or before its last step.
    """
    run, answers = recorder.run, sum(recorder.items.values()) * recorder.run.evaluation.samples
    for line in log.lines(paths.log, training.alive):
        if line.step > at.step:
            record, at = recorder.step(at, line, log.dump(paths.rollouts, line.step, run.rl.samples))
            (paths.rollouts / f"{line.step}.jsonl").unlink(missing_ok=True)  # large, and read
            yield record
            if not math.isfinite(record.loss):
                return line.step
        if any(name.startswith("val-") for name in line.metrics):
            yield from recorder.evaluations(at, line, log.dump(paths.answers, line.step, answers))
        checkpoint.acknowledge(paths.checkpoints, at, run.id)
    if at.step < run.rl.steps:
        raise EngineError(
            f"veRL ended after step {at.step} of {run.rl.steps}: {training.fault() or 'no message'}\n"
            f"  run:  {run.label}"
        )
    return None


def _model(run: Run) -> tuple[str, Any]:
    """The folder or id that veRL loads, and its tokenizer. A revision is fetched first: veRL takes none.

    Raises:
        EngineError: it cannot be loaded, or its tokenizer has no chat template.
    """
    from huggingface_hub import snapshot_download  # pyright: ignore[reportMissingImports]
    from transformers import AutoTokenizer  # pyright: ignore[reportMissingImports]

    name, _, revision = (run.checkpoint or "").partition("@")
    try:
        model = snapshot_download(name, revision=revision) if revision else name
        tokenizer = AutoTokenizer.from_pretrained(model)
    except (OSError, ValueError) as error:
        raise EngineError(f"checkpoint {run.checkpoint} cannot be loaded: {error}\n  run:  {run.label}") from error
    if tokenizer.chat_template is None:
        raise EngineError(f"the tokenizer of {run.checkpoint} has no chat template, and veRL asks in messages")
    return model, tokenizer


def _prepare(run: Run, attempt: int, paths: Paths, tokenizer: Any) -> Recorder:
    """Write what veRL reads."""
    problems, benchmarks = training_texts(run), benchmark_texts(run)
    check_lengths(run, [problems, *benchmarks.values()], tokenizer)
    prepare.write(run, paths, problems)
    items = {name: len(benchmark) for name, benchmark in benchmarks.items()}
    return Recorder(run, attempt, distinct_so_far(problem.prompt for problem in problems).tolist(), items, tokenizer)


def _digest(folder: Path) -> str:
    """SHA-256 of the weights' shards, in the order of their ranks; nothing when there are none."""
    shards = sorted(folder.glob("actor/model_world_size_*_rank_*.pt"), key=lambda path: (len(path.name), path.name))
    digest = hashlib.sha256()
    for path in shards:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest() if shards else ""
