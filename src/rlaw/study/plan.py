"""The plan of a study: every run it takes, what each costs, before anything is spent."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from rlaw import units
from rlaw.errors import BudgetExceeded
from rlaw.study.compute import Architecture, accounted_flops, executed_factor, forward_flops, training_flops
from rlaw.study.model import NOT_IN_THE_ID, Lengths, Resources, Size
from rlaw.study.recipe import RL, Base, Data, EngineChoice, Evaluation
from rlaw.study.study import Arm, Study, content_digest, slug
from rlaw.tasks import AnyTask
from rlaw.tasks.base import canonical
from rlaw.text import Readable

MAIN = "main"
#: engines that train on GPUs alone
GPU_ENGINES = frozenset({"verl"})
#: what a run takes of its study as it is
SECTIONS = ("base", "task", "rl", "data", "evaluation", "engine")


@dataclass(frozen=True)
class Run:
    """One model, one seed, one recipe: everything an engine needs, and nothing else."""

    study: str
    arm: str
    family: str
    size: Size
    variant: str
    base: Base
    task: AnyTask
    rl: RL
    data: Data
    evaluation: Evaluation
    engine: EngineChoice
    seed: int

    @cached_property
    def id(self) -> str:
        """Digest of all that changes a number: not of the study's or the arm's name."""
        return content_digest(self.content)

    @property
    def content(self) -> dict[str, Any]:
        """What the id is the digest of, as plain data."""
        parts = self._sections(*SECTIONS)
        shape = {key: value for key, value in canonical(self.size).items() if key not in NOT_IN_THE_ID}
        return {"family": self.family, "variant": self.variant, "seed": self.seed, "rung": shape, **parts}

    def _sections(self, *names: str) -> dict[str, Any]:
        return {name: canonical(getattr(self, name)) for name in names}

    @cached_property
    def label(self) -> str:
        """A name to read and to call the run's folder by: arm, size, variant, seed and id."""
        return "-".join(map(slug, (self.arm, self.size.name, self.variant, f"s{self.seed}", self.id)))

    @cached_property
    def architecture(self) -> Architecture:
        """The model's shape, the task's vocabulary included."""
        return self.size.architecture(len(self.task.vocabulary))

    @property
    def kind(self) -> tuple[str, str, str]:
        """What the runs of a plan that cost the same share, as they differ in their seed alone."""
        return self.arm, self.size.name, self.variant

    @property
    def checkpoint(self) -> str | None:
        """The weights that RL starts from: a Hugging Face id, id@revision, or a folder. None: they are pretrained."""
        return self.size.checkpoint if isinstance(self.size.checkpoint, str) else None

    @property
    def resources(self) -> Resources:
        """CPUs, GPUs and memory that the run takes."""
        return self.size.resources or Resources()

    @property
    def micro_batch(self) -> int:
        """Sequences at a time on one device: the size's own number, else the engine's."""
        return self.resources.micro_batch or self.engine.micro_batch

    @property
    def params(self) -> int:
        """Non-embedding parameters."""
        return self.architecture.params

    @property
    def sequence_tokens(self) -> int:
        """Prompt and completion of one sample; for problems in words the most there can be."""
        return self.task.prompt_tokens + self.task.completion_tokens

    @property
    def lengths(self) -> Lengths:
        """Mean tokens of a prompt and a response that plans count with: the size's assumption, else the most."""
        return self.size.lengths or Lengths(prompt=self.task.prompt_tokens, response=self.task.completion_tokens)

    @cached_property
    def programs(self) -> str:
        """Digest of what an engine compiles for RL and evaluations: the same for runs that differ in no more than seed,
        variant, base or data."""
        sections = self._sections("task", "rl", "evaluation", "engine")
        return content_digest({"family": self.family, "shape": asdict(self.architecture), **sections})

    @property
    def rl_tokens(self) -> int:
        """Processed tokens of the whole RL run: prompt and response over all rollouts."""
        return self._rl_tokens(self.rl.steps)

    def _rl_tokens(self, steps: float) -> int:
        return round(steps * self.rl.samples * (self.lengths.prompt + self.lengths.response))

    def rl_flops(self, accounting: str) -> float:
        """RL compute under a 6N, 8N or 12N accounting model; what the law's compute axis ends at."""
        return accounted_flops(accounting, self.params, self.rl_tokens)

    @property
    def executed_factor(self) -> float:
        """FLOPs executed for each parameter and token of RL."""
        return executed_factor(reference=bool(self.rl.beta), iterations=self.rl.num_iterations)

    @property
    def executed_flops(self) -> float:
        """All that is executed after the base, at 2N a token for a forward pass: rollouts, old log-probabilities,
        reference, updates (three forward passes each) and evaluations."""
        return self.executed_after(self.rl.steps)

    def executed_after(self, steps: float) -> float:
        """What a run of so many steps executes after the base; of a part of a step its share."""
        evaluations = self.evaluation.times(int(steps))
        return self.executed_factor * self.params * self._rl_tokens(steps) + self._evaluation_flops(evaluations)

    def first_step_flops(self, accounting: str) -> float:
        """What one step and the evaluations before and after it cost, as the study counts them."""
        return accounted_flops(accounting, self.params, self._rl_tokens(1)) + self._evaluation_flops(2)

    @property
    def base_flops(self) -> float:
        """Exact FLOPs of pretraining the base."""
        documents = self.base.documents
        context = (self.sequence_tokens + 1) / 2
        answers = documents * self.task.completion_tokens
        return training_flops(self.architecture, documents * self.sequence_tokens, context, answers)

    @property
    def evaluation_flops(self) -> float:
        """Exact FLOPs of all evaluations: one prefill and one pass per generated token, key-value cache used."""
        return self._evaluation_flops(self.evaluation.times(self.rl.steps))

    def _evaluation_flops(self, times: int) -> float:
        problems = sum(self.task.items(name, self.evaluation.items) for name in self.evaluation.benchmarks)
        answers = times * problems * self.evaluation.samples
        sequence = self.lengths.prompt + self.lengths.response
        predicted = round(answers * self.lengths.response)
        return forward_flops(self.architecture, round(answers * sequence), (sequence + 1) / 2, predicted)


