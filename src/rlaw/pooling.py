"""Partial pooling: every curve of a ladder lends strength to the others, as far as they are alike.

    log L(N, X) = a(N) - k(N) log X + s(N) c(log X) + w(log X) + noise

a and k belong to a size, and both are drawn about a law of the size: k about K s(N), where s saturates as
1 / (1 + N_0 / N) or grows as a power of N; a about a smooth curve in log N. c and w are random walks in log X, by which
curves wander off a straight line: c together, in proportion to what they learn, w each by itself. The noise of a run
is white noise plus a drift that lasts. A size with many points keeps its own line, one with few is drawn to the law,
and one with none is the law's: calibrated, anchored and blind forecasts are one model.

How far sizes scatter about the law, how much curves wander and drift, and the law's shape are not known. They are not
chosen but averaged over a grid, each weighed by its marginal likelihood: how well it predicts the measured points one
after the other. Given them, everything is Gaussian and in closed form.

Source: Laird and Ware 1982 (random effects of growth curves); Rasmussen and Williams 2006, section 2.7 (marginal
likelihood with a basis of unknown weight); Kass and Raftery 1995 (averaging over models).

Axes: R sizes, n points of a size, H settings of the grid, S draws, M asked points.
"""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from rlaw.curves import Curves
from rlaw.intervals.bootstrap import binomial_unit

_SATURATING = 20  # values of N_0 between the two limits of the saturating law
_POWERS = (0.25, 0.5)
_SCATTER = (0.12, 0.25, 0.5)  # of a size's k about the law, in units of the ladder's k
_WANDER = (0.03, 0.06, 0.12, 0.25, 0.5)  # over one e-fold of X, in units of the ladder's k
_NOISE = (0.6, 0.75, 0.9, 1.1)  # in units of the scatter about a parabola for each size
_DRIFT = ((0.0, 0.0), (0.3, 0.8), (0.6, 0.8), (0.3, 0.95), (0.6, 0.95))  # share of the variance that lasts, memory
_BEND = (0.02, 0.07, 0.2)  # of the level in log N
_OWN = (0.01, 0.04, 0.12)  # scatter of a size's level about the curve
_FREE = 10.0  # scatter of levels that owe nothing to a law
_SHARED = (0.0, 0.1, 0.25, 0.5)  # wander of the walk that sizes share, at the largest, in units of the ladder's k
_STRETCH = 0.5  # of the shared walk, e-folds
_MOST_SETTINGS = 200
_SLOPE_POINTS = 9
_MOST_POINTS = 200  # of a run; more are averaged in groups
_SMALLEST = 1e-5


@dataclass(frozen=True, slots=True)
class Size:
    """What is seen of one size; empty arrays for a size of which nothing is.

    Attributes:
        model: its name.
        params: N.
        log_x: (n,) ln X.
        loss: (n,) test loss, > 0.
        run: (n,) which run a point belongs to; points of a run follow each other in order.
        level: what its level is measured from, ln; 0, or the log loss of its base.
    """

    model: str
    params: float
    log_x: np.ndarray
    loss: np.ndarray
    run: np.ndarray
    level: float = 0.0

    @staticmethod
    def unseen(model: str, params: float, level: float = 0.0) -> "Size":
        """A size without points."""
        return Size(model, params, np.zeros(0), np.zeros(0), np.zeros(0, int), level)


def sizes_of(curves: Curves) -> list[Size]:
    """What curves tell of every size; long runs averaged in groups of neighbouring evaluations."""
    told = []
    for r, model in enumerate(curves.models):
        parts = []
        for i in range(curves.runs[r]):
            here = np.flatnonzero(curves.present[r] & (curves.run[r] == i))
            here = here[np.argsort(curves.step[r, here], kind="stable")]
            group = np.arange(len(here)) * min(len(here), _MOST_POINTS) // max(len(here), 1)
            count = np.maximum(np.bincount(group), 1)
            log_x, loss = (np.bincount(group, a[r, here]) / count for a in (np.log(curves.at.x[0]), curves.loss))
            parts.append((log_x, loss, np.full(len(loss), i)))
        log_x, loss, run = (np.concatenate(p) for p in zip(*parts, strict=True)) if parts else (np.zeros(0),) * 3
        told.append(Size(model, float(curves.params[r]), log_x, loss, run.astype(int)))
    return told


