"""A forecast that is stored, with its time, before what it forecasts is known.

Source: Nosek et al. 2018, The preregistration revolution, PNAS 115, 2600-2606 (predictions kept apart from what was
explained afterwards).
"""

import hashlib
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rlaw.analysis.watch.futures import Scores, futures
from rlaw.errors import NotFound, RlawError
from rlaw.fitting.interval import Plain
from rlaw.measurements.courses import Course
from rlaw.measurements.frame import Frame
from rlaw.store.files import read_json, write_json

SCHEMA = 1
LEVEL = 0.9
DRAWS = 400
_PLACES = 40
_SHORT = 0.01
_FAR = 20  # times the steps seen, where the end is not known
_DEFAULT, _LEAST, _PART = 8, 4, 0.25
Place = Literal["inside", "above", "below"]


@dataclass(frozen=True, slots=True)
class Registered(Plain):
    """One run's forecast.

    Attributes:
        run: its name.
        time: when it was registered, UTC.
        benchmark: of the scores.
        evaluations: how many of the run's first ones it was made from.
        observed: those, as (step, loss).
        known: evaluations that were there when it was registered; more than `evaluations` when the watch began late.
        law: what forecasts.
        against: source and digest of the ladder; None: from the run alone.
        step, middle, low, high: the band of the loss that an evaluation would measure.
        level: of the band.
    """

    run: str
    time: str
    benchmark: str
    evaluations: int
    observed: tuple[tuple[int, float], ...]
    known: int
    law: str
    against: str | None
    step: tuple[float, ...]
    middle: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    level: float = LEVEL

    def band(self, step: float) -> tuple[float, float, float]:
        """Low, middle and high of the loss at a step, between its places straight in log step."""
        x, at = np.log(self.step), np.log(max(step, 1.0))
        low, middle, high = (float(np.interp(at, x, y)) for y in (self.low, self.middle, self.high))
        return low, middle, high

    def place(self, step: float, loss: float) -> Place:
        """Where a measured loss lies."""
        low, _, high = self.band(step)
        if loss in (0.0, 1.0):  # no answer was wrong, or right: a band ends short of that by a share of an answer
            loss = loss - math.copysign(_SHORT, loss - 0.5)
        return "inside" if low <= loss <= high else "above" if loss > high else "below"

    def is_of(self, scores: Scores, against: str | None) -> bool:
        """Whether it was made from the beginning of these scores, and against the same ladder."""
        first = tuple(zip(scores.step[: self.evaluations].tolist(), scores.loss[: self.evaluations], strict=True))
        same = len(first) == len(self.observed) and np.allclose(first, self.observed, atol=1e-9)
        return bool(same) and self.benchmark == scores.benchmark and self.against == against


def first_of(course: Course, scores: Scores, given: int | None) -> int:
    """How many evaluations a forecast is made from: as given, a quarter of those that are planned, or eight."""
    if given is not None:
        return given
    if course.planned and len(scores.step) > 1:
        every = float(np.median(np.diff(scores.step)))
        return max(_LEAST, round(_PART * course.planned / every))
    return _DEFAULT


def register(
    course: Course, scores: Scores, count: int, *, against: Frame | None = None, until: int | None = None
) -> Registered:
    """The forecast of a run from its first evaluations.

    Args:
        course: the run.
        scores: all that are there; those past the first `count` are not used.
        count: evaluations to use.
        against: a ladder.
        until: the step to forecast to; the planned end, or 20 times the steps seen, when None.

    Raises:
        DataError, NotIdentifiable: the evaluations or the ladder do not allow a forecast.
    """
    used = scores.first(count)
    end = max(until or course.planned or _FAR * int(used.step[-1]), int(used.step[-1]) + 1)
    places = np.unique(np.geomspace(used.step[0], end, _PLACES))
    drawn, law = futures(used, places, course=course, against=against, draws=DRAWS)
    low, high = drawn.interval(LEVEL)
    return Registered(
        course.run, datetime.now(UTC).isoformat(timespec="seconds"), scores.benchmark, count,
        tuple(zip(used.step.tolist(), used.loss.tolist(), strict=True)), len(scores.step), law, ladder_name(against),
        tuple(places.tolist()), tuple(drawn.middle.tolist()), tuple(low.tolist()), tuple(high.tolist()),
    )  # fmt: skip


def ladder_name(against: Frame | None) -> str | None:
    """The ladder's source and digest."""
    return None if against is None else f"{Path(against.source).name} {against.digest}"


def file_of(source: Path) -> Path:
    """Where the forecasts of a log, a folder or a store are kept: beside it, so that no reader takes them for a log."""
    return source.with_name(f"{source.name or 'here'}.rlaw-watch.json")


def load(path: Path) -> dict[str, Registered]:
    """The forecasts in a file, by run; none where there is no file.

    Raises:
        StoreError: it is damaged.
    """
    known: dict[str, Registered] = {}
    for one in _document(path)["forecasts"]:
        listed: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in one.items()}
        listed["observed"] = tuple((int(s), float(v)) for s, v in one["observed"])
        known[one["run"]] = Registered(**listed)
    return known


def save(path: Path, forecasts: dict[str, Registered]) -> RlawError | None:
    """Store forecasts; those that they replace are kept as `earlier`.

    Returns:
        The error where that cannot be done, since a watch goes on without.
    """
    body: list[dict[str, Any]] = [forecasts[run].to_json() for run in sorted(forecasts)]
    times = {(one["run"], one["time"]) for one in body}
    try:
        before = _document(path)
        replaced = [one for one in before["forecasts"] if (one["run"], one["time"]) not in times]
        write_json(path, {"schema": SCHEMA, "forecasts": body, "earlier": [*before["earlier"], *replaced]})
    except (RlawError, OSError) as error:
        return error if isinstance(error, RlawError) else RlawError(str(error))
    return None


def _document(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except NotFound:
        return {"forecasts": [], "earlier": []}


def digest(forecast: Registered) -> str:
    """SHA-256 of what was forecast, 12 hex digits."""
    return hashlib.sha256(repr(forecast.to_json()).encode()).hexdigest()[:12]
