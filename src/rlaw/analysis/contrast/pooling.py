"""How sure a difference is, when it was measured on few runs of few sizes.

Runs are the units: each gives one number, and differences are judged by how runs of one size and recipe scatter, sizes
pooled. Over sizes, the true difference may scatter, too; by how much, few sizes hardly show. So every ratio of that
scatter to the runs' on a grid is weighed by how likely it makes the measurements, and the difference has a mixture of
Student's t distributions, one for each. Two recipes that are equal everywhere are the likeliest case beforehand.

Source: Student 1908; Patterson and Thompson 1971 (the likelihood without the mean); Satterthwaite 1946; Smyth 2004,
Stat. Appl. Genet. Mol. Biol. 3 (variances of single sizes moved towards the pooled one). benchmarks/contrast.py has
what that gives.

Axes: S sizes, G ratios, P columns of the design.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from rlaw.fitting.interval import Interval

#: variance of the true difference from size to size, over that of a size's mean by its runs
_RATIOS = np.array([0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
_BELIEF = np.array([72.0, *np.ones(8)]) / 80  # 0 has nine tenths: then equal recipes are called different in 4 to 5 %
_LENT = 4  # degrees of freedom of the other sizes that a single size's variance borrows at most
_MANY = 1e6  # degrees of freedom of a scatter that is known
_STEPS = 40  # halvings for a quantile
_FAINT = 1e-9  # weight of a part that moves no quantile


@dataclass(frozen=True, slots=True)
class Belief:
    """What is known of a number: a mixture of t distributions.

    Attributes:
        weight: (G,) of each, 1 together.
        mean: (G,) their middles.
        scale: (G,) their scales; inf where nothing shows how sure it is.
        freedom: (G,) their degrees of freedom.
    """

    weight: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    freedom: np.ndarray

    @property
    def value(self) -> float:
        """Its mean."""
        return float(self.weight @ self.mean)

    @property
    def known(self) -> bool:
        """Whether anything shows how sure it is."""
        return bool(np.isfinite(self.scale).all() and np.isfinite(self.mean).all())

    def below(self, x: float) -> float:
        """Probability that the number is below x; nan where nothing shows how sure it is."""
        from scipy.special import stdtr

        if not self.known:
            return math.nan
        away = np.where(self.scale > 0, (x - self.mean) / np.where(self.scale > 0, self.scale, 1.0), 0.0)
        point = np.where(self.mean < x, 1.0, np.where(self.mean > x, 0.0, 0.5))
        return float(self.weight @ np.where(self.scale > 0, stdtr(self.freedom, away), point))

    @property
    def p(self) -> float:
        """Two-sided p-value of 0."""
        lower = self.below(0.0)
        return 2 * min(lower, 1 - lower)

    def interval(self, level: float) -> Interval:
        """The value with its central interval; without ends where nothing shows how sure it is."""
        if not self.known:
            return Interval(self.value)
        tail = (1 - level) / 2
        return Interval(self.value, self._quantile(tail), self._quantile(1 - tail))

    def _quantile(self, share: float) -> float:
        from scipy.special import stdtrit

        ends = self.mean + self.scale * stdtrit(self.freedom, share)
        ends = ends[self.weight > _FAINT]
        low, high = float(ends.min()), float(ends.max())
        for _ in range(_STEPS if high > low else 0):
            middle = (low + high) / 2
            low, high = (middle, high) if self.below(middle) < share else (low, middle)
        return (low + high) / 2

    def wider(self, variance: float) -> "Belief":
        """With an error of known variance added; its tails become those of Satterthwaite."""
        own = self.scale**2
        total = own + variance
        with np.errstate(divide="ignore", invalid="ignore"):
            freedom = np.where(own > 0, self.freedom * np.where(own > 0, total / own, 1.0) ** 2, _MANY)
        return replace(self, scale=np.sqrt(total), freedom=np.minimum(freedom, _MANY))

    def times(self, factor: float) -> "Belief":
        """Of the number times a factor."""
        return replace(self, mean=self.mean * factor, scale=self.scale * abs(factor))


def student(mean: float, scale: float, freedom: float) -> Belief:
    """A single t distribution; without degrees of freedom nothing shows how sure it is."""
    known = freedom > 0
    return Belief(np.ones(1), np.array([mean]), np.array([scale if known else math.inf]), np.array([max(freedom, 1.0)]))


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference of two recipes at one size, by the numbers of their runs.

    Attributes:
        value: mean of A less mean of B.
        variance: of the value, over that of a single run (of a pair's difference, where runs are paired).
        squares: of the runs (or pairs) about their means.
        freedom: of these.
        unit: by which the scatter of this size is comparable to that of the others.
        shared: variance that all runs share because they answer the same problems.
        floor: variance of a single run (or pair) by the finite number of its answers alone: few runs that happen to
            agree are no surer than that.
    """

    value: float
    variance: float
    squares: float
    freedom: float
    unit: float = 1.0
    shared: float = 0.0
    floor: float = 0.0