@dataclass(frozen=True, slots=True)
class _Whitened:
    """A size's points turned so that their noise and their own wandering are independent, for one kind of drift.

    Attributes:
        walk: (n,) variance of the size's own walk along each direction, for unit wander and unit noise.
        X: (n, 2 + J) design: the level, -ln X, and the stretches of the walk that sizes share.
        y: (n,) log loss.
        turn: (n, n) from points to directions.
        logs: log determinant of the noise, for unit noise.
    """

    walk: np.ndarray
    X: np.ndarray
    y: np.ndarray
    turn: np.ndarray
    logs: float


@dataclass(frozen=True, slots=True)
class _Prior:
    """What is assumed before the points are seen: H laws of the size, scatters and shared walks.

    Attributes:
        shape: (H, R) k over the sizes, 1 at the largest seen: how the shared walk is scaled.
        root: (H, 2R, 2R) root of the covariance of levels and slopes.
        shared: (H,) variance of the shared walk over one e-fold.
    """

    shape: np.ndarray
    root: np.ndarray
    shared: np.ndarray


@dataclass(frozen=True, slots=True)
class _Setting:
    """One setting of the grid with its weight and the (2R + J,) normal posterior of levels, slopes and shared walk."""

    drift: int
    noise: float
    wander: float
    prior: _Prior  # one row
    weight: float
    mean: np.ndarray
    root: np.ndarray

    @property
    def shape(self) -> np.ndarray:
        """(R,) k over the sizes, 1 at the largest seen."""
        return self.prior.shape[0]

    @property
    def shared(self) -> float:
        """Variance of the shared walk over one e-fold."""
        return float(self.prior.shared[0])


