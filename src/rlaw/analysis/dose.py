"""Dose: what a mixture is worth in data, and whether more of it ever hurts.

    rlaw.dose("runs.csv", of="dose", by="arm")

The equivalent dose of an arm is the dose of the reference arm with the same accuracy, on a curve that does not fall
(isotonic, straight between doses in the logarithm). Beyond the reference's doses there is a bound and no number. Noise
is that of items and of seeds; where there is one run each, that of seeds is not known, and nothing is concluded.
Axes: D draws, K doses of an arm, I items.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rlaw.analysis.multiple import holm
from rlaw.errors import NotIdentifiable, UsageError
from rlaw.fitting.diagnostics import Caution
from rlaw.fitting.interval import Interval, finite, plain
from rlaw.measurements.doses import DoseRun, Doses, read
from rlaw.text import Readable, listed, table

CANNOT_TELL = "cannot tell"
_ALPHA = 0.05
_LEAST_PEAK = 3  # doses of an arm that may rise and fall


@dataclass(frozen=True, slots=True)
class DosePoint:
    """Accuracy at a dose, over all runs there."""

    dose: float
    score: Interval
    runs: int

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        return {"dose": self.dose, "score": plain(self.score), "runs": self.runs}


@dataclass(frozen=True, slots=True)
class Equivalent:
    """What a dose is worth in doses of the reference arm.

    Attributes:
        dose: of this arm.
        ratio: equivalent dose / dose. The value is nan outside of the reference's doses; an end is nan where the data
            set none, and the outermost dose's ratio where the draws beyond it reach that end.
        side: "above" or "below" the reference's doses where the value is; "" inside of them.
        out_of_range: share of draws outside of the reference's doses.
        p: of a ratio of 1, corrected over arms and doses; nan where the noise between seeds is not known.
    """

    dose: float
    ratio: Interval
    side: str
    out_of_range: float
    p: float

    def to_json(self) -> dict[str, Any]:
        """The fields by name, null where unknown."""
        return {
            "dose": self.dose,
            "ratio": plain(self.ratio),
            "side": self.side or None,
            "out_of_range": self.out_of_range,
            "p_holm": finite(self.p),
        }


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm: its dose curve, what its doses are worth, and whether it peaks.

    Attributes:
        peak_p: of a curve that never falls, against a free one; nan with fewer than three doses.
        peak_p_holm: the same, corrected over arms.
        verdict: "worth more", "worth less", both at different doses, or "cannot tell"; "reference" for that arm.
    """

    arm: str
    doses: tuple[DosePoint, ...]
    equivalent: tuple[Equivalent, ...]
    peak_p: float
    peak_p_holm: float
    verdict: str

    def to_json(self) -> dict[str, Any]:
        """The arm's part of the document."""
        return {
            "arm": self.arm,
            "doses": plain(self.doses),
            "equivalent": plain(self.equivalent),
            "peak": {"p": finite(self.peak_p), "p_holm": finite(self.peak_p_holm)},
            "verdict": self.verdict,
        }


@dataclass(frozen=True, repr=False)
class Dose(Readable):
    """Arms by their dose curves.

    Attributes:
        source: the measurements.
        of: what the dose is.
        design: what was held equal while doses varied: "equal steps", "equal passes", "crossed"; "" where not known.
        reference: the arm that doses are counted in.
        arms: the reference first.
        level: of the intervals.
        verdict: "cannot tell", or what differs.
        reason: why, in words.
        warnings: what speaks against trusting it.
    """

    source: str
    of: str
    design: str
    reference: str
    arms: tuple[Arm, ...]
    level: float
    verdict: str
    reason: str
    warnings: tuple[Caution, ...] = ()

    def arm(self, name: str) -> Arm:
        """One arm, by its name."""
        return next(one for one in self.arms if one.arm == name)

    def to_json(self) -> dict[str, Any]:
        """The document of `rlaw dose --json`, schema 1."""
        names = ("source", "of", "design", "reference", "level", "arms", "verdict", "reason", "warnings")
        document = {name: plain(getattr(self, name)) for name in names}
        return {"schema": 1, **document, "design": self.design or None}

    def documents(self) -> list[dict[str, Any]]:
        """A row for each arm and dose."""
        return [{"arm": arm.arm, **point.to_json()} for arm in self.arms for point in arm.doses]

    def __str__(self) -> str:
        rows = []
        for arm in self.arms:
            worth = {one.dose: one for one in arm.equivalent}
            for point in arm.doses:
                one = worth.get(point.dose)
                text, out = (_ratio(one), f"{one.out_of_range:.0%}") if one else ("", "")
                score = Interval(*(100 * x for x in (point.score.value, point.score.low, point.score.high)))
                rows.append([arm.arm, f"{point.dose:g}", str(point.runs), score.text(lambda x: f"{x:.1f}"), text, out])
        heads = ["arm", f">{self.of}", ">runs", ">accuracy %", f">worth in {self.reference}", ">draws out of range"]
        peaks = [
            f"{arm.arm}: a curve that never falls, against a peak: p = {arm.peak_p:.3g}"
            + (f", {arm.peak_p_holm:.3g} by Holm" if math.isfinite(arm.peak_p_holm) else "")
            for arm in self.arms
            if math.isfinite(arm.peak_p)
        ]
        cautions = [f"caution ({w.code}): {w.text}" for w in self.warnings]
        return "\n".join([table(heads, rows), "", *peaks, f"{self.verdict}: {self.reason}", *cautions])