def difference(
    a: np.ndarray, b: np.ndarray, *, paired: bool, unit: float = 1.0, shared: float = 0.0, floor: float = 0.0
) -> Difference:
    """The difference at one size of (n,) numbers of the runs of A and (m,) of B; those of a pair at one place.

    `floor` is of a single run's number.
    """
    if paired:
        d = a - b
        mean = float(d.mean())
        return Difference(mean, 1 / len(d), float(np.sum((d - mean) ** 2)), len(d) - 1, unit, shared, 2 * floor)
    squares = sum(float(np.sum((y - y.mean()) ** 2)) for y in (a, b))
    variance, freedom = 1 / len(a) + 1 / len(b), len(a) + len(b) - 2
    return Difference(float(a.mean() - b.mean()), variance, squares, freedom, unit, shared, floor)


def stated(found: Difference, spread: float, freedom: float, runs: tuple[int, int]) -> Difference:
    """The difference with the runs' standard deviation as it was stated, from so many degrees of freedom."""
    known = min(freedom, _MANY)
    return replace(found, variance=1 / runs[0] + 1 / runs[1], squares=known * spread**2, freedom=known, floor=0.0)


@dataclass(frozen=True)
class Pooled:
    """The differences of all sizes together.

    Attributes:
        sizes: one for each size.
        log_n: (S,) ln of the sizes' parameters; nan where unknown.
    """

    sizes: tuple[Difference, ...]
    log_n: np.ndarray
    _value: np.ndarray = field(init=False)
    _variance: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_value", np.array([d.value for d in self.sizes]))
        object.__setattr__(self, "_variance", np.array([d.variance * d.unit**2 for d in self.sizes]))

    @property
    def freedom(self) -> float:
        """Of the replicates."""
        return sum(d.freedom for d in self.sizes)

    @property
    def _squares(self) -> float:
        least = sum(d.freedom * d.floor / d.unit**2 for d in self.sizes)
        return max(sum(d.squares / d.unit**2 for d in self.sizes), least)

    def of_size(self, s: int) -> Belief:
        """The difference at one size, its variance moved towards that of the others."""
        own, others = self.sizes[s], self.freedom - self.sizes[s].freedom
        lent = min(_LENT, others)
        freedom = own.freedom + lent
        if freedom <= 0:
            return student(own.value, math.inf, 0)
        elsewhere = max(self._squares - own.squares / own.unit**2, 0.0) / others if others else 0.0
        spread = max((own.squares / own.unit**2 + lent * elsewhere) / freedom, own.floor / own.unit**2)
        return student(own.value, math.sqrt(spread * self._variance[s]), freedom).wider(own.shared)

    def over_sizes(self) -> Belief:
        """The difference, mean over sizes: of each as much, however sure it is."""
        S = len(self.sizes)
        return self._mixture(np.ones((S, 1)), np.ones(1), pull=np.full(S, 1 / S)).wider(self._shared)

    def interaction(self) -> Belief | None:
        """Change of the difference for each unit of ln N; None with fewer than three sizes."""
        line = self._line()
        return None if line is None else self._mixture(line, np.array([0.0, 1.0]))

    def at(self, log_n: float, *, new: bool = False) -> Belief | None:
        """The difference at a size by a straight line in ln N; of a new one with the scatter from size to size."""
        line = self._line()
        if line is None:
            return None
        return self._mixture(line, np.array([1.0, log_n - self._middle]), new=new).wider(self._shared)

    @property
    def _shared(self) -> float:
        """Mean over sizes of the variance by shared problems: all sizes answer the same ones."""
        return float(np.mean([d.shared for d in self.sizes]))

    @property
    def _middle(self) -> float:
        return float(np.mean(self.log_n))

    def _line(self) -> np.ndarray | None:
        if not np.isfinite(self.log_n).all() or len(np.unique(self.log_n)) < 3:
            return None
        return np.column_stack([np.ones(len(self.log_n)), self.log_n - self._middle])

    def _mixture(self, X: np.ndarray, x: np.ndarray, *, new: bool = False, pull: np.ndarray | None = None) -> Belief:
        """Belief of x'β for the design (S, P): generalised least squares for every ratio, weighed by its likelihood.

        Other weights of the sizes than those are `pull`, (S,).
        """
        left = len(X) - X.shape[1]
        freedom = self.freedom + left
        if freedom <= 0 or not np.isfinite(self._value).all():
            return student(float(x @ np.linalg.lstsq(X, self._value, rcond=None)[0]), math.inf, 0)
        typical = float(np.mean(self._variance))
        log, mean, scale = [], [], []
        ratios = _RATIOS if left and self.freedom else _RATIOS[:1]  # without both, nothing tells the two scatters apart
        for ratio, belief in zip(ratios, _BELIEF, strict=False):
            V = self._variance + ratio * typical
            inverse = np.linalg.inv(X.T @ (X / V[:, None]))
            beta = inverse @ (X.T @ (self._value / V))
            squares = self._squares + float(np.sum((self._value - X @ beta) ** 2 / V))
            spread = max(squares / freedom, 1e-300)
            log.append(
                math.log(belief) - 0.5 * (np.log(V).sum() - np.linalg.slogdet(inverse)[1] + freedom * math.log(spread))
            )
            weights = (X / V[:, None]) @ inverse @ x if pull is None else pull
            mean.append(float(weights @ self._value))
            variance = float(weights**2 @ V) + (ratio * typical if new else 0.0)
            scale.append(math.sqrt(squares / freedom * variance))
        weight = np.exp(np.array(log) - max(log))
        return Belief(weight / weight.sum(), np.array(mean), np.array(scale), np.full(len(mean), freedom))
