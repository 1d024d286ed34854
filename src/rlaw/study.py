"""A study: what is trained, on what, how it is measured and what is fitted. Read from one YAML file, frozen.

Defaults live here and nowhere else. Whatever changes a number is part of the study, and so of each run's id.
"""

import hashlib
import json
import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, ValidationError, field_validator, model_validator

from rlaw import laws, tasks, units, yaml
from rlaw.compute import Accounting, Architecture
from rlaw.errors import RlawError
from rlaw.tasks.base import Settings, Task


def _quantity(kind: str) -> BeforeValidator:
    def read(value: Any) -> float:
        try:
            return units.parse(value, kind)
        except RlawError as error:
            raise ValueError(str(error)) from error

    return BeforeValidator(read, json_schema_input_type=float | str)


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$")]
Compute = Annotated[float, _quantity("FLOPs")]
GpuHours = Annotated[float, _quantity("GPU-h")]
Seconds = Annotated[float, _quantity("duration")]
Count = Annotated[
    int,
    BeforeValidator(
        lambda v: round(units.parse(v, "count")) if isinstance(v, str) else v, json_schema_input_type=int | str
    ),
    Field(gt=0),
]
Share = Annotated[float, Field(ge=0, le=1)]


class WidthScaling(Settings):
    """Learning rate by width: rate · min(at_most, (reference/hidden)^power)."""

    reference: int = Field(32, gt=0)
    power: float = 1.0
    at_most: float | None = Field(None, gt=0)

    def factor(self, hidden: int) -> float:
        """What the learning rate of a model that wide is multiplied by."""
        raw = (self.reference / hidden) ** self.power
        return raw if self.at_most is None else min(raw, self.at_most)


class Optimizer(Settings):
    """AdamW with warm-up, as TRL names its fields."""

    learning_rate: float = Field(gt=0)
    width_scaling: WidthScaling | None = None
    warmup_steps: int = Field(0, ge=0)
    weight_decay: float = Field(0.0, ge=0)
    adam_beta1: float = Field(0.9, ge=0, lt=1)
    adam_beta2: float = Field(0.95, ge=0, lt=1)
    adam_epsilon: float = Field(1e-8, gt=0)
    max_grad_norm: float = Field(1.0, gt=0)

    def peak_rate(self, hidden: int) -> float:
        """The learning rate after warm-up for a model of that width."""
        return self.learning_rate * (self.width_scaling.factor(hidden) if self.width_scaling else 1.0)


class Base(Optimizer):
    """How the checkpoint that RL starts from is pretrained: next-token loss on completions, cosine to a tenth."""

    steps: int = Field(3000, gt=0)
    batch_size: int = Field(64, gt=0)
    learning_rate: float = Field(3e-3, gt=0)
    warmup_steps: int = Field(20, ge=0)
    weight_decay: float = Field(0.01, ge=0)


