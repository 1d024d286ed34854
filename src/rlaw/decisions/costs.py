"""What steps of each measured size cost on GPUs: by the cost model of `rlaw plan`, so that both give the same.

A size of a study (of a store, or of the preset that a bundled dataset was measured with) costs what a planned run of
it costs. Of any other data, a size executes its own counted compute times what is executed for each FLOP counted; its
shape is that of the published model of its name, where it has one.

Axis: R sizes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rlaw.measurements import datasets
from rlaw.study import presets
from rlaw.study.compute import FACTORS
from rlaw.study.gpu_cost import Placement
from rlaw.study.model import Resources, Size
from rlaw.study.plan import Run, runs_of

if TYPE_CHECKING:
    from rlaw.measurements.frame import Frame
    from rlaw.study.study import Study

#: a prompt and a response at their longest, where no study says it: those of the preset qwen2.5-math
SEQUENCE_TOKENS = 2048 + 4096
_MOST_STEPS = 2**40
_ROUNDING = 1e-9  # hours that were written and read again are those of the same steps


@dataclass(frozen=True, slots=True)
class SizeCost:
    """What a size executes.

    Attributes:
        place: what is to be placed on GPUs.
        run: a planned run of the size; None where no study is known.
        per_counted: FLOPs executed for each one that the data count, without a study.
    """

    place: Placement
    run: Run | None
    per_counted: float

    def executed_flops(self, steps: float, counted: float | None) -> float | None:
        """FLOPs executed in so many steps, which the data count as `counted`; None where nobody knows."""
        if self.run is not None:
            return self.run.executed_after(steps)
        return None if counted is None else self.per_counted * counted

    def steps_within(self, executed: float) -> float | None:
        """The most steps that execute no more; None without a study."""
        run, executed = self.run, executed * (1 + _ROUNDING)
        if run is None:
            return None
        low, high = 0, 1
        while high < _MOST_STEPS and run.executed_after(high) <= executed:
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if run.executed_after(middle) <= executed else (low, middle)
        start, end = run.executed_after(low), run.executed_after(low + 1)
        part = (executed - start) / (end - start)
        return low + float(np.clip(part, 0, 1)) if executed > start * (1 + 2 * _ROUNDING) else float(low)


def counted_factor(frame: "Frame") -> float:
    """FLOPs that the data count for each parameter and token."""
    return frame.executed_factor if frame.accounting == "exact" else FACTORS.get(frame.accounting, FACTORS["6N"])


def size_costs(frame: "Frame", models: Sequence[str], params: np.ndarray) -> tuple[SizeCost, ...]:
    """(R,) costs of the sizes of a frame that holds one law's rows."""
    study, per_counted = _study(frame), frame.executed_factor / counted_factor(frame)
    planned = _runs(frame, study) if study else {}
    return tuple(
        _size_cost(model, float(N), next((run for names, run in planned.items() if model in names), None), per_counted)
        for model, N in zip(models, params, strict=True)
    )


def _size_cost(model: str, params: float, run: Run | None, per_counted: float) -> SizeCost:
    if run is not None:
        return SizeCost(Placement.of(run), run, per_counted)
    if (size := presets.size_named(model)) is None:
        return SizeCost(Placement(params, None, None, SEQUENCE_TOKENS), None, per_counted)
    resources = Resources.model_validate(size.resources) if size.resources else None
    place = Placement(size.architecture.params_total, size.architecture, resources, SEQUENCE_TOKENS)
    return SizeCost(place, None, per_counted)


def _study(frame: "Frame") -> "Study | None":
    """The study that the measurements are of: their own, or the preset that a bundled dataset was measured with."""
    from rlaw.study.study import Study

    preset = datasets.DATASETS[frame.source].study if frame.source in datasets.DATASETS else ""
    if frame.study is not None or not preset:
        return frame.study
    with presets.study_file(preset) as path:
        return Study.load(path)


def _runs(frame: "Frame", study: "Study") -> dict[frozenset[str], Run]:
    """A run of each size in the frame's arm and variant, by the names that the size may have in the data."""
    arms, variants = frame.rows["arm"].unique().to_list(), frame.rows["variant"].unique().to_list()
    arm = next((arm for arm in study.arms if [arm.name] == arms), None)
    found: dict[frozenset[str], Run] = {}
    for run in runs_of(study, arm):
        names = _names(run.size)
        if names not in found or ([run.variant] == variants and found[names].variant != run.variant):
            found[names] = run
    return found


def _names(size: Size) -> frozenset[str]:
    checkpoint = (size.checkpoint if isinstance(size.checkpoint, str) else "").partition("@")[0]
    return frozenset({size.name, checkpoint, checkpoint.rpartition("/")[2]} - {""})
