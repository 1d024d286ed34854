"""What every law must do. For a law of your own, in your tests::

    @pytest.mark.parametrize("check", rlaw.testing.laws.CHECKS, ids=lambda check: check.__name__)
    def test_my_law(check):
        check(MyLaw())

Each check raises AssertionError and says what it found.
"""

import re

import numpy as np

from rlaw.fitting.curves import Curves
from rlaw.fitting.objective import weights
from rlaw.fitting.solver import solve
from rlaw.laws import Law, Points, Theta

SIZES = 7
POINTS = 40
_MIDDLE = {"params": 7e9, "x": 1e18}  # of a ladder for a law whose parameters carry no unit


def ladder(law: Law, noise: float = 0.0, seed: int = 0, unit: float = 1.0) -> Curves:
    """Curves that follow the law's worked example, over two decades of size and of the axis.

    Args:
        law: the law to follow.
        noise: standard deviation of independent normal errors of the loss.
        seed: of the errors.
        unit: what the axis is multiplied by, as when FLOPs are given in PFLOPs.
    """
    at = _points(law)
    theta, coefficients = example(law)
    loss = np.broadcast_to(law.loss(theta, coefficients, at), at.x.shape)[0]
    loss = np.clip(loss + np.random.default_rng(seed).normal(0, noise, loss.shape), 1e-6, None)
    size, point = (a.ravel() for a in np.indices(loss.shape))
    return Curves.of(
        np.array([f"size-{r}" for r in size]),
        at.params[0, size, 0],
        at.x.ravel() * unit,
        loss.ravel(),
        step=point + 1,
        seed=np.zeros_like(size),
        items=np.full(size.shape, np.nan),
        base_loss=at.base_loss[0, size, 0],
    )


def example(law: Law) -> tuple[Theta, np.ndarray]:
    """Parameters and coefficients (1, R, C) of the worked example, the same for every size."""
    values, n = law.example, len(law.parameters)
    shared = [np.full((1, 1, 1), v) for v in values[: len(law.shared)]]
    local = [np.full((1, SIZES, 1), v) for v in values[len(law.shared) : n]]
    return (*shared, *local), np.broadcast_to(np.array(values[n:], float), (1, SIZES, len(law.coefficients)))


def _points(law: Law) -> Points:
    middle = dict(_MIDDLE)
    for p, value in zip(law.parameters, law.example, strict=False):
        if p.unit:
            middle[p.unit] = value
    params = middle["params"] * np.logspace(-1.2, 0.8, SIZES)[None, :, None]
    # each size has a grid of its own, as in compute, where larger models start later
    x = middle["x"] * np.logspace(-1.2, 1, POINTS)[None, None] * np.logspace(-0.3, 0.3, SIZES)[None, :, None]
    base_loss = np.linspace(0.97, 0.7, SIZES)[None, :, None]
    return Points.of(x, np.exp(np.log(x).mean(axis=-1, keepdims=True)), params, base_loss)


def says_what_it_is(law: Law) -> None:
    """Name, formula and source are there; bounds hold the starts; the worked example has a value for everything."""
    _require(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", law.name), f"name {law.name!r} is not lower-case words")
    _require(law.title and law.formula and law.source and law.__doc__, f"{law.name}: title, formula or source is empty")
    wanted = len(law.parameters) + len(law.coefficients)
    _require(len(law.example) == wanted, f"{law.name}: the example has {len(law.example)} values, not {wanted}")
    _require(len(law.coefficients) <= 2, f"{law.name}: at most two coefficients are solved in closed form")
    for p in law.parameters:
        _require(p.low < p.high and p.starts and p.text, f"{law.name}: {p.name} has no range, start or meaning")
        _require(all(p.low <= s <= p.high for s in p.starts), f"{law.name}: a start of {p.name} is out of its range")
        _require(p.log or not p.unit, f"{law.name}: {p.name} has a unit and must be searched on a logarithmic scale")


def stays_finite_and_positive(law: Law) -> None:
    """Every part is finite and >= 0 from a millionth to a million times the usual x."""
    at = _points(law)
    theta, coefficients = example(law)
    for factor in (1e-6, 1.0, 1e6):
        far = Points.of(at.x * factor, at.x_ref, at.params, at.base_loss)
        for value in (*law.parts(theta, far), law.loss(theta, coefficients, far)):
            sound = np.isfinite(value).all() and (value >= 0).all()
            _require(sound, f"{law.name}: not finite and >= 0 at x · {factor}")


def many_draws_are_as_one_each(law: Law) -> None:
    """Evaluating a batch of draws gives what each draw gives alone."""
    at = _points(law)
    theta, coefficients = example(law)
    two = tuple(np.concatenate([t, 1.1 * t]) for t in theta)
    both = law.loss(two, np.concatenate([coefficients, coefficients]), at)
    alone = law.loss(tuple(1.1 * t for t in theta), coefficients, at)
    same = np.allclose(both[-1], alone[0], rtol=1e-12)
    _require(same, f"{law.name}: the second of two draws differs from it alone")


def noiseless_data_give_back_the_law(law: Law) -> None:
    """Data that follow the worked example give back its parameters, whichever space is fitted."""
    curves = ladder(law)
    for space in ("loss", "log"):
        found = solve(law, curves.at, curves.loss, weights(curves, space, "equal"), space)
        left = found.objective[0]
        _require(left < 1e-12, f"{law.name}: {space} residual {left:.3g} on data of its own")
        for p, t, value in zip(law.parameters, found.theta, law.example, strict=False):
            worst = float(np.max(np.abs(t / value - 1)))
            _require(worst < 1e-3, f"{law.name}: {p.name} = {t.ravel()} is not {value} (fitted in {space})")


def units_of_x_change_only_what_they_must(law: Law) -> None:
    """The axis in other units moves parameters with that unit by the same factor, and nothing else."""
    first = _fit(law, 1.0)
    for unit in (1e-12, 1e12):
        other = _fit(law, unit)
        for p, a, b in zip(law.parameters, first, other, strict=True):
            factor = unit if p.unit == "x" else 1.0
            worst = float(np.max(np.abs(b / factor / a - 1)))
            _require(worst < 1e-6, f"{law.name}: {p.name} moved by {worst:.2g} when x was multiplied by {unit:g}")


def _fit(law: Law, unit: float) -> Theta:
    curves = ladder(law, noise=0.003, seed=1, unit=unit)
    return solve(law, curves.at, curves.loss, weights(curves, "loss", "equal"), "loss").theta


def _require(holds: object, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


CHECKS = (
    says_what_it_is,
    stays_finite_and_positive,
    many_draws_are_as_one_each,
    noiseless_data_give_back_the_law,
    units_of_x_change_only_what_they_must,
)