def _ratio(one: Equivalent) -> str:
    low, high = (f"{x:.3g}" if math.isfinite(x) else "?" for x in (one.ratio.low, one.ratio.high))
    value = f"{one.ratio.value:.3g}" if math.isfinite(one.ratio.value) else one.side
    return f"{value} [{low}, {high}]"


def dose(
    data: Any,
    *,
    of: str | None = None,
    by: str = "arm",
    reference: str | None = None,
    mapping: dict[str, str] | None = None,
    where: dict[str, tuple[str, ...]] | None = None,
    level: float = 0.9,
    draws: int = 2000,
    seed: int = 0,
) -> Dose:
    """What each arm's doses are worth in doses of a reference arm, and whether any arm peaks.

    Args:
        data: a table of runs (`arm`, `dose`, `seed`, `correct`, `items`), a ledger with an arm and a dose for each
            answer, or evaluations: a path, a store, polars or pandas.
        of: the dose: a column (`dose` of a table when None), or "data_size" or "unique_data" of evaluations.
        by: the column that names the arm.
        reference: the arm that doses are counted in; the one with most doses, first by name, when None.
        mapping: renames columns, ours -> theirs.
        where: keeps the rows whose columns have one of these values.
        level: of intervals.
        draws: of the bootstrap, over seeds and items (the same items for all arms where they are known).
        seed: of the random numbers.

    Raises:
        DataError: a column is missing, or a cell cannot be understood.
        NotIdentifiable: the reference arm has fewer than two doses.
        UsageError: no arm is called so.
    """
    doses = data if isinstance(data, Doses) else read(data, of, by, mapping=mapping, where=where)
    cells = _cells(doses)
    if not cells:
        raise NotIdentifiable(f"{doses.source}: no run has a dose above 0\n  next: doses of 1 or more")
    chosen = _reference(cells, reference, doses.source)
    noise = _noise(cells)
    rng = np.random.default_rng(seed)
    drawn = _drawn(cells, noise, draws, rng)
    names = [chosen, *(arm for arm in cells if arm != chosen)]
    peaks = [_peak(cells[arm], noise, draws, rng) for arm in names]
    worth = {arm: _worth(cells, drawn, chosen, arm, level) for arm in names[1:]}
    flat = [(arm, n) for arm in worth for n in range(len(worth[arm]))]
    corrected = holm([worth[arm][n].p if noise.freedom else math.nan for arm, n in flat])
    p = dict(zip(flat, corrected, strict=True))
    corrected_peaks = holm([value if noise.freedom else math.nan for value in peaks])
    arms = []
    for arm, peak, peak_holm in zip(names, peaks, corrected_peaks, strict=True):
        points = tuple(_point(cell, drawn[arm][:, n], level) for n, cell in enumerate(cells[arm]))
        known = worth.get(arm, [])
        equal = tuple(replace(one, p=p[arm, n]) for n, one in enumerate(known))
        verdict = _direction(equal, cells[chosen]) if arm != chosen else "reference"
        arms.append(Arm(arm, points, equal, peak, peak_holm, verdict))
    verdict, reason = _verdict(arms, noise)
    cautions = [*(Caution(note.code, note.text) for note in doses.notes), *_cautions(arms, noise, doses)]
    return Dose(doses.source, of or "dose", doses.design, chosen, tuple(arms), level, verdict, reason, tuple(cautions))


