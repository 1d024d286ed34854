"""Everything a report is made of, gathered once: measurements, fits, slopes of single runs, telemetry.

Figures and findings read from here alone, so that two of them cannot give different numbers for the same thing. What
could not be fitted is kept with its reason in `refused`, never passed over in silence.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, get_args

import numpy as np
import polars as pl

from rlaw import laws
from rlaw.errors import DataError, RlawError
from rlaw.fitting.curves import Curves
from rlaw.fitting.fit import Fit, fit
from rlaw.fitting.noise import Noise, noise_of
from rlaw.fitting.screening import drop_broken
from rlaw.fitting.selection import curves_of, window_of
from rlaw.fitting.sensitivity import Sensitivity, sensitivity
from rlaw.forecasting.backtest import Comparison, compare
from rlaw.forecasting.predictors import PooledLadder, pooled_ladder
from rlaw.measurements.frame import AXES, SINGLE, Axis, Frame
from rlaw.measurements.load import load
from rlaw.store import Store
from rlaw.store.usage import Usage, usage_of
from rlaw.study.study import FitChoice

T = TypeVar("T")
_OF_A_STEP = ("run", "model", "params", "step", "reward_mean")
DRAWS = 1000
TRAIN_SHARE = 0.25  # of the steps, from which laws forecast the rest: the paper's first 25 of 105
_LEAST, _LEAST_TEST = 5, 3


@dataclass(frozen=True, slots=True)
class RunSlope:
    """One run's own power law: its slope k, and the loss of the base it started from (nan when not measured)."""

    model: str
    params: float
    seed: int | str
    k: float
    base_loss: float


@dataclass(frozen=True, slots=True)
class SizeSummary:
    """One size as measured: means over its runs. Losses are nan where they were not measured.

    Attributes:
        runs: how many runs the means are over.
        base_loss: at step 0; at the first evaluation where step 0 was not measured.
        final_loss: at `last_step`, the last step that all runs of the size reached.
        run_losses: of the single runs at `last_step`.
    """

    model: str
    params: float
    runs: int
    base_loss: float
    final_loss: float
    last_step: int
    run_losses: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What there is to judge a study by.

    Attributes:
        frame: every usable evaluation, all arms.
        main: the evaluations that one law is fitted to: the main arm of one variant and benchmark.
        choice: how the study wants to be fitted.
        fits: the study's ladder law by axis, with bootstrap draws.
        laws: every law of the study on its own axis, without draws.
        power: a straight line per size on the study's axis, with bootstrap draws: k of each size, tied to nothing.
        run_slopes: k of every single run.
        comparison: how the laws forecast held-out points.
        steps: one row per RL step of the store's runs, with the mean reward.
        store: where the records are; None when the source is a table.
        refused: what could not be fitted or compared, and why.
        draws: requested bootstrap draws; None for what each computation usually takes.
        seed: of all of them.
    """

    frame: Frame
    main: Frame
    choice: FitChoice
    fits: dict[str, Fit] = field(default_factory=dict)
    laws: dict[str, Fit] = field(default_factory=dict)
    power: Fit | None = None
    run_slopes: tuple[RunSlope, ...] = ()
    comparison: Comparison | None = None
    steps: pl.DataFrame = field(default_factory=pl.DataFrame)
    store: Store | None = None
    refused: dict[str, str] = field(default_factory=dict)
    draws: int | None = None
    seed: int = 0
    _kept: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    def once(self, key: Any, compute: Callable[[], T]) -> T:
        """What `compute` returns, computed at the first call with this key and kept as long as the evidence."""
        if key not in self._kept:
            self._kept[key] = compute()
        return self._kept[key]

    def drawn(self, usual: int = DRAWS) -> dict[str, Any]:
        """`draws` and `seed` of a computation that takes so many draws by default."""
        return {"draws": self.draws or usual, "seed": self.seed}

    @property
    def axis(self) -> Axis:
        """The study's axis, or the first that the source has."""
        return self.choice.axis if self.choice.axis in self.axes else self.axes[0]

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The axes that the source has; step is always one."""
        every: tuple[Axis, ...] = get_args(Axis)
        return tuple(a for a in every if self.main.rows[AXES[a]].null_count() < len(self.main))

    @property
    def law(self) -> Fit | None:
        """The ladder law on the study's axis, if it could be fitted."""
        return self.fits.get(self.axis)

    @cached_property
    def sizes(self) -> tuple[SizeSummary, ...]:
        """The sizes, smallest first."""
        return tuple(map(_summary, self.main.rows.partition_by("model", maintain_order=True)))

    @cached_property
    def cost(self) -> Usage:
        """What the runs of the store took; no runs when the source is a table."""
        return Usage() if self.store is None else usage_of(self.store)

    @property
    def base_is_step_0(self) -> bool:
        """Whether the base's loss was measured before the first RL step for every size."""
        return self.main.rows["base_loss"].null_count() == 0

    @cached_property
    def noise(self) -> Noise:
        """How far apart two measurements of the same thing are."""
        return noise_of(self.main)

    @cached_property
    def noise_of_arms(self) -> Noise:
        """As `noise`, from the replicates of all arms: what a comparison of arms is judged by.

        Arms that share a seed share its base, so their difference scatters less than this: it errs to the safe side.
        """
        return noise_of(replace(self.frame, rows=self.like_main(self.frame.rows, "variant", "benchmark")))

    @cached_property
    def sensitivity(self) -> Sensitivity | None:
        """How far the ladder law's parameters move without a size or with another window; None without such a law."""
        return sensitivity(self.law) if self.law is not None and self.law.law.shared else None

    @cached_property
    def over_compute(self) -> tuple[Curves, PooledLadder]:
        """What was measured over compute, and the same pooled: what `rlaw allocate` decides by.

        Raises:
            NotIdentifiable: no size has three points.
        """
        curves = drop_broken(*curves_of(self.main, axis="compute", window=self.choice.window)).curves
        return curves, pooled_ladder(curves)

    @cached_property
    def mean_curves(self) -> pl.DataFrame:
        """The mean over runs at each step: model, params, step, x of every axis, test_loss, runs."""
        means = [pl.col(c).mean() for c in (*AXES.values(), "test_loss", "response_length") if c != "step"]
        groups = self.main.rows.group_by("params", "model", "step", maintain_order=True)
        return groups.agg(*means, runs=pl.len()).sort("params", "model", "step", nulls_last=True)

    def like_main(self, rows: pl.DataFrame, *columns: str) -> pl.DataFrame:
        """The rows that have values of the main arm in these columns."""
        same = self.main.rows.select(columns).unique()
        return rows.join(same, on=columns, nulls_equal=True, maintain_order="left")

    def fit(self, law: str, frame: Frame, axis: Axis, usual: int, **options: Any) -> Fit:
        """A law fitted to a part of the measurements as the study wants it; `usual` as in `drawn`."""
        choice = self.choice
        how = {"window": choice.window, "space": choice.space, "level": choice.level, **self.drawn(usual)}
        return fit(law, frame, axis=axis, **how | options)

    def early_steps(self, frame: Frame, share: float = TRAIN_SHARE, least: int = _LEAST) -> tuple[np.ndarray, int]:
        """The evaluated steps of the window after step 0, and how many are in that share of training: `least` or more.

        Raises:
            DataError: fewer than three steps are left to be held out.
        """
        steps = np.unique(frame.rows["step"].to_numpy())
        steps = steps[self.in_window(steps) & (steps > 0)]
        count = max(int(np.sum(steps <= steps.max(initial=0) * share)), least)
        if len(steps) - count < _LEAST_TEST:
            raise DataError(f"{len(steps)} evaluated steps in the window are too few to hold some out")
        return steps, count

    def in_window(self, steps: Any) -> np.ndarray:
        """Which of these steps the fits use."""
        first, last = window_of(self.choice.window)
        return (np.asarray(steps) >= first) & (np.asarray(steps) <= last)


