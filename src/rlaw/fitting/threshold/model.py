"""One study: lines of several groups by one censored likelihood, their intervals, and what tells the groups apart.

Axes: I runs, G groups, S draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from scipy.stats import t as student

from rlaw.fitting.interval import Interval, percentile
from rlaw.fitting.threshold import profile
from rlaw.fitting.threshold.draws import Evaluations, draw
from rlaw.fitting.threshold.laws import EXPONENTIAL, POWER, ThresholdLaw
from rlaw.fitting.threshold.likelihood import Design, Line, fit


@dataclass(frozen=True, eq=False)
class Runs:
    """The runs that laws are fitted to.

    Attributes:
        low_I, high_I: the resource at the evaluations before and after the crossing; infinite where there is none.
        D_I: the task's variable, > 0.
        group_I: int, which group a run is of, from 0.
        seed_I: int, which seed of which group, from 0.
        evaluations: of the runs.
    """

    low_I: np.ndarray
    high_I: np.ndarray
    D_I: np.ndarray
    group_I: np.ndarray
    seed_I: np.ndarray
    evaluations: Evaluations

    @property
    def logs(self) -> tuple[np.ndarray, np.ndarray]:
        """(1, I) ln of the interval's ends."""
        with np.errstate(divide="ignore"):
            return np.log(self.low_I)[None], np.log(self.high_I)[None]

    @property
    def crossed_I(self) -> np.ndarray:
        """(runs,) whether a run got there."""
        return np.isfinite(self.high_I)

    def where(self, keep: np.ndarray) -> "Runs":
        """Some of the runs; groups and seeds are numbered anew."""
        places = tuple(p for p, kept in zip(self.evaluations.places, keep, strict=True) if kept)
        group, seed = (np.unique(n[keep], return_inverse=True)[1] for n in (self.group_I, self.seed_I))
        evaluations = Evaluations(places, self.evaluations.limits_I[keep])
        return Runs(self.low_I[keep], self.high_I[keep], self.D_I[keep], group, seed, evaluations)

    def design(self, law: ThresholdLaw = POWER, *, common: bool = False) -> Design:
        """A constant for each group, then a slope for each, or one for all."""
        constants = (self.group_I[:, None] == np.arange(self.group_I.max() + 1)).astype(float)
        x = law.x(self.D_I)[:, None]
        return Design(np.concatenate([constants, x if common else constants * x], axis=1), self.seed_I)


@dataclass(frozen=True, slots=True)
class Difference:
    """The slopes of two groups: the second less the first, with a simultaneous interval over all pairs."""

    first: int
    second: int
    gamma: Interval