@dataclass(frozen=True)
class _Cell:
    """The runs of an arm at a dose."""

    dose: float
    runs: tuple[DoseRun, ...]

    @property
    def right(self) -> float:
        return sum(run.right for run in self.runs)

    @property
    def asked(self) -> float:
        return sum(run.asked for run in self.runs)

    @property
    def shrunk(self) -> float:
        """The share of right answers after half of one more, so that none is certain."""
        return (self.right + 0.5) / (self.asked + 1)


@dataclass(frozen=True)
class _Noise:
    """Noise of a run's accuracy, as a share of p (1 - p).

    Attributes:
        total: between runs of one arm and dose, mean over these; 0 where there is one run each.
        items: the part of it that single answers explain, for a run of mean length.
        within: how many times smaller than binomial that part is, because runs share their items.
        freedom: degrees of freedom of `total`.
    """

    total: float
    items: float
    within: float
    freedom: int

    def seeds(self, total: np.ndarray | float) -> np.ndarray:
        """The part that seeds explain."""
        return np.maximum(np.asarray(total) - self.items, 0.0)


def _cells(doses: Doses) -> dict[str, list[_Cell]]:
    found: dict[str, dict[float, list[DoseRun]]] = {}
    for run in doses.runs:
        found.setdefault(run.arm, {}).setdefault(run.dose, []).append(run)
    return {arm: [_Cell(x, tuple(runs)) for x, runs in sorted(own.items())] for arm, own in sorted(found.items())}


def _reference(cells: dict[str, list[_Cell]], name: str | None, source: str) -> str:
    if name is not None and name not in cells:
        raise UsageError(f"{source}: no arm is called {name!r}; they are {listed(list(cells))}")
    chosen = name or max(cells, key=lambda arm: len(cells[arm]))
    if len(cells[chosen]) < 2:
        raise NotIdentifiable(
            f"arm {chosen} has one dose, and a dose curve needs two or more\n  where: {source}\n"
            "  next: more doses of the reference arm, or another one: `reference=`"
        )
    return chosen


def _noise(cells: dict[str, list[_Cell]]) -> _Noise:
    """The variance between runs of the same arm and dose, and how much of it single answers explain."""
    squares, freedom, per_run, inner, spread = 0.0, 0, [], 0.0, 0.0
    for cell in (cell for own in cells.values() for cell in own):
        per_run += [1 / run.asked for run in cell.runs]
        scale, p, k = cell.shrunk * (1 - cell.shrunk), cell.right / cell.asked, len(cell.runs)
        if k < 2:
            continue
        squares += sum((run.right / run.asked - p) ** 2 for run in cell.runs) / scale
        freedom += k - 1
        shares = [run.share_I for run in cell.runs]
        if all(share is not None for share in shares):
            inner += float(np.var(np.stack(shares), axis=0, ddof=1).mean()) * (k - 1)  # pyright: ignore
            spread += scale * (k - 1)
    within = min(inner / spread, 1.0) if spread else 1.0
    return _Noise(squares / freedom if freedom else 0.0, within * float(np.mean(per_run)), max(within, 0.05), freedom)


