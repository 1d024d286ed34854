"""The recipe of a run, frozen sections of a study: its size and base, how it is trained, on what, how measured.

Defaults live here and in `study.py`, and nowhere else. All of it is part of a run's id.
"""

from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from rlaw import presets, units
from rlaw.compute import Architecture
from rlaw.tasks.base import Settings

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$")]
Count = Annotated[
    int,
    BeforeValidator(
        lambda v: round(units.parse(v, "count")) if isinstance(v, str) else v, json_schema_input_type=int | str
    ),
    Field(gt=0),
]


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

    They are drawn at `temperature` and kept when they are well formed, whether right or wrong: no verifier is asked and
    no fact is told. Below temperature 1 they are the base's likelier answers, so the step-0 loss moves all the same.
    """

    steps: int = Field(default=300, gt=0)
    batch_size: int = Field(default=64, gt=0)
    learning_rate: float = Field(default=1e-3, gt=0)
    warmup_steps: int = Field(default=20, ge=0)
    weight_decay: float = Field(default=0.01, ge=0)
    temperature: float = Field(default=0.5, gt=0, description="at which the base gives the answers")


class Base(Optimizer):
    """How the checkpoint that RL starts from is pretrained: next-token loss on completions, cosine to a tenth.

    No steps: it is not pretrained, the rung names a checkpoint.
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


