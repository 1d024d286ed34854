"""The recipe of a run, frozen sections of a study: how its base is made, how it is trained, on what, how measured.

Defaults live here, in `model.py` and in `study.py`, and nowhere else. All of it is part of a run's id.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from rlaw import units
from rlaw.errors import RlawError
from rlaw.tasks.base import Settings


@contextmanager
def placed() -> Iterator[None]:
    """What is refused inside becomes a ValueError, so that the message about the study names its line."""
    try:
        yield
    except RlawError as error:
        raise ValueError(str(error)) from error


@placed()
def _count(value: Any) -> Any:
    return round(units.parse(value, "count")) if isinstance(value, str) else value


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$")]
Count = Annotated[int, BeforeValidator(_count, json_schema_input_type=int | str), Field(gt=0)]


class WidthScaling(Settings):
    """Learning rate by width: rate · min(at_most, (reference/hidden)^power)."""

    reference: int = Field(default=32, gt=0)
    power: float = 1.0
    at_most: float | None = Field(default=None, gt=0)

    def factor(self, hidden: int) -> float:
        """What the learning rate of a model that wide is multiplied by."""
        raw = (self.reference / hidden) ** self.power
        return raw if self.at_most is None else min(raw, self.at_most)


class Optimizer(Settings):
    """AdamW with warm-up, as TRL names its fields."""

    learning_rate: float = Field(gt=0)
    width_scaling: WidthScaling | None = None
    warmup_steps: int = Field(default=0, ge=0)
    weight_decay: float = Field(default=0.0, ge=0)
    adam_beta1: float = Field(default=0.9, ge=0, lt=1)
    adam_beta2: float = Field(default=0.95, ge=0, lt=1)
    adam_epsilon: float = Field(default=1e-8, gt=0)
    max_grad_norm: float = Field(default=1.0, gt=0)

    def peak_rate(self, hidden: int) -> float:
        """The learning rate after warm-up for a model of that width."""
        return self.learning_rate * (self.width_scaling.factor(hidden) if self.width_scaling else 1.0)


class Instruct(Optimizer):
    """A second supervised phase that teaches form and nothing else: answers that the base itself gave.

    They are drawn at `temperature` and kept when they are well formed, whether right or wrong: no verifier is used and
    no fact is taught. Below temperature 1 they are the base's likelier answers, so the step-0 loss moves all the same.
    """

    steps: int = Field(default=300, gt=0)
    batch_size: int = Field(default=64, gt=0)
    learning_rate: float = Field(default=1e-3, gt=0)
    warmup_steps: int = Field(default=20, ge=0)
    weight_decay: float = Field(default=0.01, ge=0)
    temperature: float = Field(default=0.5, gt=0, description="at which the base gives the answers")


class Base(Optimizer):
    """How the checkpoint that RL starts from is pretrained: next-token loss on completions, cosine to a tenth.

    No steps: it is not pretrained, the size names a checkpoint.
    """

    steps: int = Field(default=3000, ge=0)
    batch_size: int = Field(default=64, gt=0)
    learning_rate: float = Field(default=3e-3, gt=0)
    warmup_steps: int = Field(default=20, ge=0)
    weight_decay: float = Field(default=0.01, ge=0)
    instruct: Instruct | None = Field(default=None, description="a second phase, on the base's own well-formed answers")

    @property
    def documents(self) -> int:
        """Problems with answers that the checkpoint has been trained on, both phases together."""
        second = self.instruct.steps * self.instruct.batch_size if self.instruct else 0
        return self.steps * self.batch_size + second

    def changed(self, settings: dict[str, Any]) -> "Base":
        """The same with these settings in place of its own."""
        return Base.model_validate({**self.model_dump(), **settings}) if settings else self


NO_PRETRAINING = Base(steps=0)


class RL(Optimizer):
    """The RL recipe. Field names are TRL's where it has them; what it lacks: `steps`, `prompts`, `minibatches`."""

    algorithm: Literal["grpo"] = "grpo"
    steps: int = Field(default=150, gt=0)
    prompts: int = Field(default=256, gt=0, description="prompts of one step")
    num_generations: int = Field(default=4, gt=1, description="rollouts per prompt, the group size G")
    minibatches: int = Field(default=2, gt=0, description="optimizer steps per pass over a step's rollouts")
    num_iterations: int = Field(default=1, gt=0, description="passes over a step's rollouts")
    learning_rate: float = Field(default=1e-3, gt=0)
    warmup_steps: int = Field(default=5, ge=0)
    temperature: float = Field(default=1.0, gt=0)
    beta: float = Field(
        default=0.0, ge=0, description="coefficient of the KL loss to the reference, low-variance estimator"
    )
    epsilon: float = Field(default=0.2, gt=0, lt=1, description="clip range of the ratio below 1")
    epsilon_high: float | None = Field(default=None, gt=0, description="clip range above 1; epsilon when left out")
    loss_type: Literal["dapo", "grpo"] = Field(
        default="dapo", description="dapo: mean over tokens; grpo: mean per response"
    )
    scale_rewards: Literal["group", "none"] = Field(
        default="group", description="divide the advantage by the group's std"
    )

    @model_validator(mode="after")
    def _minibatches_divide(self) -> "RL":
        if self.prompts % self.minibatches:
            raise ValueError(f"prompts ({self.prompts}) must be a multiple of minibatches ({self.minibatches})")
        return self

    @property
    def samples(self) -> int:
        """Rollouts of one step."""
        return self.prompts * self.num_generations


