"""The base: the checkpoint that RL starts from, made once for all runs of all stores that share it.

It is kept under the digest of its recipe and of all else that makes its bytes, so that a hit is what would be made.

Axes: B documents of a batch, N tokens of a document, T completion tokens.
"""

import hashlib
import json
import math
import sys
import time
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from rlaw.engines import checkpoint
from rlaw.engines.local import hugging_face, model, optimizer, process, sft
from rlaw.engines.local.compiling import TRAINS, jit
from rlaw.engines.local.model import Params
from rlaw.engines.local.optimizer import Policy
from rlaw.engines.local.update import completion_logprobs
from rlaw.engines.rng import generator
from rlaw.errors import StoreError
from rlaw.store import Lock
from rlaw.store.files import make_folder
from rlaw.study.compute import Architecture, mean_context, training_flops
from rlaw.study.plan import Run, base_key
from rlaw.study.recipe import Base, Instruct
from rlaw.study.study import content_digest
from rlaw.tasks import of_tokens
from rlaw.tasks.base import Settings

FACTS = "base.json"
MODULES = ("compiling", "model", "optimizer", "pretrain", "rollout", "sft", "update")
CODE = ("rlaw.engines.rng", *(f"rlaw.engines.local.{name}" for name in MODULES))  # beside the task's
STEPS_PER_CALL = 100  # between two chances to interrupt
CROSS_ENTROPY_SHARE = 0.1  # of the steps, the last ones, whose mean loss is recorded (each batch is used once)


@dataclass(frozen=True)
class BaseFacts:
    """The facts of a base. `cross_entropy` is in nats per completion token."""

    digest: str
    steps: int
    tokens: int
    base_flops: int
    cross_entropy: float
    seconds: dict[str, float]


NOTHING = BaseFacts("", steps=0, tokens=0, base_flops=0, cross_entropy=0.0, seconds={})


def base(run: Run, cache: Path) -> tuple[Params, BaseFacts]:
    """The base of a run: from the cache when it holds a good one, else made and put there."""
    folder = cache / "bases" / f"{base_key(run)}-{build(run)}"
    make_folder(folder.parent)
    with Lock(folder.with_suffix(".lock"), patience_seconds=math.inf):  # who needs the same base waits for it
        facts = _found(folder) or _make(run, cache, folder)
        return hugging_face.load(folder, run.architecture), facts


def build(run: Run) -> str:
    """Digest of what makes the bytes of a base beside its recipe: versions, machine, and the code that trains it."""
    tasks = sorted({cls.__module__ for cls in type(run.task).__mro__ if issubclass(cls, Settings)})
    code = [Path(sys.modules[name].__file__ or "").read_bytes() for name in (*CODE, *tasks)]
    sources = [hashlib.sha256(text).hexdigest() for text in code]
    versions = [metadata.version(name) for name in ("jax", "jaxlib", "optax", "numpy")]
    return content_digest([*versions, *process.hardware().values(), process.threads(), *sources], digits=8)


def _found(folder: Path) -> BaseFacts | None:
    """The facts of a base that is there; None when it is not, is damaged, or is another version's."""
    try:
        checkpoint.verify(folder)
        return BaseFacts(**json.loads((folder / FACTS).read_text()))
    except (StoreError, TypeError):
        return None


def _make(run: Run, cache: Path, folder: Path) -> BaseFacts:
    plain = replace(run, base=run.base.changed({"instruct": None}))
    parent = base(plain, cache) if run.base.instruct else None
    began = time.perf_counter()
    if parent is None:
        documents = of_tokens(run.task).corpus(run.base.steps * run.base.batch_size)
        params, losses = pretrain(run, documents)
    else:
        documents = sft.documents(run, parent[0])
        params, losses = supervised(run, parent[0], sft.settings(run), documents)
    (tokens, flops), before = _cost(run, documents), parent[1] if parent else NOTHING
    last = max(1, round(CROSS_ENTROPY_SHARE * len(losses)))
    facts = BaseFacts(
        digest=folder.name,
        steps=before.steps + len(losses),
        tokens=before.tokens + tokens,
        base_flops=before.base_flops + flops,
        cross_entropy=float(losses[-last:].mean(dtype=np.float64)),
        seconds={"pretrain": time.perf_counter() - began},
    )

    def fill(aside: Path) -> None:
        hugging_face.save(aside, run, params)
        (aside / FACTS).write_text(json.dumps(asdict(facts)) + "\n")

    checkpoint.write(folder, fill)
    return facts


def _cost(run: Run, documents: np.ndarray) -> tuple[int, int]:
    """Tokens of the documents up to the ends of their answers, and the FLOPs of training on them."""
    answers_I = _answers(run, documents).sum(axis=1, dtype=int)
    tokens_I = run.task.prompt_tokens + answers_I
    tokens = tokens_I.sum().item()
    return tokens, training_flops(run.architecture, tokens, mean_context(tokens_I), answers_I.sum().item())


def _answers(run: Run, documents: np.ndarray) -> np.ndarray:
    """(…, T) float32: 1 for the completion tokens that are trained on."""
    return of_tokens(run.task).answer_mask(documents[..., run.task.prompt_tokens :])


def pretrain(run: Run, documents: np.ndarray) -> tuple[Params, np.ndarray]:
    """Train on the documents, one pass, batches in their order; returns weights and the loss of every step."""
    return supervised(run, model.init(run.architecture, generator(run.seed, "init")), run.base, documents)


def supervised(run: Run, params: Params, settings: Base | Instruct, documents: np.ndarray) -> tuple[Params, np.ndarray]:
    """Go on training weights, likewise."""
    arch, policy = run.architecture, optimizer.start(params, settings)
    batches = documents.reshape(settings.steps, settings.batch_size, -1)
    masks = _answers(run, batches)
    rates = optimizer.cosine_rates(settings, arch.hidden)
    losses = np.empty(settings.steps, np.float32)
    for first in range(0, settings.steps, STEPS_PER_CALL):
        last = min(first + STEPS_PER_CALL, settings.steps)
        chosen = np.minimum(np.arange(first, first + STEPS_PER_CALL), settings.steps - 1)
        policy, new = _steps(arch, settings, policy, batches[chosen], masks[chosen], rates[chosen], last - first)
        losses[first:last] = new[: last - first]
    return policy.params, losses


@jit(TRAINS, static_argnums=(0, 1), donate_argnums=2)
def _steps(
    arch: Architecture,
    settings: Base | Instruct,
    policy: Policy,
    batches: jax.Array,
    masks: jax.Array,
    rates: jax.Array,
    count: int,
) -> tuple[Policy, jax.Array]:
    """The first `count` of the batches given, one optimizer step each; returns their losses too."""

    def cross_entropy(params: Params, documents_BN: jax.Array, mask_BT: jax.Array) -> jax.Array:
        logprobs_BT = completion_logprobs(arch, params, documents_BN, mask_BT.shape[1], 1.0)
        return -(logprobs_BT * mask_BT).sum() / mask_BT.sum()

    def one(index, carry):
        policy, losses = carry
        loss, gradient = jax.value_and_grad(cross_entropy)(policy.params, batches[index], masks[index])
        return optimizer.step(policy, optimizer.vector(gradient), rates[index], settings), losses.at[index].set(loss)

    return jax.lax.fori_loop(0, count, one, (policy, jnp.zeros(len(batches))))