@dataclass(frozen=True, repr=False)
class Plan(Readable):
    """All runs of a study, smallest first. Runs with the same content are one run."""

    study: Study
    runs: tuple[Run, ...]

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)

    def __str__(self) -> str:
        return f"plan of study {self.study.name}: {len(self)} runs, {units.flops(self.total_flops)}"

    def documents(self) -> list[dict[str, Any]]:
        """A row for each run."""
        flops = {kind: run.rl_flops(self.study.fit.accounting) for kind, run in self.kinds.items()}
        return [
            {
                "run": run.label,
                "arm": run.arm,
                "model": run.size.name,
                "params": run.params,
                "variant": run.variant,
                "seed": run.seed,
                "steps": run.rl.steps,
                "rl_flops": flops[run.kind],
            }
            for run in self.runs
        ]

    @cached_property
    def kinds(self) -> dict[tuple[str, str, str], Run]:
        """The first of the runs that cost the same, by what these share."""
        first: dict[tuple[str, str, str], Run] = {}
        for run in self.runs:
            first.setdefault(run.kind, run)
        return first

    @cached_property
    def counts(self) -> Counter[tuple[str, str, str]]:
        """How many runs cost the same."""
        return Counter(run.kind for run in self.runs)

    def total(self, cost: Callable[[Run], float]) -> float:
        """The sum of a cost over all runs, worked out once for each that differ in their seed alone."""
        return sum(cost(run) * self.counts[kind] for kind, run in self.kinds.items())

    @cached_property
    def rl_flops(self) -> float:
        """RL compute of all runs, counted as the study's fit counts it."""
        return self.total(lambda run: run.rl_flops(self.study.fit.accounting))

    @cached_property
    def base_flops(self) -> float:
        """Pretraining compute; runs that start from the same checkpoint pay for it once."""
        bases = {kind: (base_key(replace(run, seed=0)), run.base_flops) for kind, run in self.kinds.items()}
        paid = {(bases[run.kind][0], run.seed): bases[run.kind][1] for run in self.runs}
        return sum(paid.values())

    @cached_property
    def total_flops(self) -> float:
        """Everything the plan will spend, in FLOPs."""
        return self.rl_flops + self.base_flops + self.total(lambda run: run.evaluation_flops)

    @property
    def declares_gpus(self) -> bool:
        """Whether any size says how many GPUs it takes."""
        return any(run.resources.gpus for run in self.kinds.values())

    @property
    def on_gpus(self) -> bool:
        """Whether any run takes a GPU: its size declares some, or its engine trains on nothing else."""
        return self.study.engine.name in GPU_ENGINES or self.declares_gpus

    @property
    def unheeded_caps(self) -> str:
        """What to say of caps that cannot stop anything, as they count GPUs and no run takes one; empty when none."""
        budget = self.study.budget
        caps = {"budget.gpu_hours": budget.gpu_hours, "budget.usd": budget.usd}
        named = [name for name, cap in caps.items() if cap is not None]
        if self.declares_gpus or not named:
            return ""
        return (
            f"{' and '.join(named)} will stop nothing: no size declares GPUs, so that none are counted\n"
            f"  next: resources: {{gpus: 1}} in the sizes that take one, or budget.wall, budget.compute"
        )

    def check_budget(self) -> None:
        """Raise BudgetExceeded when the plan costs more compute than the study allows."""
        cap = self.study.budget.compute
        if cap is not None and self.total_flops > cap:
            raise BudgetExceeded(
                f"the plan costs {units.flops(self.total_flops)}, the study's budget.compute is {units.flops(cap)}\n"
                f"  next: fewer sizes, seeds or steps, or a larger budget.compute"
            )