class Data(Settings):
    """What RL trains on: `pool` drawn problems, each used `reuse` times (the paper's tau)."""

    pool: Count | None = Field(default=None, description="problems in the pool; steps x prompts / reuse when left out")
    reuse: int = Field(default=1, gt=0)
    order: Literal["shuffled", "curriculum"] = "shuffled"
    subsets: Literal["independent", "nested"] = Field(
        default="independent", description="whether the pool of a larger reuse is drawn anew or is part of a smaller's"
    )
    schedule: Literal["reshuffled", "repeated"] = Field(
        default="reshuffled", description="whether every pass over the pool has an order of its own, or the first's"
    )

    def pool_size(self, rl: RL) -> int:
        """Problems in the pool."""
        return self.pool or -(-rl.steps * rl.prompts // self.reuse)


MOST_EVALUATIONS = 20_000  # of a run
_TRIED_EXACTLY, _ROUNDED_OTHERWISE = 200, 1  # points of a grid; steps
MOST_LOG_SPACED = 1_000


class LogSpaced(Settings):
    """That many evaluations, evenly spaced in log step."""

    log_spaced: int = Field(gt=1, le=MOST_LOG_SPACED)


class Every(Settings):
    """An evaluation every so many steps."""

    every: int = Field(gt=0)


def _schedule(raw: Any) -> Any:
    for kind in (LogSpaced, Every):
        if isinstance(raw, dict) and set(raw) == set(kind.model_fields):
            return kind.model_validate(raw)
    if isinstance(raw, LogSpaced | Every | list | tuple):
        return raw
    raise ValueError("write {log_spaced: 22}, {every: 5} or a list of steps")


class Evaluation(Settings):
    """When and on what the policy is measured. Step 0 and the last step always are."""

    benchmarks: tuple[str, ...] = Field(default=("held-out",), min_length=1)
    items: int = Field(default=1024, gt=0)
    samples: int = Field(default=2, gt=0, description="answers per item")
    temperature: float = Field(default=1.0, gt=0)
    at: Annotated[LogSpaced | Every | tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(_schedule)] = LogSpaced(
        log_spaced=22
    )

    def count(self, steps: int) -> int:
        """Evaluations of a run of that many steps at most, without laying them out."""
        every = steps // self.at.every if isinstance(self.at, Every) else MOST_LOG_SPACED
        return 2 + (len(self.at) if isinstance(self.at, tuple) else every)

    def times(self, steps: int) -> int:
        """Evaluations of a run of that many steps: how many the schedule has."""
        if isinstance(self.at, Every):
            return 1 + -(-steps // self.at.every)
        return len(self.schedule(steps))

    def schedule(self, steps: int) -> tuple[int, ...]:
        """The steps after which the policy is measured, rising, 0 and `steps` among them."""
        if isinstance(self.at, Every):
            at = range(self.at.every, steps + 1, self.at.every)
        elif isinstance(self.at, LogSpaced):
            at = _log_spaced(self.at.log_spaced, steps)
        else:
            at = [step for step in self.at if step <= steps]
        return tuple(sorted({0, steps, *at}))


def _log_spaced(n: int, steps: int) -> set[int]:
    """The first geometric grid that has n distinct whole steps in 1..steps, or all of them."""
    if n >= steps:
        return set(range(1, steps + 1))
    for points in range(n, 100 * n):
        if points > _TRIED_EXACTLY:  # arrays are fast, and may be off where a step lies between two whole ones
            grid = np.rint(steps ** (np.arange(points) / (points - 1)))
            if 1 + np.count_nonzero(np.diff(grid)) < n - _ROUNDED_OTHERWISE:
                continue
        grid = {round(steps ** (i / (points - 1))) for i in range(points)}
        if len(grid) >= min(n, steps):
            return grid
    return set(range(1, steps + 1))


EngineName = Literal["local", "synthetic", "trl", "verl"]


class EngineChoice(Settings):
    """Which engine runs the study. `micro_batch` sequences at a time keep activations in the cache."""

    name: EngineName = "local"
    micro_batch: int = Field(default=64, gt=0)
    settings: dict[str, Any] = Field(
        default_factory=dict, description="for the engine itself, in its own words (TRL: of GRPOConfig)"
    )


_RUNS_CODE = re.compile(
    r"trust_remote_code|LD_PRELOAD|LD_LIBRARY_PATH|PYTHONPATH|PYTHONSTARTUP|external_lib|custom_\w+\.?|_cls\b|class_path"
)


def settings_that_run_code(settings: Mapping[str, Any], at: str = "") -> list[str]:
    """The names of settings of an engine that make it run code of others: remote code, classes by path, preloads."""
    named: list[str] = []
    for key, value in settings.items():
        name = f"{at}.{key}".strip(".")
        if isinstance(value, Mapping):
            named += settings_that_run_code(value, name)
        elif value not in (False, None, "") and _RUNS_CODE.search(name):
            named.append(name)
    return named


def few_enough_evaluations(rl: RL, evaluation: Evaluation) -> None:
    """Raise ValueError when a run would be measured more often than anything here could keep."""
    if (count := evaluation.count(rl.steps)) > MOST_EVALUATIONS:
        raise ValueError(
            f"evaluation.at asks for {count:,} evaluations of each run; {MOST_EVALUATIONS:,} are the most: "
            f"write a larger `every`, or {{log_spaced: 22}}"
        )


def enough_problems(rl: RL, data: Data) -> None:
    """Raise ValueError when the steps take more problems than the data give."""
    need, have = rl.steps * rl.prompts, data.pool_size(rl) * data.reuse
    if have < need:
        raise ValueError(
            f"{rl.steps} steps of {rl.prompts} prompts take {need} problems, data gives {have} "
            f"(pool {data.pool_size(rl)} x reuse {data.reuse}): enlarge data.pool or data.reuse, or leave pool out"
        )