class Rung(Settings):
    """One model size. What is left out follows the width: head size 8 to 32 wide, then 16; half as many kv heads."""

    name: Name = ""
    hidden: int = Field(gt=0)
    layers: int = Field(gt=0)
    heads: int = Field(0, ge=0)
    kv_heads: int = Field(0, ge=0)
    head_dim: int = Field(0, ge=0)
    intermediate: int = Field(0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or not all(isinstance(raw.get(k), int) for k in ("hidden", "layers")):
            return raw
        hidden = raw["hidden"]
        head_dim = raw.get("head_dim") or (8 if hidden <= 32 else 16)
        heads = raw.get("heads") or max(1, hidden // head_dim)
        kv_heads = raw.get("kv_heads") or next(n for n in range(max(1, heads // 2), 0, -1) if heads % n == 0)
        shape = dict(hidden=hidden, head_dim=head_dim, heads=heads, kv_heads=kv_heads)
        filled = {**raw, **shape, "intermediate": raw.get("intermediate") or 3 * hidden}
        if not raw.get("name"):
            shape |= dict(layers=raw["layers"], intermediate=filled["intermediate"])
            filled["name"] = units.count(Architecture(vocab=0, **shape).params)
        return filled

    @model_validator(mode="after")
    def _groups_divide(self) -> "Rung":
        if self.heads % self.kv_heads:
            raise ValueError(f"heads ({self.heads}) must be a multiple of kv_heads ({self.kv_heads})")
        if self.head_dim % 2:
            raise ValueError(f"head_dim ({self.head_dim}) must be even, for the rotary embedding")
        return self

    def architecture(self, vocab: int) -> Architecture:
        """The model's shape with a vocabulary of that many tokens."""
        return Architecture(**self.model_dump(exclude={"name"}), vocab=vocab)

    @property
    def params(self) -> int:
        """Non-embedding parameters."""
        return self.architecture(vocab=0).params


class Model(Settings):
    """The ladder of sizes, and the checkpoints that RL starts from."""

    family: Literal["qwen2"] = "qwen2"
    ladder: tuple[Rung, ...] = Field(min_length=1)
    variants: dict[Name, Base] = Field(default_factory=lambda: {"base": Base()}, min_length=1)

    @field_validator("ladder")
    @classmethod
    def _sizes_rise(cls, ladder: tuple[Rung, ...]) -> tuple[Rung, ...]:
        names = [rung.name for rung in ladder]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two rungs are called {', '.join(twice)}: give each a name of its own")
        return ladder


class RL(Optimizer):
    """The RL recipe. Field names are TRL's where it has them; what it lacks: `steps`, `prompts`, `minibatches`."""

    algorithm: Literal["grpo"] = "grpo"
    steps: int = Field(150, gt=0)
    prompts: int = Field(256, gt=0, description="prompts of one step")
    num_generations: int = Field(4, gt=1, description="rollouts per prompt, the group size G")
    minibatches: int = Field(2, gt=0, description="optimizer steps per pass over a step's rollouts")
    num_iterations: int = Field(1, gt=0, description="passes over a step's rollouts")
    learning_rate: float = Field(1e-3, gt=0)
    warmup_steps: int = Field(5, ge=0)
    temperature: float = Field(1.0, gt=0)
    beta: float = Field(0.0, ge=0, description="coefficient of the KL loss to the reference, low-variance estimator")
    epsilon: float = Field(0.2, gt=0, lt=1, description="clip range of the ratio below 1")
    epsilon_high: float | None = Field(None, gt=0, description="clip range above 1; epsilon when left out")
    loss_type: Literal["dapo", "grpo"] = Field("dapo", description="dapo: mean over tokens; grpo: mean per response")
    scale_rewards: Literal["group", "none"] = Field("group", description="divide the advantage by the group's std")

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
    """What RL trains on: `pool` drawn problems, each seen `reuse` times (the paper's tau)."""

    pool: Count | None = Field(None, description="problems in the pool; steps x prompts / reuse when left out")
    reuse: int = Field(1, gt=0)
    order: Literal["shuffled", "curriculum"] = "shuffled"

    def pool_size(self, rl: RL) -> int:
        """Problems in the pool."""
        return self.pool or -(-rl.steps * rl.prompts // self.reuse)


class LogSpaced(Settings):
    """That many evaluations, evenly spaced in log step."""

    log_spaced: int = Field(gt=1)


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

    benchmarks: tuple[str, ...] = Field(("held-out",), min_length=1)
    items: int = Field(1024, gt=0)
    samples: int = Field(2, gt=0, description="answers per item")
    temperature: float = Field(1.0, gt=0)
    at: Annotated[LogSpaced | Every | tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(_schedule)] = LogSpaced(
        log_spaced=22
    )

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
    for points in range(2, 100 * n):
        grid = {round(steps ** (i / (points - 1))) for i in range(points)}
        if len(grid) >= min(n, steps):
            return grid
    return set(range(1, steps + 1))


class Budget(Settings):
    """Caps. A plan above `compute` or `gpu_hours` is not started; at `wall` no new run starts and running ones save."""

    wall: Seconds | None = None
    compute: Compute | None = None
    gpu_hours: GpuHours | None = None


class EngineChoice(Settings):
    """Which engine runs the study. `micro_batch` sequences at a time keep activations in the cache."""

    name: Name = "local"
    micro_batch: int = Field(64, gt=0)


class FitChoice(Settings):
    """What is fitted and how: declared before the first run."""

    laws: tuple[str, ...] = Field(("saturating", "power", "sigmoid", "constant"), min_length=1)
    axis: Literal["compute", "data", "step"] = "compute"
    accounting: Accounting = "8N"
    window: str = Field("1:", pattern=r"^\d*:\d*$", description="first and last step of the fit, inclusive")
    space: Literal["loss", "log"] = "loss"
    noise: Literal["equal", "binomial"] = "equal"
    level: float = Field(0.9, gt=0, lt=1)


class Arm(Settings):
    """A variation beside the main study: some rungs, variants and seeds, with parts of the recipe changed."""

    name: Name
    rungs: tuple[str, ...] | None = None
    variants: tuple[str, ...] | None = None
    seeds: tuple[int, ...] | None = None
    rl: dict[str, Any] = Field(default_factory=dict)
    data: dict[str, Any] = Field(default_factory=dict)
    evaluation: dict[str, Any] = Field(default_factory=dict)


class Study(Settings):
    """A whole study, as its file says. `Study.load` reads it; `plan` turns it into runs."""

    name: Name
    question: str = ""
    model: Model
    task: SerializeAsAny[Task]
    rl: RL = RL()
    data: Data = Data()
    evaluation: Evaluation = Evaluation()
    arms: tuple[Arm, ...] = ()
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field((0,), min_length=1)
    budget: Budget = Budget()
    engine: EngineChoice = EngineChoice()
    fit: FitChoice = FitChoice()

    @field_validator("engine", mode="before", json_schema_input_type=str | EngineChoice)
    @classmethod
    def _engine_by_name(cls, raw: Any) -> Any:
        return {"name": raw} if isinstance(raw, str) else raw

    @field_validator("task", mode="before")
    @classmethod
    def _task_by_name(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        if raw.get("name") not in tasks.names():
            raise ValueError(f"no task is called {raw.get('name')!r}: `name` is one of {', '.join(tasks.names())}")
        return tasks.of(raw)

    @model_validator(mode="after")
    def _consistent(self) -> "Study":
        unknown = [name for name in self.evaluation.benchmarks if name not in self.task.benchmarks]
        if unknown:
            known = ", ".join(self.task.benchmarks)
            raise ValueError(f"task {self.task.name} has no benchmark {', '.join(unknown)}: it has {known}")
        _enough_problems(self.rl, self.data)
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"a seed stands twice in seeds {list(self.seeds)}")
        sizes = len({rung.params for rung in self.model.ladder})
        for name in self.fit.laws:
            if name not in laws.names():
                raise ValueError(f"fit.laws: no law is called {name!r}: it is one of {', '.join(laws.names())}")
            if sizes < laws.get(name).needs_rungs:
                raise ValueError(
                    f"fit.laws: {name} needs {laws.get(name).needs_rungs} sizes, the ladder has {sizes}: "
                    f"add rungs to model.ladder, or fit laws of single sizes (fit.laws: [power])"
                )
        return self

    @classmethod
    def load(cls, path: str | Path) -> "Study":
        """Read a study file.

        Raises:
            NotFound: there is no such file.
            SpecError: it is not a valid study; the message names file, line and key of every fault.
        """
        document = yaml.load(path)
        try:
            study = cls.model_validate(document.data)
        except ValidationError as error:
            raise document.error(error, known=_known_keys(document.data)) from error
        for index, arm in enumerate(study.arms):
            study.check_arm(index, arm, document)
        return study

    def check_arm(self, index: int, arm: Arm, document: "yaml.Document") -> None:
        """Raise SpecError, with file and line, when an arm names what is not there or changes it to nonsense."""
        known = {"rungs": [r.name for r in self.model.ladder], "variants": list(self.model.variants)}
        for key, names in known.items():
            for name in getattr(arm, key) or ():
                if name not in names:
                    raise document.fault(("arms", index, key), f"no such name {name!r}; there are {', '.join(names)}")
        for section in ("rl", "data", "evaluation"):
            try:
                self.section(section, arm)
            except ValidationError as error:
                keys = _known_keys(document.data)
                raise document.error(error, prefix=("arms", index, section), known=keys) from error
        try:
            _enough_problems(self.section("rl", arm), self.section("data", arm))
        except ValueError as error:
            raise document.fault(("arms", index), str(error)) from error

    def section(self, name: Literal["rl", "data", "evaluation"], arm: Arm | None) -> Any:
        """The study's section of that name, changed as the arm says."""
        main: Settings = getattr(self, name)
        if arm is None or not getattr(arm, name):
            return main
        return type(main).model_validate({**main.model_dump(), **getattr(arm, name)})

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the resolved study, 12 hex digits."""
        return content_digest(self.model_dump(mode="json"))

    def __str__(self) -> str:
        sizes = ", ".join(rung.name for rung in self.model.ladder)
        return f"study {self.name}: {sizes} · seeds {', '.join(map(str, self.seeds))} · {self.rl.steps} steps"


def _known_keys(data: dict[str, Any]) -> set[str]:
    """Every key that a study can have, its task's included: what a typo may have been meant to be."""
    schemas = [Study.model_json_schema()]
    task = data.get("task")
    if isinstance(task, dict) and task.get("name") in tasks.names():
        schemas.append(tasks.TASKS[task["name"]].model_json_schema())
    keys: set[str] = set()
    for schema in schemas:
        for part in (schema, *schema.get("$defs", {}).values()):
            keys |= set(part.get("properties", {}))
    return keys


def _enough_problems(rl: RL, data: Data) -> None:
    need, have = rl.steps * rl.prompts, data.pool_size(rl) * data.reuse
    if have < need:
        raise ValueError(
            f"{rl.steps} steps of {rl.prompts} prompts take {need} problems, data gives {have} "
            f"(pool {data.pool_size(rl)} x reuse {data.reuse}): enlarge data.pool or data.reuse, or leave pool out"
        )


def content_digest(content: Any, digits: int = 12) -> str:
    """SHA-256 of plain data in canonical JSON, its first hex digits."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def slug(text: str) -> str:
    """The text with everything that a path could stumble over replaced."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip("-.") or "x"