@dataclass(frozen=True, eq=False)
class Model:
    """The power law of every group, with one scatter of runs and one of seeds.

    Attributes:
        runs: what it is fitted to.
        level: of the intervals.
        draws: studies drawn for the bootstrap.
        seed: of the draws.
    """

    runs: Runs
    level: float = 0.9
    draws: int = 1000
    seed: int = 0

    @property
    def groups(self) -> int:
        """How many groups there are."""
        return int(self.runs.group_I.max()) + 1

    @cached_property
    def design(self) -> Design:
        """Columns of the fit."""
        return self.runs.design()

    @cached_property
    def line(self) -> Line:
        """The fit: constants ln a of the groups, then their slopes gamma."""
        return fit(*self.runs.logs, self.design)

    @cached_property
    def freedom(self) -> float:
        """Degrees of freedom of the scatter."""
        return float(profile.freedom_S(self.runs.logs[1], self.line, self.design)[0])

    def interval(self, column: int) -> Interval:
        """A coefficient with its profile interval."""
        low, high = profile.ends(*self.runs.logs, self.design, self.line, column, self.level)
        return Interval(float(self.line.beta_SP[0, column]), float(low[0]), float(high[0]))

    @cached_property
    def drawn(self) -> Line:
        """The fits of studies drawn from this one."""
        rng = np.random.default_rng([self.seed, 0])
        return fit(*draw(self.line, self.freedom, self.design, self.runs.evaluations, self.draws, rng), self.design)

    def bootstrap(self, column: int) -> Interval:
        """A coefficient with its studentised bootstrap interval."""
        one = np.eye(self.design.X_IP.shape[1])[column]
        value, error = float(self.line.beta_SP[0, column]), float(self.line.error_S(one)[0])
        t = (self.drawn.beta_SP[:, column] - value) / self.drawn.error_S(one)
        return percentile(value, value - t[np.isfinite(t)] * error, self.level)

    @cached_property
    def equal_p(self) -> float:
        """How often studies with one slope differ as much by the likelihood ratio; nan for a single group."""
        if self.groups < 2:
            return float("nan")
        common = self.runs.design(common=True)
        line = fit(*self.runs.logs, common)
        freedom = float(profile.freedom_S(self.runs.logs[1], line, common)[0])
        rng = np.random.default_rng([self.seed, 1])
        low, high = draw(line, freedom, common, self.runs.evaluations, self.draws, rng)
        ratio = self.line.log_likelihood_S - line.log_likelihood_S
        drawn = fit(low, high, self.design).log_likelihood_S - fit(low, high, common).log_likelihood_S
        return float((1 + np.sum(drawn >= ratio[0])) / (1 + len(drawn)))

    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """Every pair of groups; the intervals hold all true differences at once with the level's chance."""
        pairs = list(combinations(range(self.groups), 2))
        contrasts = np.zeros((len(pairs), 2 * self.groups))
        for row, (first, second) in zip(contrasts, pairs, strict=True):
            row[self.groups + first], row[self.groups + second] = -1, 1
        values = contrasts @ self.line.beta_SP[0]
        errors = [float(self.line.error_S(c)[0]) for c in contrasts]
        t = [np.abs(self.drawn.beta_SP @ c - v) / self.drawn.error_S(c) for c, v in zip(contrasts, values, strict=True)]
        cut = float(np.quantile(np.max(t, axis=0), self.level)) if pairs else 0.0
        return tuple(
            Difference(first, second, Interval(float(v), float(v - cut * e), float(v + cut * e)))
            for (first, second), v, e in zip(pairs, values, errors, strict=True)
        )

    def depth(self, group: int, amount: float) -> Interval:
        """The D of which a budget reaches the threshold, and where the line's band lets it lie (Fieller's set)."""
        columns = [group, self.groups + group]
        a, gamma = self.line.beta_SP[0, columns]
        v = self.line.covariance_SPP[0][np.ix_(columns, columns)]
        cut = student.ppf((1 + self.level) / 2, self.freedom) ** 2
        rest = a - np.log(amount)  # |rest + gamma x| is at most sqrt(cut var) inside
        square = np.array([gamma**2 - cut * v[1, 1], gamma * rest - cut * v[0, 1], rest**2 - cut * v[0, 0]])
        value = -rest / gamma if gamma > 0 else np.nan
        inside = square[1] ** 2 - square[0] * square[2]
        if not (square[0] > 0 and inside >= 0 and gamma > 0):
            return Interval(float(np.exp(value)), 0.0, np.inf)
        ends = (-square[1] + np.sqrt(inside) * np.array([-1, 1])) / square[0]
        return Interval(*(float(np.exp(min(end, 700))) for end in (value, *ends)))

    @cached_property
    def delta_aic(self) -> float:
        """AIC of the exponential less that of the power law, which have as many parameters."""
        other = fit(*self.runs.logs, self.runs.design(EXPONENTIAL))
        return float(2 * (self.line.log_likelihood_S[0] - other.log_likelihood_S[0]))

    def held_out(self, law: ThresholdLaw) -> float:
        """Mean error of ln T at each group's deepest D by a fit to the others; nan where three crossed none.

        A run that never got there is wrong by what its forecast falls short of its last place.
        """
        errors = []
        for g in range(self.groups):
            own = self.runs.where(self.runs.group_I == g)
            deepest = own.D_I.max() <= own.D_I
            rest = own.where(~deepest)
            if len(np.unique(rest.D_I[rest.crossed_I])) < 3:
                return float("nan")
            every = own.design(law).X_IP  # the exponential's x is scaled by the largest D
            line = fit(*rest.logs, Design(every[~deepest], rest.seed_I))
            forecast = every[deepest] @ line.beta_SP[0]
            low, high = (ends[0, deepest] for ends in own.logs)
            middle = np.where(np.isfinite(low), (low + high) / 2, high)
            errors += np.where(np.isfinite(high), np.abs(middle - forecast), np.maximum(low - forecast, 0)).tolist()
        return float(np.mean(errors))


def deep_enough(low_I: np.ndarray, high_I: np.ndarray, D_I: np.ndarray) -> Sequence[float]:
    """The distinct D with a run that crossed; none where fewer than three have one between two evaluations."""
    crossed = np.isfinite(high_I)
    both = len(np.unique(D_I[crossed & (low_I > 0)]))
    found = np.unique(D_I[crossed]).tolist()
    return found if both >= 3 else []
