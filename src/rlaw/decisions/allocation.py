"""Which size a budget should be spent on, for how many steps, and how sure that is.

    rlaw.allocate(frame, compute=1e20)
    rlaw.allocate(frame, wall="24 h", gpu="H100", gpus=8, mfu=0.3)
    rlaw.allocate(reuse, unique_data=5_000)     # how often to pass over the data

The loss of every measured size at the budget is read off the pooled ladder that `rlaw.forecast` uses; all sizes are
drawn together, so that what they share does not blur which of them is best. Only sizes in the data are choices, and
under a budget of unique data the reuse factors tau in the data.

Axes: R choices, S draws, M budgets.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rlaw import units
from rlaw.decisions.budget import Budget, budget
from rlaw.decisions.choice import (
    DOUBLINGS,
    ONE,
    Choice,
    Spending,
    amount_at,
    choices_of,
    first_step,
    started,
    steps_at,
)  # fmt: skip
from rlaw.decisions.costs import SizeCost, counted_factor, size_costs
from rlaw.decisions.doubt import widened
from rlaw.decisions.frontier import Crossover, Frontier, IsoCompute, IsoLoss, frontier
from rlaw.errors import BudgetExceeded, NotIdentifiable, UsageError
from rlaw.fitting.curves import Curves
from rlaw.fitting.diagnostics import Caution, cautions_of_frame
from rlaw.fitting.efficiency import physical
from rlaw.fitting.interval import Interval, median, percentile, plain
from rlaw.fitting.screening import drop_broken
from rlaw.fitting.selection import Window, curves_of
from rlaw.forecasting.bends import PRIOR
from rlaw.forecasting.calibration import bends_by_cut
from rlaw.forecasting.doublings import Doublings, doublings_to, floor_draws
from rlaw.forecasting.predictors import PooledLadder, pooled_ladder
from rlaw.forecasting.result import Prediction, origin_of, resolved
from rlaw.forecasting.target import check_far
from rlaw.study.gpu_cost import MOST_GPUS, Rates, accounting_note
from rlaw.study.gpus import DEFAULT_MFU
from rlaw.text import table

if TYPE_CHECKING:
    from rlaw.fitting.fit import Fit
    from rlaw.measurements.frame import Frame

_FAR = 2.0


@dataclass(frozen=True, kw_only=True, repr=False)
class Allocation(Prediction):
    """A budget spent well.

    Attributes:
        budget: what may be spent.
        choices: every size at the budget, smallest first; under a budget of unique data, each with every tau.
        best: name of the size with the lowest expected loss.
        best_tau: its reuse factor.
        doubling: change of the lowest loss when the budget is doubled and the size chosen anew: what more is worth.
        crossovers: where each size is overtaken by the next larger one, over compute; empty, like the next two, when
            the data have no compute.
        iso_compute: every size at some computes.
        iso_loss: what some losses cost at every size.
        target_loss: the loss to reach, or None.
        doublings_needed: of the budget, until the expected best size has that loss; infinite beyond ten.
        accounting: how compute is counted.
        accounting_note: why that is not what GPUs take their time for.
        rates: the GPUs, prices and share of the peak by which `on_gpus` of the choices follows.
        doublings: what the target loss costs from here; None without one, and for unique data.
    """

    budget: Budget
    choices: tuple[Choice, ...]
    best: str
    best_tau: float
    doubling: Interval
    crossovers: tuple[Crossover, ...]
    iso_compute: tuple[IsoCompute, ...]
    iso_loss: tuple[IsoLoss, ...]
    target_loss: float | None
    doublings_needed: Interval | None
    accounting: str
    accounting_note: str
    rates: Rates
    doublings: Doublings | None = None

    def choice(self, model: str, tau: float | None = None) -> Choice:
        """One size, by its name; with its best reuse factor where it has several."""
        own = [c for c in self.choices if c.model == model and tau in (None, c.tau)]
        return min(own, key=lambda c: c.loss.value)

    def to_json(self) -> dict[str, Any]:
        """The document of `rlaw allocate --json`, schema 1."""
        names = ("budget", "accounting", "choices", "best", "best_tau", "doubling", "crossovers", "iso_compute")
        names += ("iso_loss", "target_loss", "doublings_needed", "doublings", "accounting_note")
        parts = {name: plain(getattr(self, name)) for name in names}
        return {"schema": 1, **parts, "assumed": self.rates.to_json(), **self.common_json()}

    def documents(self) -> list[dict[str, Any]]:
        """A row for each choice."""
        return plain(self.choices)

    def __str__(self) -> str:
        level = f"[{self.settings['level']:.0%}]"
        best = f"{self.best} with tau {self.best_tau:g}" if self.budget.reused else self.best
        lines = [
            f"{self.budget}; compute is counted {self.accounting}",
            "",
            self._choices_table(level),
            "",
            *self._costs_table(),
            "",
            f"best: {best}; doubling the budget changes the lowest loss by {self.doubling}",
        ]
        if self.doublings_needed is not None:
            needed = _place(self.doublings_needed)
            lines.append(f"doublings of the budget to reach a loss of {self.target_loss:g}: {needed}")
        if self.doublings is not None:
            lines += self.doublings.lines()
        lines += [f"{c.larger} overtakes {c.smaller}: {_place(c.compute_flops)} ({c.text})" for c in self.crossovers]
        if self.iso_compute:
            rows = [
                [units.flops(i.compute_flops), i.best, f"{i.probability_best:.0%}", i.losses[i.best].text(_loss)]
                for i in self.iso_compute
            ]
            lines += ["", table(["at compute", "best size", "P(best)", f"its loss {level}"], rows)]
        if self.iso_loss:
            rows = [
                [f"{i.loss:.3f}", i.cheapest, _place(i.compute_flops[i.cheapest])]
                if i.cheapest
                else [f"{i.loss:.3f}", "none within reach", ""]
                for i in self.iso_loss
            ]
            lines += ["", table(["for a loss of", "cheapest size", f"its compute, FLOPs {level}"], rows)]
        return "\n".join([*lines, *self.warning_lines()])

    def _choices_table(self, level: str) -> str:
        rows = [
            {
                "size": c.model,
                "tau": f"{c.tau:g}",
                "steps": f"{c.steps:,.4g}",
                "prompts": "" if c.data is None else f"{c.data:,.0f}",
                "compute": "" if c.compute_flops is None else f"{c.compute_flops:.3g}",
                f"loss {level}": c.loss.text(_loss),
                "when doubled": f"{c.doubling.value:+.4f}",
                "P(best)": f"{c.probability_best:.0%}",
                "extrapolated": f"{c.axis_factor:.3g}×" if c.axis_factor > 1 else "",
            }
            for c in self.choices
        ]
        return table(list(rows[0]), [list(row.values()) for row in rows])

    def _costs_table(self) -> list[str]:
        """What the steps cost on one type of GPU, and why."""
        gpu = next(iter(self.rates.usd_per_gpu_hour))
        rows = []
        for c in self.choices:
            cost = c.on_gpus[gpu]
            rows.append((
                c.model, f"{c.steps:,.4g}", "" if c.executed_flops is None else units.flops(c.executed_flops),
                "" if cost.gpu_hours is None else f"{cost.gpu_hours:,.4g}",
                "" if cost.usd is None else f"${cost.usd:,.0f}", cost.gpus, cost.min_gpus or f"> {MOST_GPUS:,}",
                f"{cost.memory.peak / 1e9:.0f} GB" + ("" if cost.fits else " !"),
            ))  # fmt: skip
        headings = ("size", ">steps", ">executed", f">{gpu}-h", ">money", ">GPUs", ">fewest", ">memory")
        price = self.rates.usd_per_gpu_hour[gpu]
        assumed = f"{self.accounting_note}; assumed: {self.rates.mfu:.0%} of the peak, ${price:g} an hour of {gpu}"
        return [table(headings, rows), assumed]


def allocate(
    measured: "Frame | Fit | Any",
    /,
    *,
    target_loss: float | None = None,
    window: Window = None,
    draws: int = 1000,
    level: float | None = None,
    seed: int = 0,
    far: bool = False,
    efficiency_doubling: float | str | None = None,
    **spend: Any,
) -> Allocation:
    """Choose a size for a budget, or how often to pass over the data.

    Args:
        measured: the measurements (a frame, what `rlaw.load` reads, polars or pandas) or a fit to them: one variant,
            benchmark and group size, and one tau unless the budget is unique data.
        target_loss: a loss to reach: how many doublings of the budget it takes, and what that means.
        window: steps of the fit, as in `rlaw.fit`.
        draws: how many futures to draw.
        level: of the intervals.
        seed: of the random numbers.
        far: allow a budget more than 100 times outside the data.
        efficiency_doubling: time in which efficiency is assumed to double, such as "12 months": years to the target.
        **spend: the budget and how it becomes FLOPs, as in `rlaw.decisions.budget.budget`: one of compute, gpu_hours,
            usd, wall, data and unique_data, with gpu, gpus, mfu, usd_per_gpu_hour and tokens_per_second.

    Raises:
        UsageError: none or several budgets, a target outside (0, 1), or a budget far outside the data without `far`.
        BudgetExceeded: a budget that no size can begin with; the message names the cheapest start.
        NotIdentifiable: no size has a curve; a budget of unique data without several tau.
    """
    frame, _, window, level = resolved(measured, None, window, level)
    counted = {"flops_per_param_token": counted_factor(frame), "executed_factor": frame.executed_factor}
    spent = budget(**{**counted, **spend})
    if target_loss is not None and not 0 < target_loss < 1:
        raise UsageError(f"target loss {target_loss}: a loss between 0 and 1")
    if efficiency_doubling is not None and target_loss is None:
        raise UsageError("years to a loss need the loss\n  next: `target_loss=L`")
    how: dict[str, Any] = {"draws": draws, "level": level, "seed": seed}
    frame = frame.one_law(every_tau=spent.reused)
    origin = origin_of(frame, window=window, **how)
    arms, taus = _by_reuse(frame) if spent.reused else (frame, {})
    screened = drop_broken(*curves_of(arms, axis=spent.axis, window=window))
    curves = screened.curves
    sizes = pooled_ladder(curves, law=not spent.reused)
    tau = np.array([taus.get(m, ("", _tau(frame)))[1] for m in curves.models])
    costs = size_costs(frame, [taus.get(m, (m, 0))[0] for m in curves.models], curves.params)
    steps, amounts = _bought(spent, curves, costs, tau)
    x = amounts[:, None] * 2**DOUBLINGS
    begun = started(arms, curves, x)
    can = np.flatnonzero(begun[:, 0])
    small, write = _too_small(arms, curves, amounts, can), _write(spent)
    rates = _rates(**spend)
    if len(can) == 0:
        cheapest = _cheapest_start(arms, curves, spent, Spending(tau, steps, costs, rates))
        raise BudgetExceeded(
            f"{spent}: no size can begin with it\n  where: {small[0].text}\n  next: a larger budget: the cheapest "
            f"start is {cheapest}"
        )
    if not far:
        check_far("the budget", spent.amount, curves.at.x[0][curves.present], write)
    loss, doubtful = _futures(sizes, curves, x, draws, seed)
    chosen = np.where(begun, loss.mean(axis=0), np.inf).argmin(axis=0)
    followed = np.take_along_axis(loss, chosen[None, None], axis=1)[:, 0]
    own = Spending(tau, steps, costs, rates).pick(can)
    choices = tuple(
        replace(c, model=taus.get(c.model, (c.model, 0))[0])
        for c in choices_of(arms, curves.pick(can), spent, own, x[can], loss[:, can], doubtful[:, can], level)
    )
    best = choices[int(np.searchsorted(can, chosen[0]))]
    losses = () if target_loss is None else (target_loss,)
    no_law = [] if sizes.caution is None else [sizes.caution]
    over = _frontier(frame, window, spent, (curves, sizes), losses=losses, **how)
    return Allocation(
        budget=spent,
        choices=choices,
        best=best.model,
        best_tau=best.tau,
        doubling=median(followed[:, ONE] - followed[:, 0], level),
        crossovers=over.crossovers,
        iso_compute=over.iso_compute,
        iso_loss=over.iso_loss,
        target_loss=target_loss,
        doublings_needed=None if target_loss is None else _needed(followed, target_loss, level),
        accounting=frame.accounting,
        accounting_note=accounting_note(frame.accounting, frame.executed_factor),
        rates=rates,
        doublings=None
        if target_loss is None or spent.reused
        else _doublings(frame, spent, best, followed, target_loss, window, efficiency_doubling, level, seed),
        warnings=(
            *cautions_of_frame(frame, logs=True),
            *screened.cautions,
            *no_law,
            *small,
            *_doubts(frame, spent, choices),
        ),
        **origin,
    )


def _futures(
    sizes: PooledLadder, curves: Curves, x: np.ndarray, draws: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """(draws, R, doublings) true losses where each size's budgets end, and (draws, R) those at the budget itself with
    what is not known of slopes past a size's last point and of the problems drawn."""
    ends = np.array([curves.at.x[0, r, curves.present[r]].max() for r in range(len(x))])
    drawn = np.stack([sizes.true(r, np.append(x[r], ends[r]), draws, seed) for r in range(len(x))], axis=1)
    loss, beyond = drawn[:, :, :-1], np.log(x[:, 0] / ends)
    bends = bends_by_cut(curves, float(beyond.max())) if beyond.max() > 0 else PRIOR
    return loss, widened(loss[:, :, 0], drawn[:, :, -1], beyond, bends, sizes.answers, seed)


