"""What every engine is: it turns one planned run into records, and does nothing else."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from rlaw.engines.progress import Progress
from rlaw.errors import EngineError
from rlaw.store.provenance import now, versions
from rlaw.store.records import Evaluated, Record, RunFinished, RunStarted, Step
from rlaw.study.compute import FACTORS, Flops, accounted_flops, forward_flops, training_flops
from rlaw.study.plan import Run


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where an engine may write, and which attempt this is.

    Attributes:
        folder: the run's own folder; checkpoints go to `folder/checkpoints`.
        cache: shared between runs of all stores, content-addressed: base checkpoints, compiled programs.
        attempt: 1, 2, …; stands in every record.
        steps: those whose records are kept: a run resumes no later; None: not known.
    """

    folder: Path
    cache: Path
    attempt: int = 1
    steps: int | None = None

    @property
    def checkpoints(self) -> Path:
        """Where the run's checkpoints are."""
        return self.folder / "checkpoints"


class Engine(Protocol):
    """Turns one planned run into records. Storing, retrying, smoothing and choosing runs live elsewhere."""

    name: str

    def check(self, run: Run) -> None:
        """Raises EngineError, naming what is missing (a package, a device, weights), before any compute is spent."""

    def estimate_seconds(self, run: Run) -> float:
        """Wall seconds of the whole run on one of this machine's workers, from measured throughput; for plans only."""
        ...

    def shared_seconds(self, run: Run) -> dict[str, float]:
        """Those of `estimate_seconds` that are spent once for all runs of a plan with the same key: base, programs."""
        return {}

    def train(self, run: Run, workspace: Workspace) -> Iterator[Record]:
        """Yields records in step order, `RunStarted` first; resumes from the newest good checkpoint in the workspace.

        A record counts as kept once the caller takes the next one. Closing the iterator saves a checkpoint, stops
        the run and frees its devices.
        """
        ...


@runtime_checkable
class Commanded(Protocol):
    """An engine whose training is a program of its own, which can be started by hand."""

    def command(self, run: Run, workspace: Workspace, study: str) -> str:
        """What to type; `study` is the study's file, or a preset's name."""
        ...


def started(
    run: Run, attempt: int, resumed_at: int, *, threads: int, hardware: dict[str, str] | None = None
) -> RunStarted:
    """The first record of an attempt: what the plan says of the run, and on what it is made."""
    return RunStarted(
        run=run.id,
        attempt=attempt,
        study=run.study,
        arm=run.arm,
        family=run.family,
        model=run.size.name,
        variant=run.variant,
        params=run.params,
        params_total=run.architecture.params_total,
        seed=run.seed,
        tau=float(run.data.reuse),
        group_size=run.rl.num_generations,
        task=run.task.name,
        order=run.data.order,
        prompts=run.rl.prompts,
        steps=run.rl.steps,
        resumed_at=resumed_at,
        engine=run.engine.name,
        threads=threads,
        subsets=run.data.subsets,
        schedule=run.data.schedule,
        versions=versions(),
        hardware=hardware or {},
        time=now(),
    )


def require(run: Run, engine: str, packages: Iterable[str]) -> None:
    """Refuse a run whose engine's packages are not all here.

    Raises:
        EngineError: names those that are missing.
    """
    if missing := [name for name in packages if find_spec(name) is None]:
        raise EngineError(
            f"the {engine} engine needs {', '.join(missing)}, which this Python does not have\n"
            f"  run:  {run.label}\n"
            f"  next: pip install 'rlaw[{engine.lower()}]'"
        )


def whole_step_flops(run: Run, prompt_tokens: int, response_tokens: int) -> Flops:
    """FLOPs of a step as executed: every phase over all its tokens, attention at their mean length, logits of answers.

    Padding is not counted, nor is what gradient checkpointing computes again.
    """
    tokens = prompt_tokens + response_tokens
    context = (tokens / run.rl.samples + 1) / 2
    forward = forward_flops(run.architecture, tokens, context, response_tokens)
    update = run.rl.num_iterations * training_flops(run.architecture, tokens, context, response_tokens)
    return Flops(rollout=forward, old_logprobs=forward, reference=forward if run.rl.beta else 0, update=update)