def gather(source: Any, *, where: Mapping[str, Any] | None = None, draws: int | None = None, seed: int = 0) -> Evidence:
    """Read, fit and compare everything that a store, a file or a dataset holds.

    Args:
        source: what `rlaw.load` takes.
        where: column -> value or values of the rows that laws are fitted to. A variant, benchmark, tau, group size or
            arm is chosen among rows that the others are still shown beside; by other columns rows are left out.
        draws: bootstrap draws; 1000 of the main fits and fewer of what is costlier where None.
        seed: of the bootstrap.

    Raises:
        NotFound, DataError, StoreError: there is nothing to read, or no evaluation in it.
        UsageError: the source has several benchmarks or arms, and neither a study nor `where` names the one.
    """
    store = store_of(source)
    evidence = measured(load(source), store, where=where)
    return _judged(replace(evidence, steps=_steps(store) if store else pl.DataFrame(), draws=draws, seed=seed))


def store_of(source: Any) -> Store | None:
    """The store that a source is, or None."""
    is_store = isinstance(source, str | Path) and (Path(source) / "study.json").is_file()
    return Store.open(source) if is_store else None


def measured(frame: Frame, store: Store | None, *, where: Mapping[str, Any] | None = None) -> Evidence:
    """The evidence before anything is fitted: all rows, those for one law, how the study wants them fitted.

    Args:
        frame: what was measured.
        store: where it was read from; None for a table.
        where: as `gather` takes it.

    Raises:
        DataError, UsageError: as `gather`.
    """
    chosen = dict(where or {})
    main_by = {name: chosen.pop(name) for name in (*SINGLE, "arm") if name in chosen}
    frame = frame.where(**chosen).identified()
    main, refused = _one_law(frame, store, main_by)
    return Evidence(
        frame, main, store.study.fit if store else FitChoice.model_validate({}), store=store, refused=refused
    )