def _too_small(frame: "Frame", curves: Curves, amounts: np.ndarray, can: np.ndarray) -> list[Caution]:
    """The sizes for which the budget does not reach one step, or their first evaluation."""
    rest = [(r, curves.models[r]) for r in range(len(amounts)) if r not in can]
    small = [f"{m} ({steps_at(curves, r, float(amounts[r])):.2g} of {first_step(frame, m):g} steps)" for r, m in rest]
    text = f"the budget ends before the first step or evaluation, so that these are no choice: {', '.join(small)}"
    return [Caution("cannot-begin", text)] if small else []


def _bought(
    spent: Budget, curves: Curves, costs: tuple[SizeCost, ...], tau: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(R,) steps that the budget pays for, and the amounts on its axis that these take.

    GPU time is divided by what a size's own steps execute, where its study is known; else all sizes have one amount.
    """
    amounts = spent.amount * (tau if spent.reused else np.ones(len(tau)))
    steps = np.array([steps_at(curves, r, float(amount)) for r, amount in enumerate(amounts)])
    if (executed := spent.given.get("executed_flops")) is not None:
        for r, cost in enumerate(costs):
            if (within := cost.steps_within(executed)) is not None:
                steps[r], amounts[r] = within, amount_at(curves, r, within)
    return steps, amounts


def _rates(
    *, gpu: str | None = None, mfu: float = DEFAULT_MFU, usd_per_gpu_hour: float | None = None, **_: Any
) -> Rates:
    """The types of GPU that costs are given for: the one of the budget, else all."""
    names = [] if gpu is None else [gpu]
    return Rates.of(names, {} if gpu is None or usd_per_gpu_hour is None else {gpu.upper(): usd_per_gpu_hour}, mfu)


def _write(spent: Budget) -> Any:
    return units.flops if spent.axis == "compute" else "{:,.0f} prompts".format


def _cheapest_start(frame: "Frame", curves: Curves, spent: Budget, spending: Spending) -> str:
    """The size whose first evaluation after a step takes the least of the budget's axis, and what that costs."""
    first = [first_step(frame, model) for model in curves.models]
    amounts = [amount_at(curves, r, steps) / spending.tau[r] ** spent.reused for r, steps in enumerate(first)]
    r = int(np.argmin(amounts))
    text = f"{curves.models[r]}: {first[r]:g} {'step' if first[r] == 1 else 'steps'}, {_write(spent)(amounts[r])}"
    executed = spending.costs[r].executed_flops(first[r], amounts[r] if spent.axis == "compute" else None)
    gpu = next(iter(spending.rates.usd_per_gpu_hour))
    cost = spending.rates.costs(spending.costs[r].place, executed)[gpu]
    return text if cost.gpu_hours is None else f"{text}, {cost.gpu_hours:.3g} {gpu} hours, ${cost.usd:,.2f}"


def _tau(frame: "Frame") -> float:
    """The one reuse factor of a frame; 1 where it has none or several."""
    taus = frame.rows["tau"].drop_nulls().unique().to_list()
    return float(taus[0]) if len(taus) == 1 else 1.0


def _by_reuse(frame: "Frame") -> tuple["Frame", dict[str, tuple[str, float]]]:
    """Every size with every tau as a curve of its own, and which size and tau its name stands for.

    Raises:
        NotIdentifiable: the data have one tau, which shows nothing of reuse.
    """
    import polars as pl

    rows = frame.rows
    if rows["tau"].drop_nulls().n_unique() < 2:
        raise NotIdentifiable(
            f"{frame.source} has no two reuse factors tau: what passing over data again costs is not measured\n"
            "  next: `data=D`, or data with a column tau, such as qwen2.5-math-reuse"
        )
    tau = pl.col("tau").fill_null(1)
    names = pl.concat_str("model", pl.lit(" tau "), tau.cast(pl.Int64).cast(pl.String).str.zfill(6))
    named = rows.with_columns(model=names, tau=tau, size=pl.col("model"))
    named_by = {name: (model, float(t)) for name, model, t in named.select("model", "size", "tau").unique().iter_rows()}
    one = named.drop("size").with_columns(tau=pl.lit(1, rows.schema["tau"]), arm=pl.lit("main"))
    return replace(frame, rows=one), named_by


def _frontier(
    frame: "Frame", window: Window, spent: Budget, ladder: tuple[Curves, PooledLadder], **how: Any
) -> Frontier:
    """The frontier over compute, whatever the budget is; empty for unique data, and where the data have no compute."""
    if spent.reused or frame.rows["compute_flops"].null_count() == len(frame):
        return Frontier()
    if spent.axis != "compute":
        curves = drop_broken(*curves_of(frame, axis="compute", window=window)).curves
        ladder = curves, pooled_ladder(curves)
    return frontier(*ladder, **how)


def _doublings(
    frame: "Frame",
    spent: Budget,
    best: Choice,
    followed: np.ndarray,
    target: float,
    window: Window,
    efficiency_doubling: float | str | None,
    level: float,
    seed: int,
) -> Doublings:
    """What the target costs from the budget, with the floor of the best size."""
    floors, source = floor_draws(frame, best.model, spent.axis, window=window, level=level, seed=seed)
    flops = best.compute_flops if spent.axis != "compute" else spent.amount
    hardware = None if flops is None else physical(flops, frame.accounting, frame.executed_factor, **spent.given)
    return doublings_to(
        followed[:, 0], followed[:, ONE], target, floors=floors, level=level, seed=seed, flops=flops,
        accounting=frame.accounting, hardware=hardware, efficiency_doubling=efficiency_doubling, assumptions=(source,),
    )  # fmt: skip


def _needed(followed: np.ndarray, target: float, level: float) -> Interval:
    """Doublings of the budget until (S, M) losses are at or below the target."""
    reached = followed <= target
    place = np.where(reached.any(axis=1), DOUBLINGS[reached.argmax(axis=1)], np.inf)
    return percentile(float(np.quantile(place, 0.5, method="nearest")), place, level)


def _doubts(frame: "Frame", spent: Budget, choices: tuple[Choice, ...]) -> Iterator[Caution]:
    far = [
        f"{c.model}{f' tau {c.tau:g}' if spent.reused else ''} ({c.axis_factor:.3g} times)"
        for c in choices
        if c.axis_factor > _FAR
    ]
    if far:
        yield Caution("beyond-axis", f"the budget goes far beyond what was run: {', '.join(far)}")
    if "gpu" in spent.given:
        text = (
            f"a GPU is taken to execute {spent.given['mfu']:.0%} of its peak, and about "
            f"{spent.given['executed_flops'] / spent.amount:.3g} FLOPs for each one that the data count "
            f"({frame.accounting}): set --mfu to what your own runs measure, executed FLOPs over peak times time"
        )
        yield Caution("assumed-mfu", text)
    if "tokens_per_second" in spent.given:
        text = (
            f"tokens became FLOPs at {spent.given['flops_per_param_token']:g} for each parameter and token, and the "
            f"data count compute {frame.accounting}; every size is taken to run at the same FLOP/s"
        )
        yield Caution("assumed-throughput", text)
    if spent.reused:
        text = (
            "each tau is read off its own run, whose unique prompts may be more or fewer than the budget: that loss "
            "depends on tau and on the prompts seen, and not on how many are unique, is assumed"
        )
        yield Caution("assumed-reuse", text)


_loss = "{:.4f}".format


def _reachable(value: float) -> str:
    """A place that may lie out of reach on either side."""
    if np.isfinite(value):
        return f"{value:.3g}"
    return "beyond reach" if value > 0 else "already ahead at the smallest compute"


def _place(place: Interval) -> str:
    """A place along an axis with its interval; one word where both ends are out of reach on the same side."""
    if place.value == place.low == place.high and np.isinf(place.value):
        return _reachable(place.value)
    return place.text(_reachable)