class Resources(Settings):
    """What one run of a rung takes. Told to executors and engines; no part of the run's id."""

    cpus: int = Field(default=1, gt=0)
    gpus: int = Field(default=0, ge=0, description="in all, over every node")
    gpus_per_node: int = Field(default=8, gt=0)
    tensor_parallel: int = Field(default=1, gt=0, description="GPUs that share one copy of the model in rollouts")
    micro_batch: int | None = Field(
        default=None, gt=0, description="sequences of full length at a time on one GPU; the engine's when left out"
    )
    memory_gb: float | None = Field(default=None, gt=0, description="memory that each GPU must have")

    @property
    def nodes(self) -> int:
        """Machines that hold the GPUs."""
        return max(1, -(-self.gpus // self.gpus_per_node))

    @model_validator(mode="after")
    def _gpus_divide(self) -> "Resources":
        if self.gpus > self.gpus_per_node and self.gpus % self.gpus_per_node:
            raise ValueError(f"gpus ({self.gpus}) must be a multiple of gpus_per_node ({self.gpus_per_node})")
        if self.gpus % self.tensor_parallel and self.gpus:
            raise ValueError(f"gpus ({self.gpus}) must be a multiple of tensor_parallel ({self.tensor_parallel})")
        return self


class Lengths(Settings):
    """Mean tokens of a prompt and a response, as plans assume them. No part of the run's id."""

    prompt: float = Field(gt=0)
    response: float = Field(gt=0)


Checkpoint = Annotated[str, Field(min_length=1, description="a Hugging Face id, id@revision, or a folder")]
#: what tells where and at what cost a run is made, or how a size is called, and changes no number of it;
#: `base` is part of how the run's base is trained
NOT_IN_THE_ID = frozenset({"resources", "lengths", "nominal", "base"})


class Rung(Settings):
    """One model size. What is left out follows the width: head size 8 to 32 wide, then 16; half as many kv heads.

    With a `checkpoint` nothing is pretrained: RL starts from these weights. The shape is then that of the checkpoint,
    and may be left out for a folder, and for the published models that `rlaw.presets` knows.
    """

    name: Name = ""
    hidden: int = Field(gt=0)
    layers: int = Field(gt=0)
    heads: int = Field(default=0, ge=0)
    kv_heads: int = Field(default=0, ge=0)
    head_dim: int = Field(default=0, ge=0)
    intermediate: int = Field(default=0, ge=0)
    vocab: int = Field(default=0, ge=0, description="rows of the embedding; the task's when 0")
    tied_embeddings: bool = True
    attention_bias: bool = True
    qk_norm: bool = False
    nominal: Count | None = Field(default=None, description="parameters as the model's name tells them")
    checkpoint: Checkpoint | dict[Name, Checkpoint] | None = Field(
        default=None, description="weights that RL starts from: of every variant, or {base: …, instruct: …}"
    )
    resources: Resources | None = None
    lengths: Lengths | None = None
    base: dict[str, Any] = Field(default_factory=dict, description="what is different in the pretraining of this size")

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        raw = _published(raw)
        if not all(isinstance(raw.get(k), int) for k in ("hidden", "layers")):
            return raw
        hidden = raw["hidden"]
        head_dim = raw.get("head_dim") or (8 if hidden <= 32 else 16)
        heads = raw.get("heads") or max(1, hidden // head_dim)
        kv_heads = raw.get("kv_heads") or next(n for n in range(max(1, heads // 2), 0, -1) if heads % n == 0)
        shape: dict[str, Any] = dict(hidden=hidden, head_dim=head_dim, heads=heads, kv_heads=kv_heads)
        filled = {**raw, **shape, "intermediate": raw.get("intermediate") or 3 * hidden}
        if not raw.get("name"):
            shape |= dict(layers=raw["layers"], intermediate=filled["intermediate"])
            shape |= {key: raw[key] for key in ("attention_bias", "qk_norm") if isinstance(raw.get(key), bool)}
            filled["name"] = units.count(Architecture(vocab=0, **shape).params)
        return filled

    @model_validator(mode="after")
    def _groups_divide(self) -> "Rung":
        if self.heads % self.kv_heads:
            raise ValueError(f"heads ({self.heads}) must be a multiple of kv_heads ({self.kv_heads})")
        if self.head_dim % 2:
            raise ValueError(f"head_dim ({self.head_dim}) must be even, for the rotary embedding")
        return self

    def architecture(self, vocab: int = 0) -> Architecture:
        """The model's shape; with a vocabulary of that many tokens when the rung names none."""
        shape = {f.name: getattr(self, f.name) for f in fields(Architecture)}
        return Architecture(**{**shape, "vocab": self.vocab or vocab})

    @property
    def params(self) -> int:
        """Non-embedding parameters."""
        return self.architecture().params

    @property
    def variants(self) -> tuple[str, ...] | None:
        """The variants that there are checkpoints of; None: any."""
        return tuple(self.checkpoint) if isinstance(self.checkpoint, dict) else None

    def of(self, variant: str) -> "Rung":
        """The rung with the checkpoint of one variant."""
        if not isinstance(self.checkpoint, dict):
            return self
        return self.model_copy(update={"checkpoint": self.checkpoint[variant]})


def _published(raw: dict[str, Any]) -> dict[str, Any]:
    """A rung with the shape of its checkpoint, where it tells none and that one is known or here."""
    named = raw.get("checkpoint")
    first = next(iter(named.values()), None) if isinstance(named, dict) else named
    if "hidden" in raw or not isinstance(first, str):
        return raw
    if size := presets.size_of(first):
        return {"nominal": size.nominal, **asdict(size.architecture), **raw}
    shape = presets.shape_in(Path(first))
    return {**asdict(shape), **raw} if shape else raw


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
    """What RL trains on: `pool` drawn problems, each seen `reuse` times (the paper's tau)."""

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

    benchmarks: tuple[str, ...] = Field(default=("held-out",), min_length=1)
    items: int = Field(default=1024, gt=0)
    samples: int = Field(default=2, gt=0, description="answers per item")
    temperature: float = Field(default=1.0, gt=0)
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


EngineName = Literal["local", "synthetic", "trl", "verl"]


class EngineChoice(Settings):
    """Which engine runs the study. `micro_batch` sequences at a time keep activations in the cache."""

    name: EngineName = "local"
    micro_batch: int = Field(default=64, gt=0)
    settings: dict[str, Any] = Field(
        default_factory=dict, description="for the engine itself, in its own words (TRL: of GRPOConfig)"
    )


def enough_problems(rl: RL, data: Data) -> None:
    """Raise ValueError when the steps take more problems than the data give."""
    need, have = rl.steps * rl.prompts, data.pool_size(rl) * data.reuse
    if have < need:
        raise ValueError(
            f"{rl.steps} steps of {rl.prompts} prompts take {need} problems, data gives {have} "
            f"(pool {data.pool_size(rl)} x reuse {data.reuse}): enlarge data.pool or data.reuse, or leave pool out"
        )