def _drawn(cells: dict[str, list[_Cell]], noise: _Noise, draws: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Accuracies of every arm, (D, K): items drawn again, the same ones for all arms where known, and seeds."""
    total = noise.total * noise.freedom / rng.chisquare(noise.freedom, draws) if noise.freedom else np.zeros(draws)
    seeds = noise.seeds(total)
    every = [run for own in cells.values() for cell in own for run in cell.runs]
    paired = all(run.share_I is not None and len(run.share_I) == len(every[0].share_I) for run in every)  # pyright: ignore
    weights = None
    if paired:
        items = len(every[0].share_I) + 1  # pyright: ignore - one more, half right: no accuracy is certain
        weights = rng.multinomial(items, np.full(items, 1 / items), draws) / items
    drawn = {}
    for arm, own in cells.items():
        columns = []
        for cell in own:
            if weights is not None:
                share = np.stack([run.share_I for run in cell.runs]).mean(axis=0)  # pyright: ignore
                value = weights @ np.append(share, 0.5)
            else:
                value = rng.binomial(round(cell.asked), cell.shrunk, draws) / round(cell.asked)
            scale = np.sqrt(seeds * cell.shrunk * (1 - cell.shrunk) / len(cell.runs))
            columns.append(np.clip(value + scale * rng.standard_normal(draws), 0, 1))
        drawn[arm] = np.stack(columns, axis=1)
    return drawn


def _point(cell: _Cell, drawn: np.ndarray, level: float) -> DosePoint:
    value = cell.right / cell.asked
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return DosePoint(cell.dose, Interval(value, min(float(low), value), max(float(high), value)), len(cell.runs))


def isotonic(score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The curves that never fall with the least weighted squares: the largest of smallest means of all runs of doses.

    Args:
        score: (D, K) measured, a curve in each row; scipy has one curve at a time, which takes a hundred times as long.
        weights: (D, K), or (K,) for all.

    Source: Ayer et al. 1955, An empirical distribution function for sampling with incomplete information, Ann. Math.
    Statist. 26, 641-647.
    """
    K = score.shape[1]
    start = np.zeros((len(score), 1))
    weights = np.broadcast_to(weights, score.shape)
    total = np.concatenate([start, np.cumsum(weights * score, axis=1)], axis=1)
    count = np.concatenate([start, np.cumsum(weights, axis=1)], axis=1)
    curve = np.full(score.shape, -np.inf)
    for first in range(K):  # means from this dose on, and the smallest of those that reach a later one
        ends = (total[:, first + 1 :] - total[:, first, None]) / (count[:, first + 1 :] - count[:, first, None])
        least = np.minimum.accumulate(ends[:, ::-1], axis=1)[:, ::-1]
        curve[:, first:] = np.maximum(curve[:, first:], least)
    return curve


def equivalent(x: np.ndarray, score: np.ndarray, weights: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where isotonic curves reach scores, (D, M): the middle of where they do; -inf below, inf above the curve.

    Args:
        x: (K,) rising.
        score: (D, K) measured there.
        weights: (K,) how much each counts.
        wanted: (D, M) scores.
    """
    curve, k = isotonic(score, weights), len(x)
    first = (curve[:, None, :] < wanted[:, :, None] - 1e-12).sum(axis=2)
    last = (curve[:, None, :] <= wanted[:, :, None] + 1e-12).sum(axis=2)
    at = (x[np.minimum(first, k - 1)] + x[np.clip(last - 1, 0, k - 1)]) / 2
    inside = (first == last) & (first > 0) & (first < k)
    below, above = np.clip(first - 1, 0, k - 1), np.minimum(first, k - 1)
    low, high = np.take_along_axis(curve, below, 1), np.take_along_axis(curve, above, 1)
    between = x[below] + (wanted - low) / np.where(inside, high - low, 1.0) * (x[above] - x[below])
    missed = np.where(first == 0, -np.inf, np.inf)
    return np.where(first < last, at, np.where(inside, between, missed))


def _worth(
    cells: dict[str, list[_Cell]], drawn: dict[str, np.ndarray], reference: str, arm: str, level: float
) -> list[Equivalent]:
    base, own = cells[reference], cells[arm]
    x, weights = np.log([cell.dose for cell in base]), np.array([cell.asked for cell in base])
    target = np.log([cell.dose for cell in own])
    score = np.array([cell.right / cell.asked for cell in base])
    measured = np.array([cell.right / cell.asked for cell in own])
    value = equivalent(x, score[None], weights, measured[None])[0] - target
    many = equivalent(x, drawn[reference], weights, drawn[arm])  # (D, K), ln dose
    found = []
    for n, cell in enumerate(own):
        logs = many[:, n] - target[n]
        low = float(np.quantile(logs, (1 - level) / 2, method="lower"))
        high = float(np.quantile(logs, (1 + level) / 2, method="higher"))
        if math.isfinite(value[n]):
            low, high = min(low, value[n]), max(high, value[n])
        ends = [x[0] - target[n], x[-1] - target[n]]
        low = ends[1] if low == math.inf else low  # draws beyond the last dose: worth at least that
        high = ends[0] if high == -math.inf else high
        less = np.mean(np.where(np.isneginf(logs), ends[0] <= 0, logs <= 0) & ~(np.isposinf(logs)))
        more = np.mean(np.where(np.isposinf(logs), ends[1] >= 0, logs >= 0) & ~(np.isneginf(logs)))
        p = min(1.0, 2 * (1 - max(less, more)) + 2 / (len(logs) + 1))
        ratio = Interval(*(math.exp(z) if math.isfinite(z) else math.nan for z in (value[n], low, high)))
        side = "above" if value[n] == math.inf else "below" if value[n] == -math.inf else ""
        found.append(Equivalent(cell.dose, ratio, side, float(np.mean(~np.isfinite(logs))), p))
    return found


def _peak(own: Sequence[_Cell], noise: _Noise, draws: int, rng: np.random.Generator) -> float:
    """The p-value of a curve that never falls with the dose, against a free one.

    A likelihood ratio on counts whose variance is that of single answers and of seeds; its distribution is that of data
    drawn from a flat curve, which among those that never fall is hardest to tell from a peak, with the noise estimated
    again: a rising curve is called a peak less often than p says.

    Source: Robertson, Wright and Dykstra 1988, Order Restricted Statistical Inference, chapter 2.
    """
    if len(own) < _LEAST_PEAK:
        return math.nan
    score = np.array([cell.right / cell.asked for cell in own])
    answers, runs = np.array([cell.asked for cell in own]), np.array([len(cell.runs) for cell in own])
    shrunk = np.array([cell.shrunk for cell in own])
    variance = noise.within / answers + noise.seeds(noise.total) / runs
    measured = float(_falls(score[None], shrunk[None], variance)[0])
    if measured <= 1e-12:
        return 1.0
    total = noise.total * (rng.chisquare(noise.freedom, draws) / noise.freedom if noise.freedom else np.zeros(draws))
    seeds, again = float(noise.seeds(noise.total)), noise.seeds(total)
    at = np.full(len(own), (answers @ shrunk) / answers.sum())
    counts = np.maximum(np.rint(answers / noise.within), 1).astype(int)
    p = np.clip(at + np.sqrt(seeds * at * (1 - at) / runs) * rng.standard_normal((draws, len(own))), 0, 1)
    right = rng.binomial(counts, p)
    variance = noise.within / answers + again[:, None] / runs
    many = _falls(right / counts, (right + 0.5) / (counts + 1), variance)
    return (1 + int((many >= measured - 1e-12).sum())) / (1 + draws)


def _falls(score: np.ndarray, shrunk: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """How far the nearest curves that never fall are from the scores (D, K), in their variances."""
    weights = 1 / (variance * shrunk * (1 - shrunk))
    return (weights * (score - isotonic(score, weights)) ** 2).sum(axis=1)


def _direction(known: Sequence[Equivalent], base: Sequence[_Cell]) -> str:
    """Whether an arm's doses are worth more or less than their own number of the reference."""
    signs = {_sign(one, base) for one in known if one.p < _ALPHA} - {0}
    if len(signs) > 1:
        return "worth more at some doses and less at others"
    return CANNOT_TELL if not signs else "worth more" if 1 in signs else "worth less"


def _sign(one: Equivalent, base: Sequence[_Cell]) -> int:
    value, low, high = one.ratio.value, one.ratio.low, one.ratio.high
    if math.isfinite(value):
        return 1 if value > 1 else -1
    return 1 if low >= 1 else -1 if high <= 1 else 0


def _verdict(arms: Sequence[Arm], noise: _Noise) -> tuple[str, str]:
    others = arms[1:]
    if not noise.freedom:
        return CANNOT_TELL, "there is one run for each arm and dose, so that the noise between seeds is not known"
    peaks = [arm.arm for arm in arms if arm.peak_p_holm < _ALPHA]
    known = [arm for arm in others if arm.verdict != CANNOT_TELL]
    if not known and not peaks:
        return (
            CANNOT_TELL,
            f"no dose of {listed([a.arm for a in others]) or 'another arm'} is shown to be worth more or less",
        )
    said = [f"{arm.arm} is {arm.verdict}" for arm in known] + [f"{name} peaks" for name in peaks]
    words = f"worth is against the same dose of {arms[0].arm}; Holm's correction is over arms and doses"
    return "; ".join(said), words


def _cautions(arms: Sequence[Arm], noise: _Noise, doses: Doses) -> list[Caution]:
    found = []
    if not noise.freedom:
        text = "one run for each arm and dose: intervals and p hold the noise of items alone, and are too narrow"
        found.append(Caution("one-seed", text))
    elif noise.freedom < 4:
        found.append(Caution("few-seeds", f"the noise between seeds has {noise.freedom} degrees of freedom: add seeds"))
    outside = [f"{arm.arm} at {e.dose:g}" for arm in arms for e in arm.equivalent if not math.isfinite(e.ratio.value)]
    if outside:
        text = f"{listed(outside, 6)}: outside of the accuracies of {arms[0].arm}, so a bound and no number"
        found.append(Caution("out-of-range", text))
    if doses.design in ("equal steps", "equal passes"):
        other = "passes" if doses.design == "equal steps" else "steps"
        text = f"{doses.design}: {other} vary with the dose, so that dose and repetition are not told apart"
        found.append(Caution("design", f"{text}; cross both designs for that"))
    return found
