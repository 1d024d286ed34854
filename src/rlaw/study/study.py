"""A study: what is trained, on what, how it is measured and what is fitted. Read from one YAML file, frozen.

Defaults live here, in `model.py` and in `recipe.py`, and nowhere else. Whatever changes a number is part of the study,
and so of each run's id.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, ValidationError, field_validator, model_validator

from rlaw import laws, tasks, units
from rlaw.errors import NotFound, UsageError
from rlaw.study import yaml
from rlaw.study.compute import Accounting
from rlaw.study.gpus import DEFAULT_USD_PER_GPU_HOUR
from rlaw.study.model import Model
from rlaw.study.recipe import RL, Data, EngineChoice, Evaluation, Name, enough_problems, few_enough_evaluations, placed
from rlaw.tasks import AnyTask
from rlaw.tasks.base import Settings, Since, canonical
from rlaw.text import Readable


def _quantity(kind: str) -> BeforeValidator:
    read = placed()(lambda value: units.parse(value, kind))
    return BeforeValidator(read, json_schema_input_type=float | str)


Compute = Annotated[float, _quantity("FLOPs")]
GpuHours = Annotated[float, _quantity("GPU-h")]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Seconds = Annotated[float, _quantity("duration")]


class SpendingCaps(Settings):
    """Caps. A plan above `compute` is not started, unless in stages. At a cap the runs save and end.

    `silence` caps no spending but waiting: it must be longer than a base's pretraining, an evaluation and a step.
    """

    wall: Seconds | None = None
    compute: Compute | None = None
    gpu_hours: GpuHours | None = None
    silence: Annotated[Seconds | None, Since(2)] = Field(
        default=None, description="a run that keeps no record for so long is ended and tried again, twice at most"
    )
    usd: float | None = Field(default=None, gt=0)
    usd_per_gpu_hour: float = Field(default=DEFAULT_USD_PER_GPU_HOUR, gt=0, description="an assumption: set your own")


class Stage(Settings):
    """When `rlaw run --stage` starts the next size. Exactly one rule is declared.

    `gain_per_doubling`: go while the next size is forecast to lower the best final test loss by at least that much
    for each doubling of the compute spent. `interval_width`: go while the forecast of the largest size's final test
    loss has an interval wider than that.
    """

    start: int = Field(default=3, ge=3, description="sizes that are run before the first decision: a law needs three")
    gain_per_doubling: float | None = Field(default=None, ge=0)
    interval_width: float | None = Field(default=None, gt=0)
    without_a_law: Literal["stop", "go"] = Field(
        default="stop", description="what is done while the sizes so far determine no law of the size"
    )

    @model_validator(mode="after")
    def _one_rule(self) -> "Stage":
        if (self.gain_per_doubling is None) == (self.interval_width is None):
            raise ValueError("declare one rule: gain_per_doubling or interval_width")
        return self


class FitChoice(Settings):
    """What is fitted and how: declared before the first run."""

    laws: tuple[str, ...] = Field(default=("saturating", "power", "sigmoid", "constant"), min_length=1)
    axis: Literal["compute", "data", "step"] = "compute"
    accounting: Accounting = "8N"
    window: str = Field(default="1:", pattern=r"^\d*:\d*$", description="first and last step of the fit, inclusive")
    space: Literal["loss", "log"] = "loss"
    noise: Literal["equal", "binomial"] = "equal"
    level: float = Field(default=0.9, gt=0, lt=1)

    @field_validator("laws")
    @classmethod
    @placed()
    def _known(cls, named: tuple[str, ...]) -> tuple[str, ...]:
        for name in named:
            laws.get(name)
        return named


class Arm(Settings):
    """A variation beside the main study: some sizes, variants and seeds, with parts of the recipe changed."""

    name: Name
    rungs: tuple[str, ...] | None = None
    variants: tuple[str, ...] | None = None
    seeds: tuple[Seed, ...] | None = None
    rl: dict[str, Any] = Field(default_factory=dict)
    data: dict[str, Any] = Field(default_factory=dict)
    evaluation: dict[str, Any] = Field(default_factory=dict)


class DeclaredContrast(Settings):
    """Two recipes that the study is to compare, by `rlaw contrast`: declared before the first run."""

    name: Name
    between: str = Field(
        pattern=r"^[^=,\s]+(=[^=]+)?$", description="FACTOR=A,B, such as arm=main,curriculum; A is claimed to be better"
    )
    margin: float = Field(default=0.0, ge=0, description="difference of the loss within which they are equivalent")
    axis: Literal["compute", "data", "step"] | None = Field(default=None, description="what is equal; fit.axis if none")

    @field_validator("between")
    @classmethod
    def _two_values(cls, between: str) -> str:
        factor, mark, values = between.partition("=")
        names = [name.strip() for name in values.split(",")]
        if mark and (len(set(names)) < len(names) or len(names) < 2 or not all(names)):
            raise ValueError(f"{between!r}: write {factor}=A,B with two values or more, or {factor} for all of them")
        return between

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms that it names."""
        factor, _, values = self.between.partition("=")
        return tuple(name.strip() for name in values.split(",")) if factor == "arm" and values else ()


