"""The section `model` of a study: the ladder of sizes, and what each of them is made of and takes."""

from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from rlaw import units
from rlaw.study import presets
from rlaw.study.compute import Architecture
from rlaw.study.recipe import NO_PRETRAINING, Base, Count, Name
from rlaw.tasks.base import Settings


class Resources(Settings):
    """What one run of a size takes. For executors and engines; no part of the run's id."""

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
#: where and at what cost a run is made, and how a size is called: none of this changes a number of the run;
#: `base` is part of how the run's base is trained
NOT_IN_THE_ID = frozenset({"resources", "lengths", "nominal", "base"})


class Size(Settings):
    """One model size. What is left out follows the width: head size 8 to 32 wide, then 16; half as many kv heads.

    With a `checkpoint` nothing is pretrained: RL starts from these weights. The shape is then that of the checkpoint,
    and may be left out for a folder, and for the published models that `rlaw.study.presets` knows.
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
    nominal: Count | None = Field(default=None, description="parameters as the model's name gives them")
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
    def _groups_divide(self) -> "Size":
        if self.heads % self.kv_heads:
            raise ValueError(f"heads ({self.heads}) must be a multiple of kv_heads ({self.kv_heads})")
        if self.head_dim % 2:
            raise ValueError(f"head_dim ({self.head_dim}) must be even, for the rotary embedding")
        return self

    def architecture(self, vocab: int = 0) -> Architecture:
        """The model's shape; with a vocabulary of that many tokens when the size names none."""
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

    def of(self, variant: str) -> "Size":
        """The size with the checkpoint of one variant."""
        if not isinstance(self.checkpoint, dict):
            return self
        return self.model_copy(update={"checkpoint": self.checkpoint[variant]})


def _with_preset(schema: dict[str, Any]) -> None:
    """A model may name a preset in place of a ladder; it is written out when the study is read."""
    named = {"enum": list(presets.LADDERS), "description": "the published models of one family, in place of a ladder"}
    names = {"type": "array", "items": {"type": "string"}}
    some = names | {"description": "the preset's sizes to take; all by default"}
    schema["properties"] |= {"preset": named, "sizes": some}
    variants = schema["properties"]["variants"]
    schema["properties"]["variants"] = {"title": variants.pop("title"), "anyOf": [variants, names]}
    schema.pop("required", None)
    schema["anyOf"] = [{"required": ["ladder"]}, {"required": ["preset"]}]


class Model(Settings):
    """The ladder of sizes, and the checkpoints that RL starts from."""

    model_config = ConfigDict(json_schema_extra=_with_preset)

    family: Literal["qwen2", "qwen3", "llama"] = "qwen2"
    ladder: tuple[Size, ...] = Field(min_length=1)
    variants: dict[Name, Base] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _write_out(cls, raw: Any) -> Any:
        """Write out a preset, the blocks of the family, and the variants that the ladder's checkpoints name."""
        if not isinstance(raw, dict):
            return raw
        given, raw = raw, presets.resolve(raw)
        if "preset" in given and (variants := _published_variants(raw.get("variants"))):
            raw = {**raw, "variants": variants}
        ladder, blocks = raw.get("ladder"), presets.FAMILIES.get(raw.get("family", "qwen2"), {})
        if not isinstance(ladder, list | tuple):
            return raw
        sizes = [{**blocks, **_published(size)} if isinstance(size, dict) else size for size in ladder]
        if "preset" in given and isinstance(chosen := raw.get("variants"), dict):
            sizes = [kept for size in sizes if (kept := _with_variants(size, chosen))]
        return {**raw, "ladder": sizes, "variants": raw.get("variants") or _variants(sizes)}

    @model_validator(mode="after")
    def _bases_there(self) -> "Model":
        for size in self.ladder:
            for name, base in self.variants.items():
                if size.checkpoint is None and not base.steps:
                    raise ValueError(f"size {size.name} has no checkpoint, and variant {name} pretrains for no steps")
                if size.checkpoint is not None and base.steps:
                    raise ValueError(
                        f"size {size.name} has a checkpoint, and variant {name} pretrains for {base.steps} steps: "
                        f"leave `variants` out, or write {{{name}: {{steps: 0}}}}"
                    )
            if unknown := set(size.variants or ()) - set(self.variants):
                raise ValueError(f"size {size.name} has a checkpoint of {', '.join(sorted(unknown))}: no such variant")
        return self

    @field_validator("ladder")
    @classmethod
    def _sizes_rise(cls, ladder: tuple[Size, ...]) -> tuple[Size, ...]:
        names = [size.name for size in ladder]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two sizes are called {', '.join(twice)}: give each a name of its own")
        return ladder


def _published(raw: dict[str, Any]) -> dict[str, Any]:
    """A size with the shape of its checkpoint, where it gives none and the checkpoint's is known."""
    named = raw.get("checkpoint")
    first = next(iter(named.values()), None) if isinstance(named, dict) else named
    if "hidden" in raw or not isinstance(first, str):
        return raw
    if size := presets.size_of(first):
        return {"nominal": size.nominal, **asdict(size.architecture), **raw}
    shape = presets.shape_in(Path(first))
    return {**asdict(shape), **raw} if shape else raw


def _published_variants(given: Any) -> dict[str, Any] | None:
    """The chosen variants of a preset: `[base]`, `{base: {}}` and `{base: {steps: 0}}` all name its checkpoints."""
    if isinstance(given, list | tuple) and all(isinstance(name, str) for name in given):
        given = dict.fromkeys(given)
    return {name: base or NO_PRETRAINING for name, base in given.items()} if isinstance(given, dict) else None


def _with_variants(size: dict[str, Any], chosen: dict[str, Any]) -> dict[str, Any] | None:
    """A preset's size with the checkpoints of the chosen variants alone; None where it was published in none."""
    kept = {name: one for name, one in size["checkpoint"].items() if name in chosen}
    return {**size, "checkpoint": kept} if kept else None


def _variants(sizes: list[Any]) -> dict[str, Any]:
    """The variants of a ladder that names none: those of its checkpoints, else one base that is pretrained."""
    named = [size.get("checkpoint") for size in sizes if isinstance(size, dict)]
    variants = {name: NO_PRETRAINING for many in named if isinstance(many, dict) for name in many}
    if any(isinstance(one, str) for one in named):
        variants.setdefault("base", NO_PRETRAINING)
    return variants or {"base": Base()}
