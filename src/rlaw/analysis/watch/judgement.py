"""Is a run on its registered curve, when does it reach a target, and is going on worth it?

Axes: S draws, M steps.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from rlaw.analysis.watch.futures import Scores, futures
from rlaw.analysis.watch.registered import LEVEL, Place, Registered
from rlaw.fitting.interval import Interval, Plain
from rlaw.measurements.courses import Course
from rlaw.measurements.frame import Frame

OFF = 3  # evaluations in succession on one side of the band
NEVER = 100.0  # times the steps so far: what is not reached by then is never reached
_AHEAD = 2.0  # times the steps so far, where the end is not known
_UNLIKELY = 0.05
_GRID = 80
_RECENT = 20  # steps whose median time counts
_DRAWS = 400
_FLOPS = 8  # of a parameter and token, as studies count


@dataclass(frozen=True, slots=True)
class Costs:
    """What a step costs.

    Attributes:
        seconds: of a step; nan when the log does not say.
        flops: of a step, 8 N T; nan without tokens or a size.
        gpus: that run it; None when not given.
        usd_per_gpu_hour: their price; None when not given.
    """

    seconds: float
    flops: float
    gpus: int | None = None
    usd_per_gpu_hour: float | None = None

    @classmethod
    def of(cls, course: Course, gpus: int | None, price: float | None) -> "Costs":
        """From the last steps of a run."""
        median = {}
        for name in ("seconds", "tokens"):
            values = course.steps[name].drop_nulls().tail(_RECENT).to_numpy()
            values = values[np.isfinite(values)]
            median[name] = float(np.median(values)) if len(values) else math.nan
        gap = course.steps["step"].diff().drop_nulls()
        every = float(gap.median()) if len(gap) else 1.0  # pyright: ignore[reportArgumentType]
        flops = _FLOPS * (course.params or math.nan) * median["tokens"] / max(every, 1.0)
        return cls(median["seconds"], flops, gpus, price)

    def document(self, steps: float) -> dict[str, float | None]:
        """What so many steps cost; null where it is not known."""
        hours = steps * self.seconds / 3600
        gpu_hours = math.nan if self.gpus is None else hours * self.gpus
        usd = math.nan if self.usd_per_gpu_hour is None else gpu_hours * self.usd_per_gpu_hour
        values = {"steps": steps, "hours": hours, "flops": steps * self.flops, "gpu_hours": gpu_hours, "usd": usd}
        return {name: float(v) if math.isfinite(v) else None for name, v in values.items()}


@dataclass(frozen=True, slots=True)
class Reach(Plain):
    """When a target is reached.

    Attributes:
        score: the target, a pass rate.
        reached: whether the newest evaluation has it.
        never: probability that it is not reached within 100 times the steps so far.
        by_end: probability that it is reached by the end.
        value, low, high: what is needed from here: steps, hours, flops, gpu_hours, usd; null beyond never or unknown.
    """

    score: float
    reached: bool
    never: float
    by_end: float
    value: dict[str, float | None]
    low: dict[str, float | None]
    high: dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Judgement:
    """One evaluation of a run.

    Attributes:
        run: its name.
        step: of the evaluation.
        loss: measured.
        low, middle, high: the registered band there.
        place: of the loss: "above" the band is worse than forecast.
        off: whether the last three are all above, or all below.
        end_step: where the run ends.
        end: expected loss there, with the band of what would be measured.
        gain: expected rise of the true pass rate from here to the end, with its interval.
        gain_per_gpu_hour: of that; None without time and GPUs.
        gain_per_hour: of that; None without time.
        target: None without one.
        advice: "stop" or "go on".
        reason: by which part of the rule.
        worth: the gain below which going on is not worth it.
    """

    run: str
    step: int
    loss: float
    low: float
    middle: float
    high: float
    place: Place
    off: bool
    end_step: int
    end: Interval
    gain: Interval
    gain_per_gpu_hour: float | None
    gain_per_hour: float | None
    target: Reach | None
    advice: str
    reason: str
    worth: float

    def to_json(self) -> dict[str, Any]:
        """A line of `rlaw watch --json`, schema 1."""
        return {
            "schema": 1, "event": "evaluation", "run": self.run, "step": self.step, "loss": self.loss,
            "score": 1 - self.loss,
            "band": {"place": self.place, "low": self.low, "middle": self.middle, "high": self.high, "off": self.off},
            "end": {"step": self.end_step, "loss": self.end.to_json()}, "gain": self.gain.to_json(),
            "gain_per_gpu_hour": self.gain_per_gpu_hour, "gain_per_hour": self.gain_per_hour,
            "target": None if self.target is None else self.target.to_json(),
            "advice": self.advice, "reason": self.reason, "worth": self.worth,
        }  # fmt: skip


def judge(
    course: Course,
    scores: Scores,
    forecast: Registered,
    costs: Costs,
    *,
    against: Frame | None = None,
    target: float | None = None,
    end: int | None = None,
    worth: float = 0.01,
) -> Judgement:
    """Judge the newest evaluation of a run.

    Args:
        course: the run.
        scores: its evaluations, the newest last.
        forecast: what was registered.
        costs: of a step.
        against: a ladder that forecasts.
        target: a pass rate to reach.
        end: the last step; the planned one, or twice the steps so far, when None.
        worth: the gain in pass rate below which going on is not worth it.

    The rule: stop when the target is reached, when it is reached by the end with less than 5 %, or when the upper limit
    (95 %) of the gain until the end is below `worth`. Else go on.
    """
    step, loss = int(scores.step[-1]), float(scores.loss[-1])
    last = end or course.planned or math.ceil(_AHEAD * step)
    ahead = max(last, step + 1)
    places = np.unique(np.concatenate([[step, ahead], np.geomspace(step, NEVER * step, _GRID)]))
    drawn, _ = futures(scores, places, course=course, against=against, draws=_DRAWS)
    at = int(np.searchsorted(places, ahead))
    tail = (1 - LEVEL) / 2
    band = np.quantile(drawn.measured[:, at], [tail, 1 - tail])
    gains = drawn.true[:, 0] - drawn.true[:, at] if last > step else np.zeros(len(drawn.true))
    gain = Interval(float(np.median(gains)), *map(float, np.quantile(gains, [tail, 1 - tail])))
    reach = None if target is None else _reach(drawn.true, places, 1 - target, loss, last, costs)
    spent = costs.document(max(last - step, 0))
    per = {name: gain.value / cost if (cost := spent[name]) else None for name in ("hours", "gpu_hours")}
    recent: list[Place] = [forecast.place(s, v) for s, v in zip(scores.step[-OFF:], scores.loss[-OFF:], strict=True)]
    after = len(scores.step) - forecast.evaluations >= OFF
    low, middle, high = forecast.band(step)
    advice, reason = _advice(reach, gain, worth, step, last)
    return Judgement(
        course.run, step, loss, low, middle, high, recent[-1],
        after and recent[0] != "inside" and len(set(recent)) == 1,
        last, Interval(float(drawn.middle[at]), *map(float, band)), gain, per["gpu_hours"], per["hours"], reach,
        advice, reason, worth,
    )  # fmt: skip


def _advice(reach: Reach | None, gain: Interval, worth: float, step: int, last: int) -> tuple[str, str]:
    if step >= last:
        return "stop", "the run is at its end"
    if reach is not None and reach.reached:
        return "stop", f"the target {reach.score:g} is reached"
    if reach is not None and reach.by_end < _UNLIKELY:
        return "stop", f"the target {reach.score:g} is reached by step {last} with {reach.by_end:.0%}"
    if gain.high < worth:
        return "stop", f"at most {gain.high:.3f} is to be gained until step {last}, less than {worth:g}"
    if reach is not None:
        return "go on", f"the target {reach.score:g} is reached by step {last} with {reach.by_end:.0%}"
    return "go on", f"{gain.value:.3f} ({gain.low:.3f} to {gain.high:.3f}) is to be gained until step {last}"


def _reach(true: np.ndarray, places: np.ndarray, wanted: float, loss: float, last: int, costs: Costs) -> Reach:
    """First passage of every future below the wanted loss; between places straight in log step."""
    best = np.minimum.accumulate(true, axis=1)
    hit = best <= wanted
    there = hit.any(axis=1)
    index = np.argmax(hit, axis=1)
    x = np.log(places)
    before = np.maximum(index - 1, 0)
    rows = np.arange(len(true))
    a, b = true[rows, before], true[rows, index]
    share = np.clip(np.where(a > b, (a - wanted) / np.where(a > b, a - b, 1.0), 1.0), 0, 1)
    crossed = np.exp(x[before] + share * (x[index] - x[before]))
    needed = np.where(there, np.maximum(crossed - places[0], 0.0), np.inf)
    tail = (1 - LEVEL) / 2
    value, low, high = (float(v) for v in np.quantile(needed, [0.5, tail, 1 - tail], method="inverted_cdf"))
    by_end = float(np.mean(needed <= last - places[0]))
    return Reach(
        1 - wanted, loss <= wanted, float(np.mean(~there)), by_end,
        *(costs.document(v) for v in (value, low, high)),
    )  # fmt: skip
