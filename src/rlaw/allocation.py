"""Which size a budget should be spent on, for how many steps, and how sure that is.

    rlaw.allocate(frame, compute=1e20)
    rlaw.allocate(frame, gpu_hours=500, gpu="H100", mfu=0.3)

The loss of every measured size at the budget is read off the pooled ladder that `rlaw.forecast` uses; all sizes are
drawn together, so that what they share does not blur which of them is best. Only sizes in the data are choices.

Axes: R sizes, S draws, M budgets.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rlaw import units
from rlaw.budget import DEFAULT_MFU, DEFAULT_USD_PER_GPU_HOUR, Budget, budget
from rlaw.curves import Curves
from rlaw.diagnostics import Caution
from rlaw.errors import UsageError
from rlaw.forecasters import NO_LAW, Ladder, ladder
from rlaw.frame import AXES
from rlaw.intervals import Interval, percentile
from rlaw.screening import sound
from rlaw.selection import Window, curves_of, window_text

if TYPE_CHECKING:
    from rlaw.frame import Frame

_DOUBLINGS = np.arange(0, 10.01, 0.25)  # budgets looked at, doublings of the one given
_ONE = int(np.searchsorted(_DOUBLINGS, 1.0))
_CROSSING_POINTS = 60
_BEYOND = 10.0  # crossovers are looked for up to this many times the compute that was run
_FAR = 2.0


@dataclass(frozen=True, slots=True)
class Choice:
    """One size at the budget.

    Attributes:
        model: its name.
        params: its size.
        steps: RL steps that the budget pays for.
        data: prompts that these steps consume; None when the data do not tell.
        compute_flops: compute of these steps, as the data count it; None when the data do not tell.
        loss: true loss at the end, without the noise of an evaluation.
        doubling: change of the loss when the budget is doubled.
        probability_best: share of draws in which no other size has a lower loss.
        axis_factor: how many times farther than this size was run.
    """

    model: str
    params: float
    steps: float
    data: float | None
    compute_flops: float | None
    loss: Interval
    doubling: Interval
    probability_best: float
    axis_factor: float

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        told = {name: getattr(self, name) for name in self.__slots__}
        return told | {"loss": self.loss.to_json(), "doubling": self.doubling.to_json()}


@dataclass(frozen=True, slots=True)
class Crossover:
    """The compute from which the larger of two neighbouring sizes has the lower loss for good.

    Attributes:
        smaller: name of the smaller size.
        larger: name of the larger size.
        compute_flops: nan, or an infinite end, where it is not within reach.
        told: what was found, in words.
    """

    smaller: str
    larger: str
    compute_flops: Interval
    told: str

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        compute = self.compute_flops.to_json()
        return {"smaller": self.smaller, "larger": self.larger, "compute_flops": compute, "text": self.told}


@dataclass(frozen=True)
class Allocation:
    """A budget spent well.

    Attributes:
        budget: what may be spent.
        choices: every size at the budget, smallest first.
        best: name of the size with the lowest expected loss.
        doubling: change of the lowest loss when the budget is doubled and the size chosen anew.
        crossovers: between neighbouring sizes; empty when the data do not tell compute.
        target_loss: what was asked for, or None.
        doublings_needed: of the budget, until the expected best size has that loss; infinite beyond ten.
        accounting: how compute is counted.
        warnings: every reason for doubt.
        settings: window, draws, level and seed, as used.
        source: what the frame was read from.
        digest: of the frame's rows.
    """

    budget: Budget
    choices: tuple[Choice, ...]
    best: str
    doubling: Interval
    crossovers: tuple[Crossover, ...]
    target_loss: float | None
    doublings_needed: Interval | None
    accounting: str
    warnings: tuple[Caution, ...]
    settings: dict[str, Any]
    source: str
    digest: str

    @property
    def identified(self) -> bool:
        """False when the ladder tells no law of the size, so that every size stands on its own curve."""
        return not any(w.code in NO_LAW for w in self.warnings)

    def choice(self, model: str) -> Choice:
        """What is told of one size, by its name."""
        return next(c for c in self.choices if c.model == model)

    def to_json(self) -> dict[str, Any]:
        """The document of `rlaw allocate --json`, schema 1."""
        needed = self.doublings_needed
        return {
            "schema": 1,
            "budget": self.budget.to_json(),
            "accounting": self.accounting,
            "choices": [c.to_json() for c in self.choices],
            "best": self.best,
            "doubling": self.doubling.to_json(),
            "crossovers": [c.to_json() for c in self.crossovers],
            "target_loss": self.target_loss,
            "doublings_needed": None if needed is None else needed.to_json(),
            "identified": self.identified,
            **self.settings,
            "source": self.source,
            "digest": self.digest,
            "warnings": [w.to_json() for w in self.warnings],
        }

    def __str__(self) -> str:
        return _told(self)


def allocate(
    frame: "Frame",
    *,
    compute: float | str | None = None,
    gpu_hours: float | str | None = None,
    usd: float | str | None = None,
    data: float | str | None = None,
    gpu: str | None = None,
    mfu: float = DEFAULT_MFU,
    usd_per_gpu_hour: float = DEFAULT_USD_PER_GPU_HOUR,
    target_loss: float | None = None,
    window: Window = "1:",
    draws: int = 1000,
    level: float = 0.9,
    seed: int = 0,
) -> Allocation:
    """Choose a size for a budget.

    Args:
        frame: the measurements; one variant, benchmark, tau and group size.
        compute, gpu_hours, usd, data: one of them, as in `rlaw.budget.budget`.
        gpu, mfu, usd_per_gpu_hour: how hours and money become FLOPs.
        target_loss: a loss to reach: how many doublings of the budget it takes.
        window: steps of the fit, as in `rlaw.fit`.
        draws: how many futures to draw.
        level: of the intervals.
        seed: of the random numbers.

    Raises:
        UsageError: none or several budgets, or a target outside (0, 1).
        NotIdentifiable: no size has a curve.
    """
    spent = budget(
        compute=compute, gpu_hours=gpu_hours, usd=usd, data=data, gpu=gpu, mfu=mfu, usd_per_gpu_hour=usd_per_gpu_hour
    )
    if target_loss is not None and not 0 < target_loss < 1:
        raise UsageError(f"target loss {target_loss}: a loss between 0 and 1")
    if draws < 20 or not 0 < level < 1:
        raise UsageError(f"draws = {draws} and level = {level}: at least 20 draws and a level between 0 and 1")
    screened = sound(*curves_of(frame, axis=spent.axis, window=window))
    curves = screened.curves
    sizes = ladder(curves)
    x = spent.amount * 2**_DOUBLINGS
    loss = np.stack([sizes.draw(r, x, draws, seed).true for r in range(len(curves.models))], axis=1)
    chosen = loss.mean(axis=0).argmin(axis=0)
    followed = np.take_along_axis(loss, chosen[None, None], axis=1)[:, 0]
    choices = _choices(frame, curves, spent, loss, level)
    crossovers = _crossovers(frame, spent, curves, sizes, window, draws=draws, level=level, seed=seed)
    cautions = (*screened.cautions, *([sizes.caution] if sizes.caution else []), *_doubts(frame, spent, choices))
    return Allocation(
        budget=spent,
        choices=choices,
        best=curves.models[chosen[0]],
        doubling=_change(followed[:, _ONE] - followed[:, 0], level),
        crossovers=crossovers,
        target_loss=target_loss,
        doublings_needed=None if target_loss is None else _needed(followed, target_loss, level),
        accounting=frame.accounting,
        warnings=cautions,
        settings={"window": window_text(window), "draws": draws, "level": level, "seed": seed},
        source=frame.source,
        digest=frame.digest,
    )


def _choices(frame: "Frame", curves: Curves, spent: Budget, loss: np.ndarray, level: float) -> tuple[Choice, ...]:
    """Every size at the budget; `loss` is (S, R, M)."""
    now = loss[:, :, 0]
    best = now == now.min(axis=1, keepdims=True)
    share = (best / best.sum(axis=1, keepdims=True)).mean(axis=0)
    told = []
    for r, model in enumerate(curves.models):
        x, step = curves.at.x[0, r, curves.present[r]], curves.step[r, curves.present[r]]
        steps = _along(x, step, spent.amount)
        found = {axis: _at_step(frame, model, column, steps) for axis, column in AXES.items() if axis != "step"}
        found[spent.axis] = spent.amount
        told.append(
            Choice(
                model=model,
                params=float(curves.params[r]),
                steps=steps,
                data=found["data"],
                compute_flops=found["compute"],
                loss=percentile(float(np.median(now[:, r])), now[:, r], level),
                doubling=_change(loss[:, r, _ONE] - now[:, r], level),
                probability_best=float(share[r]),
                axis_factor=float(max(spent.amount / x.max(), 1.0)),
            )
        )
    return tuple(told)


def _along(x: np.ndarray, y: np.ndarray, at: float) -> float:
    """y at x = `at`: between the measured points by straight lines from (0, 0), past them at the mean rate."""
    order = np.argsort(x, kind="stable")
    x, y = np.concatenate([[0.0], x[order]]), np.concatenate([[0.0], y[order]])
    return float(np.interp(at, x, y) if at <= x[-1] else at * y[-1] / x[-1])


def _at_step(frame: "Frame", model: str, column: str, steps: float) -> float | None:
    """What a size has used of a column after so many steps; None when the data do not tell."""
    own = (frame.rows["model"] == model) & (frame.rows["step"] > 0)
    rows = frame.rows.filter(own).select("step", column).drop_nulls()
    if rows.is_empty():
        return None
    rows = rows.group_by("step").mean().sort("step")
    return _along(rows["step"].to_numpy().astype(float), rows[column].to_numpy().astype(float), steps)


def _crossovers(
    frame: "Frame", spent: Budget, curves: Curves, sizes: Ladder, window: Window, *, draws: int, level: float, seed: int
) -> tuple[Crossover, ...]:
    """Where each size is overtaken by the next larger one, over compute."""
    if spent.axis != "compute":
        if frame.rows["compute_flops"].null_count() == len(frame):
            return ()
        curves = sound(*curves_of(frame, axis="compute", window=window)).curves
        sizes = ladder(curves)
    told = []
    for r in range(len(curves.models) - 1):
        pair = [curves.at.x[0, i, curves.present[i]] for i in (r, r + 1)]
        first, last = max(p.min() for p in pair), max(p.max() for p in pair) * _BEYOND
        x = np.exp(np.linspace(np.log(first), np.log(last), _CROSSING_POINTS))
        smaller, larger = (sizes.draw(i, x, draws, seed).true for i in (r, r + 1))
        interval, text = _overtakes(x, larger - smaller, level)
        told.append(Crossover(curves.models[r], curves.models[r + 1], interval, text))
    return tuple(told)


def _overtakes(x: np.ndarray, ahead: np.ndarray, level: float) -> tuple[Interval, str]:
    """The place from which (S, M) `ahead` stays negative; 0 where it always is, infinite where it never is."""
    behind = ahead >= 0
    last = np.where(behind.any(axis=1), behind.shape[1] - 1 - behind[:, ::-1].argmax(axis=1), -1)
    after = np.minimum(last + 1, len(x) - 1)
    rows = np.arange(len(ahead))
    before, then = ahead[rows, np.maximum(last, 0)], ahead[rows, after]
    share = np.where(before > then, before / np.where(before > then, before - then, 1.0), 0.0)
    at = np.exp(np.log(x)[np.maximum(last, 0)] * (1 - share) + np.log(x)[after] * share)
    place = np.where(last < 0, -np.inf, np.where(last == len(x) - 1, np.inf, at))
    interval = percentile(float(np.quantile(place, 0.5, method="nearest")), place, level)
    if interval.value == -np.inf:
        return interval, f"the larger size is ahead from the first compute both reached, {units.flops(x[0])}"
    if interval.value == np.inf:
        return interval, f"the larger size does not overtake within {units.flops(x[-1])}"
    return interval, "the larger size is ahead from here on"


def _needed(followed: np.ndarray, target: float, level: float) -> Interval:
    """Doublings of the budget until (S, M) losses are at or below the target."""
    reached = followed <= target
    place = np.where(reached.any(axis=1), _DOUBLINGS[reached.argmax(axis=1)], np.inf)
    return percentile(float(np.quantile(place, 0.5, method="nearest")), place, level)


def _change(draws: np.ndarray, level: float) -> Interval:
    return percentile(float(np.median(draws)), draws, level)


def _doubts(frame: "Frame", spent: Budget, choices: tuple[Choice, ...]) -> list[Caution]:
    told = []
    far = [f"{c.model} ({c.axis_factor:.3g} times)" for c in choices if c.axis_factor > _FAR]
    if far:
        told.append(Caution("beyond-axis", f"the budget goes far beyond what was run: {', '.join(far)}"))
    if "gpu" in spent.given:
        text = (
            f"hours became FLOPs at {spent.given['mfu']:.0%} of the peak, and the data count compute "
            f"{frame.accounting}: set --mfu to what your own runs measure, counted FLOPs over peak times time"
        )
        told.append(Caution("assumed-mfu", text))
    return told


def _told(a: Allocation) -> str:
    """The allocation as text."""
    level = a.settings["level"]
    lines = [f"{a.budget}; compute is counted {a.accounting}", ""]
    rows = [["size", "steps", "prompts", "compute", f"loss [{level:.0%}]", "when doubled", "best in", "beyond data"]]
    for c in a.choices:
        data = "" if c.data is None else f"{c.data:,.0f}"
        compute = "" if c.compute_flops is None else f"{c.compute_flops:.3g}"
        loss = f"{c.loss.value:.4f} [{c.loss.low:.4f}, {c.loss.high:.4f}]"
        beyond = f"{c.axis_factor:.3g} times" if c.axis_factor > 1 else ""
        change, share = f"{c.doubling.value:+.4f}", f"{c.probability_best:.0%}"
        rows.append([c.model, f"{c.steps:,.4g}", data, compute, loss, change, share, beyond])
    widths = [max(len(row[j]) for row in rows) for j in range(len(rows[0]))]
    lines += ["  ".join(cell.ljust(n) for cell, n in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += ["", f"best: {a.best}; doubling the budget changes the lowest loss by {a.doubling}"]
    if a.doublings_needed is not None:
        lines.append(f"doublings of the budget to reach a loss of {a.target_loss:g}: {_open(a.doublings_needed)}")
    for c in a.crossovers:
        lines.append(f"{c.larger} overtakes {c.smaller}: {_open(c.compute_flops)} ({c.told})")
    if not a.identified:
        lines.append("NOT IDENTIFIED: the ladder tells no law of the size; every size stands on its own curve")
    return "\n".join([*lines, *(f"caution ({w.code}): {w.text}" for w in a.warnings)])


def _open(value: Interval) -> str:
    """An interval whose ends may lie out of reach."""

    def tell(v: float) -> str:
        return f"{v:.3g}" if np.isfinite(v) else ("beyond reach" if v > 0 else "before the data")

    return f"{tell(value.value)} [{tell(value.low)}, {tell(value.high)}]"