def _one_law(frame: Frame, store: Store | None, main_by: dict[str, Any]) -> tuple[Frame, dict[str, str]]:
    """The rows for one law: those asked for, else the study's first variant and benchmark of the main arm.

    Of several variants, tau and group sizes, the one with most rows is taken, and said; of several benchmarks none is.
    """
    main = frame.where(**main_by)
    left_out = {f"other values of {name}": _alone(name, value) for name, value in main_by.items()}
    main, first = main.main(), {}
    if store is not None:
        first = {"variant": store.study.model.variants, "benchmark": store.study.evaluation.benchmarks}
    for name in SINGLE:
        counts = main.rows[name].drop_nulls().value_counts().sort("count", name, descending=[True, False])
        values = counts[name].to_list()
        if len(values) < 2:
            continue
        known = (value for value in first.get(name, ()) if value in values)
        chosen = next(known, None if name == "benchmark" else values[0])
        if chosen is None:
            continue  # asked below
        rows = main.rows.filter((pl.col(name) == chosen).fill_null(value=False))
        left_out[f"other values of {name}"] = _alone(name, chosen)
        main = replace(main, rows=rows, dropped={**main.dropped, f"other_{name}": len(main) - len(rows)})
    return main.one_law(), left_out


def _alone(name: str, value: Any) -> str:
    values = value if isinstance(value, tuple | list) else (value,)
    return f"the laws are fitted to {name} {' and '.join(map(str, values))} alone"


def _judged(evidence: Evidence) -> Evidence:
    """The evidence with its fits and comparison; a refusal is kept with its reason."""
    choice, refused = evidence.choice, dict(evidence.refused)
    how = {"window": choice.window, "space": choice.space, "noise": choice.noise, "level": choice.level}
    if choice.noise == "binomial" and evidence.main.rows["items"].null_count():
        how["noise"] = "equal"
        refused["binomial weights"] = "some evaluations lack their number of problems; equal weights used"

    def attempt(name: str, law: str, axis: Axis, **options: Any) -> Fit | None:
        try:
            return fit(law, evidence.main, axis=axis, **how, **options)
        except RlawError as error:
            refused[name] = str(error)
            return None

    ladder = next((name for name in choice.laws if laws.get(name).shared), "saturating")
    drawn = evidence.drawn()
    axes: list[Axis] = [a for a in evidence.axes if a != "step" or evidence.axis == "step"]
    fits = {a: attempt(f"{ladder} over {a}", ladder, a, **drawn) for a in axes}
    every = {n: attempt(n, n, evidence.axis, intervals="none") for n in choice.laws if n not in laws.BASELINES}
    power = attempt("power", "power", evidence.axis, **drawn)
    return replace(
        evidence,
        fits={a: f for a, f in fits.items() if f is not None},
        laws={n: f for n, f in every.items() if f is not None},
        power=power,
        run_slopes=_run_slopes(evidence, how) if power else (),
        comparison=_comparison(evidence, refused),
        refused=refused,
    )


def _run_slopes(evidence: Evidence, how: dict[str, Any]) -> tuple[RunSlope, ...]:
    found = []
    for seed in evidence.main.rows["seed"].unique().sort():
        try:
            each = fit("power", evidence.main.where(seed=seed), axis=evidence.axis, intervals="none", **how)
        except RlawError:
            continue  # a run too short for a line of its own; its points still count in the size's line
        bases = each.curves.at.base_loss[0, :, 0]
        found += [
            RunSlope(r.model, r.params, seed, r.values["k"].value, b) for r, b in zip(each.sizes, bases, strict=True)
        ]
    return tuple(sorted(found, key=lambda s: (s.params, s.model, str(s.seed).zfill(20))))


def _comparison(evidence: Evidence, refused: dict[str, str]) -> Comparison | None:
    names = list(dict.fromkeys((*evidence.choice.laws, *laws.BASELINES)))
    how: dict[str, Any] = {"axis": evidence.axis, "window": evidence.choice.window, "space": evidence.choice.space}
    try:
        return compare(evidence.main, laws=names, cut=evidence.early_steps(evidence.main)[1], **how)
    except RlawError as error:
        refused["held-out comparison"] = str(error)
        return None


def _summary(rows: pl.DataFrame) -> SizeSummary:
    """One size's means over its runs."""
    runs = rows.partition_by("run", "seed", maintain_order=True)
    last = min(int(run["step"].max()) for run in runs)  # pyright: ignore[reportArgumentType]
    finals = [float(run.filter(pl.col("step") <= last).sort("step")["test_loss"][-1]) for run in runs]
    bases = [float(run.sort("step")["test_loss"][0]) for run in runs]
    return SizeSummary(
        model=rows["model"][0],
        params=math.nan if rows["params"][0] is None else float(rows["params"][0]),
        runs=len(runs),
        base_loss=float(np.mean(bases)),
        final_loss=float(np.mean(finals)),
        last_step=last,
        run_losses=tuple(finals),
    )


def _steps(store: Store) -> pl.DataFrame:
    """One row per RL step of every run."""
    tables = [table for label in store.labels() if not (table := store.steps(label, _OF_A_STEP)).is_empty()]
    return pl.concat(tables, how="vertical_relaxed").cast({"params": pl.Float64}) if tables else pl.DataFrame()