def base_key(run: Run) -> str:
    """Digest of the checkpoint that RL starts from: same model, corpus, recipe and seed give the same."""
    content = run.content
    parts = {key: content[key] for key in ("family", "base", "task", "seed")}
    shape = {key: value for key, value in content["rung"].items() if key != "name"}
    return content_digest({**parts, "shape": shape}, digits=16)


def plan(study: Study) -> Plan:
    """Lay out every run of a study, smallest model first, so that what is cheap is known early."""
    runs = {}
    for arm in (None, *study.arms):
        for run in runs_of(study, arm):
            runs.setdefault(run.id, run)
    work: dict[tuple[str, str, str], float] = {}
    for run in runs.values():
        if run.kind not in work:
            work[run.kind] = run.params * run.rl.steps
    ordered = sorted(runs.values(), key=lambda run: (work[run.kind], run.label))
    return Plan(study, tuple(ordered))


def runs_of(study: Study, arm: Arm | None) -> Iterator[Run]:
    """The runs of an arm, of the main study when None: sizes, variants and seeds in the order of the file."""
    chosen = arm or Arm(name=MAIN)
    sections = {name: study.section(name, arm) for name in ("rl", "data", "evaluation")}
    for size in study.model.ladder:
        if chosen.rungs is not None and size.name not in chosen.rungs:
            continue
        for variant in chosen.variants or tuple(study.model.variants):
            if size.variants is not None and variant not in size.variants:
                continue
            own, base = size.of(variant), study.model.variants[variant].changed(size.base)
            for seed in chosen.seeds or study.seeds:
                yield Run(
                    study=study.name,
                    arm=chosen.name,
                    family=study.model.family,
                    size=own,
                    variant=variant,
                    base=base,
                    task=study.task,
                    **sections,
                    engine=study.engine,
                    seed=seed,
                )