class Study(Readable, Settings):
    """A whole study, as its file says. `Study.load` reads it; `plan` turns it into runs."""

    name: Name
    question: str = ""
    model: Model
    task: SerializeAsAny[AnyTask]
    rl: RL = RL()
    data: Data = Data()
    evaluation: Evaluation = Evaluation()
    arms: tuple[Arm, ...] = ()
    seeds: tuple[Seed, ...] = Field(default=(0,), min_length=1)
    budget: SpendingCaps = SpendingCaps()
    stage: Stage | None = None
    engine: EngineChoice = EngineChoice()
    fit: FitChoice = FitChoice()
    contrasts: Annotated[tuple[DeclaredContrast, ...], Since(2)] = ()

    @field_validator("engine", mode="before", json_schema_input_type=str | EngineChoice)
    @classmethod
    def _engine_by_name(cls, raw: Any) -> Any:
        return {"name": raw} if isinstance(raw, str) else raw

    @field_validator("task", mode="before")
    @classmethod
    def _task_by_name(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        with placed():
            tasks.get(str(raw.get("name")))
        return tasks.of(raw)

    @model_validator(mode="after")
    def _consistent(self) -> "Study":
        unknown = [name for name in self.evaluation.benchmarks if name not in self.task.benchmarks]
        if unknown:
            raise ValueError("; ".join(map(self.task.refusal, unknown)))
        enough_problems(self.rl, self.data)
        few_enough_evaluations(self.rl, self.evaluation)
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"a seed is listed twice in seeds {list(self.seeds)}")
        sizes = len({size.params for size in self.model.ladder})
        for name in self.fit.laws:
            if sizes < laws.get(name).needs_sizes:
                raise ValueError(
                    f"fit.laws: {name} needs {laws.get(name).needs_sizes} sizes, the ladder has {sizes}: "
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
        with _located(document):
            study = cls.model_validate(document.data)
        for index, size in enumerate(study.model.ladder):
            with _located(document, "model", "ladder", index, "base"):
                for base in study.model.variants.values():
                    base.changed(size.base)
        for index, arm in enumerate(study.arms):
            study._check_arm(index, arm, document)
        study._check_contrasts(document)
        return study

    def _check_contrasts(self, document: "yaml.Document") -> None:
        """Raise SpecError, with file and line, when a contrast names no arm, or its name is taken."""
        known = ["main", *(arm.name for arm in self.arms)]
        for index, declared in enumerate(self.contrasts):
            for name in declared.arms:
                if name not in known:
                    at = ("contrasts", index, "between")
                    raise document.fault(at, f"no arm is called {name!r}; there are {', '.join(known)}")
            if declared.name in [other.name for other in self.contrasts[:index]]:
                raise document.fault(("contrasts", index, "name"), f"two contrasts are called {declared.name!r}")

    def _check_arm(self, index: int, arm: Arm, document: "yaml.Document") -> None:
        """Raise SpecError, with file and line, when an arm names what is not there or changes it to nonsense."""
        known = {"rungs": [r.name for r in self.model.ladder], "variants": list(self.model.variants)}
        for key, names in known.items():
            for name in getattr(arm, key) or ():
                if name not in names:
                    raise document.fault(("arms", index, key), f"no such name {name!r}; there are {', '.join(names)}")
        for section in ("rl", "data", "evaluation"):
            with _located(document, "arms", index, section):
                self.section(section, arm)
        try:
            enough_problems(self.section("rl", arm), self.section("data", arm))
            few_enough_evaluations(self.section("rl", arm), self.section("evaluation", arm))
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
        return content_digest(canonical(self))

    def __str__(self) -> str:
        sizes = ", ".join(size.name for size in self.model.ladder)
        return f"study {self.name}: {sizes} · seeds {', '.join(map(str, self.seeds))} · {self.rl.steps} steps"


@contextmanager
def _located(document: "yaml.Document", *at: str | int) -> Iterator[None]:
    """Settings that are not valid become a SpecError that names the file and the lines, under that place of it."""
    try:
        yield
    except ValidationError as error:
        raise document.error(error, prefix=at, known=_known_keys(document.data)) from error


def _known_keys(data: dict[str, Any]) -> set[str]:
    """Every key that a study can have, its task's included: what a typo may have been meant to be."""
    schemas = [Study.model_json_schema()]
    task = data.get("task")
    if isinstance(task, dict):
        with suppress(NotFound, UsageError):
            schemas.append(tasks.get(str(task.get("name"))).model_json_schema())
    keys: set[str] = set()
    for schema in schemas:
        for part in (schema, *schema.get("$defs", {}).values()):
            keys |= set(part.get("properties", {}))
    return keys


def content_digest(content: Any, digits: int = 12) -> str:
    """SHA-256 of plain data in canonical JSON, its first hex digits."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def slug(text: str) -> str:
    """The text with everything that a path could stumble over replaced."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip("-.") or "x"