def reward_statistics(rewards_PG: np.ndarray) -> dict[str, float]:
    """Those that `Step` has of the (P, G) rewards; a group without variance has answers that are all worth the same."""
    same_P = (rewards_PG == rewards_PG[:, :1]).all(axis=1)
    mean, std, same = (x.item() for x in (rewards_PG.mean(), rewards_PG.std(), same_P.mean()))
    return {"reward_mean": mean, "reward_std": std, "zero_variance_share": same}


def stepped(run: Run, attempt: int, step: int, flops: Flops, **measured: Any) -> Step:
    """The record of an RL step.

    Args:
        run: the run.
        attempt: the number of the attempt.
        step: the number of the step, from 1.
        flops: FLOPs of this step, by phase.
        measured: the other fields of `Step`, as the engine measured them.
    """
    prompts, spent = run.rl.prompts, asdict(flops)
    fixed: dict[str, Any] = {"prompts": prompts, "data_size": step * prompts, "flops": spent}
    return Step(run=run.id, attempt=attempt, step=step, **fixed, **measured)


def evaluated(run: Run, attempt: int, at: Progress, benchmark: str, correct: list[int], **measured: Any) -> Evaluated:
    """The record of one benchmark.

    Args:
        run: the run.
        attempt: the number of the attempt.
        at: step, tokens and FLOPs of the policy that answered.
        benchmark: its name.
        correct: right answers to each item.
        measured: the other fields of `Evaluated`, as the engine measured them.
    """
    items, samples = len(correct), run.evaluation.samples
    compute = {name: accounted_flops(name, run.params, at.tokens) for name in FACTORS}
    return Evaluated(
        run=run.id,
        attempt=attempt,
        step=at.step,
        benchmark=benchmark,
        items=items,
        samples=samples,
        correct=correct,
        test_loss=1 - sum(correct) / (items * samples),
        data_size=at.step * run.rl.prompts,
        tokens=at.tokens,
        compute_flops=compute | {"exact": float(at.flops)},
        domain=run.task.domain(benchmark),
        **measured,
    )


def ended(run: Run, attempt: int, step: int, checkpoint: str, weights: str, *, diverged: bool = False) -> RunFinished:
    """The last record of a run after `step` steps; `weights` is the SHA-256 of the final ones."""
    where: dict[str, Any] = {"run": run.id, "attempt": attempt, "step": step}
    return RunFinished(**where, checkpoint=checkpoint, weights=weights, diverged=diverged, time=now())


class Timer:
    """`with timer("rollout"): …` adds the block's wall seconds to `timer.seconds["rollout"]`."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        """Time a block as that phase."""
        began = time.perf_counter()
        yield
        self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - began


class Measured(NamedTuple):
    """Answers to a benchmark: right ones per item, (I,); mean length, tokens; share without an end token."""

    correct_I: np.ndarray
    response_length: float
    truncated_share: float


class Evaluations(ABC):
    """The benchmarks of a run, measured at the steps of its schedule: every item is answered several times."""

    def __init__(self, run: Run, attempt: int) -> None:
        self.run, self.attempt = run, attempt
        self.schedule = frozenset(run.evaluation.schedule(run.rl.steps))
        self.benchmarks = {name: run.task.benchmark(name, run.evaluation.items) for name in run.evaluation.benchmarks}

    def records(self, at: Progress, model: Any) -> Iterator[Record]:
        """The record of the last step, then the evaluations after it, one per benchmark, when the schedule has some."""
        if at.record is not None:
            yield replace(at.record, attempt=self.attempt)
        for benchmark, problems in self.benchmarks.items() if at.step in self.schedule and not at.diverged else ():
            timer = Timer()
            with timer("evaluation"):
                correct_I, length, truncated = self.measure(at.step, model, benchmark, problems)
            measured = {"response_length": length, "truncated_share": truncated, "seconds": timer.seconds}
            yield evaluated(self.run, self.attempt, at, benchmark, correct_I.astype(int).tolist(), **measured)

    @abstractmethod
    def measure(self, step: int, model: Any, benchmark: str, problems: Any) -> Measured:
        """Draw the answers of one benchmark after `step` RL steps, and grade them."""