@dataclass(frozen=True)
class Pooled:
    """The posterior of a ladder.

    Attributes:
        sizes: what was seen, smallest first.
        middle: intercept and slope, in ln N, of the ln X about which the lines turn: the middle of the curves.
        edges: ends of the stretches of the shared walk, ln X from the middle; one of them is 0.
        span: ends of what was seen of any size, ln X from the middle.
        settings: the settings of the grid that carry the weight.
        typical_unit: root mean square of √(L (1 - L)) over the points, to which the noise refers.
    """

    sizes: tuple[Size, ...]
    middle: tuple[float, float]
    edges: np.ndarray
    span: tuple[float, float]
    settings: tuple[_Setting, ...]
    whitened: tuple[tuple[_Whitened, ...], ...]
    typical_unit: float

    def draw(self, r: int, log_x: np.ndarray, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draws of one size: (S, M) true loss, (S, M) loss as a run would measure it, (S,) k.

        k is the slope of the straight line through the size's curve, walks included, over the axis of the ladder.
        With the same seed, draw s of one size and draw s of another share everything that the ladder shares.
        """
        rng, own_rng = np.random.default_rng(seed), np.random.default_rng([seed, r + 1])
        M, about = len(log_x), np.linspace(*self.span, _SLOPE_POINTS) - np.mean(self.span)
        middle = self.middle[0] + self.middle[1] * np.log(self.sizes[r].params)
        places = np.concatenate([log_x, middle + np.mean(self.span) + about])
        weights = np.array([s.weight for s in self.settings])
        counts = rng.multinomial(draws, weights / weights.sum())
        true, measured, slopes = [], [], []
        for setting, count in zip(self.settings, counts, strict=True):
            if not count:
                continue
            many = setting.mean + rng.standard_normal((count, len(setting.mean))) @ setting.root.T
            beta, kriged = self._own(r, many, setting), self._krige(r, places, setting)
            logs = kriged.at(beta) + own_rng.standard_normal((count, len(places))) @ kriged.root().T
            loss = np.exp(logs[:, :M])
            unit = setting.noise * binomial_unit(loss) / self.typical_unit
            true.append(loss)
            measured.append(np.maximum(loss + unit * own_rng.standard_normal(loss.shape), 0.0))
            slopes.append(-logs[:, M:] @ about / (about @ about))
        return np.concatenate(true), np.concatenate(measured), np.concatenate(slopes)

    def expected(self, r: int, log_x: np.ndarray) -> np.ndarray:
        """(M,) loss of one size along the mean of its log loss: the middle of `draw`, without its scatter."""
        total = np.zeros(len(log_x))
        for setting in self.settings:
            kriged = self._krige(r, np.asarray(log_x, float), setting)
            total += setting.weight * kriged.at(self._own(r, setting.mean[None], setting))[0]
        return np.exp(total)

    def hide(self, r: int, seen: Size) -> "Pooled":
        """The same ladder and the same settings with less seen of size r."""
        turn = self.middle[0] + self.middle[1] * np.log(seen.params)
        whitened = tuple(
            (*kind[:r], _whiten(seen, turn, self.edges, drift), *kind[r + 1 :])
            for kind, drift in zip(self.whitened, _DRIFT, strict=False)
        )
        settings = _settings(whitened, [(s.drift, s.noise, s.wander, s.prior) for s in self.settings], self.edges)
        sizes = (*self.sizes[:r], seen, *self.sizes[r + 1 :])
        return replace(self, sizes=sizes, settings=_weighed(settings), whitened=whitened)

    def _own(self, r: int, many: np.ndarray, setting: _Setting) -> np.ndarray:
        """(S, 2 + J) level, slope and shared walk of one size, from the ladder's."""
        R = len(self.sizes)
        return np.concatenate([many[:, 2 * r : 2 * r + 2], many[:, 2 * R :] * setting.shape[r]], axis=1)

    def _krige(self, r: int, log_x: np.ndarray, setting: _Setting) -> "_Kriged":
        """The walk of one size at asked points, given how its seen points stray from its line."""
        size, seen = self.sizes[r], self.whitened[setting.drift][r]
        middle = self.middle[0] + self.middle[1] * np.log(size.params)
        z = log_x - middle
        across = setting.wander**2 * _walk(z, size.log_x - middle) @ seen.turn
        beyond = z - np.clip(z, self.edges[0], self.edges[-1])
        free = setting.wander**2 * _walk(z, z) + setting.shared * setting.shape[r] ** 2 * _walk(beyond, beyond)
        pull = across / (setting.noise**2 + setting.wander**2 * seen.walk)
        return _Kriged(size.level, _design(z, self.edges), pull, free - pull @ across.T, seen, float(free.max()))


@dataclass(frozen=True, slots=True)
class _Kriged:
    """Log loss at asked points: a line, a pull of the seen points, and what is left free."""

    level: float
    design: np.ndarray  # (M, 2 + J)
    pull: np.ndarray  # (M, n)
    left: np.ndarray  # (M, M)
    seen: _Whitened
    scale: float

    def at(self, beta: np.ndarray) -> np.ndarray:
        """(S, M) expected log loss for (S, 2 + J) lines."""
        return self.level + beta @ self.design.T + (self.seen.y - beta @ self.seen.X.T) @ self.pull.T

    def root(self) -> np.ndarray:
        """(M, M) root of the covariance that is left."""
        return np.linalg.cholesky(self.left + (1e-7 * self.scale + 1e-14) * np.eye(len(self.left)))


def pool(sizes: list[Size], *, law: bool = True) -> Pooled:
    """Fit a ladder.

    Args:
        sizes: what is seen of each; at least one with three points.
        law: False when slopes are told by their own size alone, with a spread about zero.
    """
    middle = _middle(sizes)
    n = np.log([s.params for s in sizes])
    turns = middle[0] + middle[1] * n
    told = [p for p in map(_pilot, sizes) if p is not None]
    k_scale, noise_scale = (max(float(np.sqrt(np.mean(np.square(v)))), _SMALLEST) for v in zip(*told, strict=True))
    span = _span(sizes, turns)
    edges = np.arange(min(np.floor(span[0] / _STRETCH), -1), max(np.ceil(span[1] / _STRETCH), 1) + 1) * _STRETCH
    kinds = _DRIFT if max(len(s.loss) for s in sizes) > 5 else _DRIFT[:1]
    whitened = tuple(tuple(_whiten(s, t, edges, d) for s, t in zip(sizes, turns, strict=True)) for d in kinds)
    grid = [(d, s * noise_scale, w * k_scale) for d, s, w in product(range(len(kinds)), _NOISE, _WANDER)]
    usual = (_BEND[1], _OWN[1]) if law else (0.0, _FREE)
    prior = _prior(n, np.array([len(s.loss) > 0 for s in sizes]), k_scale, usual, law=law)
    lacking = law and any(len(s.loss) < 2 for s in sizes)
    evidence = np.stack([_likelihood(whitened[d], s, w, prior, edges)[0] for d, s, w in grid])
    may = list(product(_BEND, _OWN)) if lacking else [usual]
    heaviest = _heaviest(evidence, _MOST_SETTINGS)
    kept = [(*grid[i], level) for i, h in heaviest for level in _levels(n, prior, h, may)]
    weighed = _weighed(_settings(whitened, kept, edges))
    unit = float(np.sqrt(np.mean(binomial_unit(np.concatenate([s.loss for s in sizes])) ** 2)))
    return Pooled(tuple(sizes), middle, edges, span, weighed, whitened, unit)


def _settings(
    whitened: tuple[tuple[_Whitened, ...], ...], asked: list[tuple[int, float, float, _Prior]], edges: np.ndarray
) -> list[_Setting]:
    """Settings of drift, noise, wander and one row of a prior, their weights log likelihoods; alike ones at once."""
    alike: dict[tuple[int, float, float], list[int]] = {}
    for i, (drift, noise, wander, _) in enumerate(asked):
        alike.setdefault((drift, noise, wander), []).append(i)
    told: dict[int, _Setting] = {}
    for (drift, noise, wander), places in alike.items():
        priors = [asked[i][3] for i in places]
        found = _posterior(whitened[drift], noise, wander, _together(priors), edges)
        for i, prior, likelihood, mean, root in zip(places, priors, *found, strict=True):
            told[i] = _Setting(drift, noise, wander, prior, float(likelihood), mean, root)
    return [told[i] for i in range(len(asked))]


def _together(priors: list[_Prior]) -> _Prior:
    """The rows of several priors as one."""
    rows = ((p.shape, p.root, p.shared) for p in priors)
    return _Prior(*(np.concatenate(part) for part in zip(*rows, strict=True)))


def _weighed(settings: list[_Setting]) -> tuple[_Setting, ...]:
    """The settings that carry the weight, their log likelihoods turned into shares."""
    likelihood = np.array([s.weight for s in settings])
    kept = [settings[i] for i, _ in _heaviest(likelihood[:, None], _MOST_SETTINGS)]
    total = np.logaddexp.reduce([s.weight for s in kept])
    return tuple(replace(s, weight=float(np.exp(s.weight - total))) for s in kept)


def _heaviest(evidence: np.ndarray, most: int) -> list[tuple[int, int]]:
    """The entries that carry 99 % of the weight, at most so many, heaviest first."""
    weight = np.exp(evidence - evidence.max()).ravel()
    order = np.argsort(-weight, kind="stable")
    total = np.cumsum(weight[order]) / weight.sum()
    kept = order[: min(int(np.searchsorted(total, 0.99)) + 1, most)]
    return [(int(i), int(h)) for i, h in zip(*np.unravel_index(kept, evidence.shape), strict=True)]


def _middle(sizes: list[Size]) -> tuple[float, float]:
    """Intercept and slope, in ln N, of the middle of the curves; short ones are left out where there are long ones."""
    longest = max(len(np.unique(s.log_x)) for s in sizes)
    long = [s for s in sizes if len(np.unique(s.log_x)) >= max(longest / 2, 1)]
    n = np.log([s.params for s in long])
    middles = np.array([(s.log_x.min() + s.log_x.max()) / 2 for s in long])
    if np.ptp(n) == 0:
        return float(middles.mean()), 0.0
    slope, intercept = np.polyfit(n, middles, 1)
    return float(intercept), float(slope)


def _span(sizes: list[Size], turns: np.ndarray) -> tuple[float, float]:
    """Ends of what was seen of any size, ln X from the middle."""
    seen = [s.log_x - t for s, t in zip(sizes, turns, strict=True) if len(s.log_x)]
    return float(min(z.min() for z in seen)), float(max(z.max() for z in seen))


def _design(z: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """(M, 2 + J): the level, the way from the middle against the fall, and the way within each stretch."""
    way = np.clip(z[:, None], edges[:-1], edges[1:]) - np.clip(0.0, edges[:-1], edges[1:])
    return np.concatenate([np.ones((len(z), 1)), -z[:, None], -way], axis=1)


def _pilot(size: Size) -> tuple[float, float] | None:
    """Slope of the straight line, and scatter of the loss about a parabola; None with fewer than three places."""
    if len(np.unique(size.log_x)) < 3:
        return None
    z, y = size.log_x - size.log_x.mean(), np.log(size.loss)
    degree = min(2, len(np.unique(z)) - 2)
    left = size.loss * (y - np.polyval(np.polyfit(z, y, degree), z))
    return -float(np.polyfit(z, y, 1)[0]), float(np.sqrt(np.sum(left**2) / max(len(z) - degree - 1, 1)))


def _prior(n: np.ndarray, measured: np.ndarray, k_scale: float, level: tuple[float, float], *, law: bool) -> _Prior:
    """Every law of the size, scatter about it and shared walk, for one bend and scatter of the levels."""
    largest = np.exp(n[measured].max())
    shapes = _shapes(np.exp(n), largest) if law else [np.zeros(len(n))]
    rows = list(product(shapes, _SCATTER if law else (1.0,), _SHARED if law else (0.0,)))
    roots = np.stack([_root(n, k_scale, shape, scatter, *level) for shape, scatter, _ in rows])
    return _Prior(np.stack([s for s, _, _ in rows]), roots, np.array([(v * k_scale) ** 2 for _, _, v in rows]))


def _levels(n: np.ndarray, prior: _Prior, h: int, may: list[tuple[float, float]]) -> list[_Prior]:
    """One row of a prior, for everything that levels may do: bends in ln N, and scatter about them."""
    told = []
    for bend, own in may:
        C = prior.root[h] @ prior.root[h].T
        C[::2, ::2] = _level(n, bend, own)
        told.append(_Prior(prior.shape[h : h + 1], np.linalg.cholesky(C)[None], prior.shared[h : h + 1]))
    return told


def _root(n: np.ndarray, k_scale: float, shape: np.ndarray, scatter: float, bend: float, own: float) -> np.ndarray:
    C = np.zeros((2 * len(n), 2 * len(n)))
    C[::2, ::2] = _level(n, bend, own)
    C[1::2, 1::2] = k_scale**2 * (9 * np.outer(shape, shape) + scatter**2 * np.eye(len(n)))
    return np.linalg.cholesky(C)


def _level(n: np.ndarray, bend: float, own: float) -> np.ndarray:
    """(R, R) covariance of levels: any straight line in ln N, an integrated random walk about it, each size's own."""
    about, rise = n - n.mean(), n - n.min()
    near, far = np.minimum.outer(rise, rise), np.maximum.outer(rise, rise)
    return 100 + np.outer(about, about) + bend**2 * near**2 * (3 * far - near) / 6 + own**2 * np.eye(len(n))


def _shapes(params: np.ndarray, largest: float) -> list[np.ndarray]:
    """k over the sizes up to a factor, 1 at the largest size seen: saturating from flat to proportional, and powers."""
    ends = np.log(params.min() / 3), np.log(params.max() * 10)
    shapes = [np.ones(len(params))]
    shapes += [(1 + N_0 / largest) / (1 + N_0 / params) for N_0 in np.exp(np.linspace(*ends, _SATURATING))]
    return shapes + [(params / largest) ** p for p in _POWERS]


def _whiten(size: Size, turn: float, edges: np.ndarray, drift: tuple[float, float]) -> _Whitened:
    z, y = size.log_x - turn, np.log(size.loss) - size.level
    X = _design(z, edges)
    if not len(z):
        return _Whitened(np.zeros(0), X, y, np.zeros((0, 0)), 0.0)
    share, memory = drift
    order = np.concatenate([np.arange(c) for c in np.unique(size.run, return_counts=True)[1]])
    same = size.run[:, None] == size.run[None]
    lasting = same * memory ** np.abs(np.subtract.outer(order, order)) if share else 0.0
    expected = _smooth(size)
    root = np.linalg.cholesky(((1 - share) * np.eye(len(z)) + share * lasting) / np.outer(expected, expected))
    inverse = np.linalg.inv(root)
    walk, basis = np.linalg.eigh(inverse @ _walk(z, z) @ inverse.T)
    turned = basis.T @ inverse
    logs = 2 * float(np.log(np.diag(root)).sum())
    return _Whitened(np.maximum(walk, 0), turned @ X, turned @ y, turned.T, logs)


def _smooth(size: Size) -> np.ndarray:
    """(n,) loss along the size's own parabola in log-log, to turn errors of the loss into those of its logarithm."""
    z, y = size.log_x - size.log_x.mean(), np.log(size.loss)
    degree = min(2, len(np.unique(z)) - 1)
    return np.clip(np.exp(np.polyval(np.polyfit(z, y, degree), z)), 0.005, 1.0)


def _walk(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Covariance of a random walk that starts at 0 and goes both ways, unit variance over a unit."""
    same_side = np.multiply.outer(a, b) > 0
    return np.where(same_side, np.minimum.outer(np.abs(a), np.abs(b)), 0.0)


def _posterior(
    whitened: tuple[_Whitened, ...], noise: float, wander: float, prior: _Prior, edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(H,) log marginal likelihoods, (H, P) posterior means and (H, P, P) roots of the covariance; P = 2R + J."""
    likelihood, inner, half = _likelihood(whitened, noise, wander, prior, edges)
    lines = prior.root.shape[1]
    root = np.zeros_like(inner)
    root[:, :lines, :lines] = prior.root
    np.einsum("hii->hi", root)[:, lines:] = _stretches(prior, edges)
    back = root @ np.linalg.inv(inner).swapaxes(1, 2)
    return likelihood, (back @ half[..., None])[..., 0], back


def _likelihood(
    whitened: tuple[_Whitened, ...], noise: float, wander: float, prior: _Prior, edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(H,) log marginal likelihoods, and what the posterior follows from: (H, P, P) `inner` and (H, P) `half`.

    With the precision G and the pull g of the points, and the root S of the prior covariance, `inner` is the Cholesky
    root of 1 + S' G S, and `half` solves inner half = S' g. The pull stands below the matrix as one more row of it, so
    that the one decomposition gives both.
    """
    (H, R), J = prior.shape.shape, len(edges) - 1
    A, b, rest = _told(whitened, noise, wander)
    G_lines = np.zeros((R, 2, R, 2))
    G_lines[np.arange(R), :, np.arange(R)] = A[:, :2, :2]
    root, stretch, P = prior.root, _stretches(prior, edges), 2 * R + J
    M = np.zeros((H, P + 1, P + 1))
    M[:, : 2 * R, : 2 * R] = root.swapaxes(1, 2) @ (G_lines.reshape(2 * R, 2 * R) @ root)
    across = np.einsum("hr,rij->hjri", prior.shape, A[:, :2, 2:]).reshape(H, J, 2 * R)
    M[:, 2 * R : P, : 2 * R] = stretch[:, :, None] * (across @ root)
    walk = (prior.shape**2 @ A[:, 2:, 2:].reshape(R, J * J)).reshape(H, J, J)
    M[:, 2 * R : P, 2 * R : P] = stretch[:, :, None] * walk * stretch[:, None]
    M[:, P, : 2 * R] = b[:, :2].ravel() @ root
    M[:, P, 2 * R : P] = stretch * (prior.shape @ b[:, 2:])
    np.einsum("hii->hi", M)[:] += 1
    M[:, P, P] = 1 + np.sum(M[:, P, :P] ** 2, axis=1)  # whatever keeps it positive
    whole = np.linalg.cholesky(M)
    inner, half = whole[:, :P, :P], whole[:, P, :P]
    logs = 2 * np.log(np.einsum("hii->hi", inner)).sum(axis=1)
    return -0.5 * (rest + logs - np.sum(half**2, axis=1)), inner, half


def _told(whitened: tuple[_Whitened, ...], noise: float, wander: float) -> tuple[np.ndarray, np.ndarray, float]:
    """What the points of each size tell: (R, 2 + J, 2 + J) precisions, (R, 2 + J) pulls, and what no prior changes."""
    variances = [noise**2 + wander**2 * seen.walk for seen in whitened]
    turned = [seen.X.T / v for seen, v in zip(whitened, variances, strict=True)]
    A = np.stack([t @ seen.X for t, seen in zip(turned, whitened, strict=True)])
    b = np.stack([t @ seen.y for t, seen in zip(turned, whitened, strict=True)])
    parts = [np.sum(s.y**2 / v) + np.log(v).sum() + s.logs for s, v in zip(whitened, variances, strict=True)]
    return A, b, float(np.sum(parts))


def _stretches(prior: _Prior, edges: np.ndarray) -> np.ndarray:
    """(H, J) scatter of the shared walk over each stretch."""
    return np.sqrt(np.outer(prior.shared, np.diff(edges)))
