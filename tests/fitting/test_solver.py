import numpy as np
import pytest
from scipy.optimize import least_squares

from rlaw import laws
from rlaw.fitting.objective import target, weights
from rlaw.fitting.solver import levels, solve
from rlaw.testing.laws import ladder

PER_SIZE = [law for law in laws.LAWS.values() if law.local and not law.shared]


def objective(law, curves, theta, coefficients, space):
    residual = target(curves.loss, space) - target(law.loss(theta, coefficients, curves.at), space)
    return float(np.sum(weights(curves, space, "equal") * residual**2))


@pytest.mark.parametrize("space", ["loss", "log"])
@pytest.mark.parametrize("name", ["saturating", *(law.name for law in PER_SIZE)])
def test_no_general_optimiser_finds_a_lower_objective(name, space):
    law = laws.get(name)
    curves = ladder(law, noise=0.01, seed=3)
    w = weights(curves, space, "equal")
    ours = solve(law, curves.at, curves.loss, w, space)
    n = [t.size for t in ours.theta]
    start = np.concatenate([*(np.log(t.ravel()) for t in ours.theta), np.log(ours.coefficients.ravel() + 1e-9)])

    def residual(v):
        values = np.split(np.exp(v), np.cumsum(n))
        theta = tuple(a.reshape(t.shape) for a, t in zip(values, ours.theta, strict=False))
        fitted = law.loss(theta, values[-1].reshape(ours.coefficients.shape), curves.at)
        return (np.sqrt(w) * (target(curves.loss, space) - target(fitted, space))).ravel()

    theirs = 2 * least_squares(residual, start, xtol=1e-15, ftol=1e-15, gtol=1e-15).cost
    assert ours.objective[0] == pytest.approx(objective(law, curves, ours.theta, ours.coefficients, space), rel=1e-9)
    assert ours.objective[0] <= theirs * (1 + 1e-6)


def test_a_batch_of_draws_is_solved_as_each_draw_alone():
    law = laws.get("sigmoid")
    curves = ladder(law, noise=0.005, seed=0)
    drawn = curves.loss + np.random.default_rng(1).normal(0, 0.005, (5, *curves.loss.shape))
    w = weights(curves, "loss", "equal")
    together = solve(law, curves.at, drawn, w, "loss")
    alone = [solve(law, curves.at, d, w, "loss").objective[0] for d in drawn]
    assert together.objective == pytest.approx(alone, rel=1e-6)


def test_sixty_four_starts_end_in_the_same_optimum():
    law = laws.get("saturating")
    curves = ladder(law, noise=0.01, seed=5)
    w = weights(curves, "loss", "equal")
    best = solve(law, curves.at, curves.loss, w, "loss")
    rng = np.random.default_rng(0)
    for _ in range(64):
        theta = (np.full((1, 1, 1), rng.uniform(0.02, 1)), np.full((1, 1, 1), 10 ** rng.uniform(8, 12)))
        start = type(best)(theta, best.coefficients, best.objective, best.bound)
        found = solve(law, curves.at, curves.loss, w, "loss", start=start)
        assert found.objective[0] == pytest.approx(best.objective[0], rel=1e-8)
        assert found.theta[1].ravel()[0] == pytest.approx(best.theta[1].ravel()[0], rel=1e-4)


def test_a_floor_is_never_negative_and_the_gain_is_never_a_loss():
    law = laws.get("exponential")
    curves = ladder(laws.get("power"), noise=0.02, seed=2)
    found = solve(law, curves.at, curves.loss, weights(curves, "loss", "equal"), "loss")
    assert (found.coefficients >= 0).all()


def test_a_parameter_that_wants_beyond_its_range_is_reported_at_its_bound():
    law = laws.get("saturating")
    curves = ladder(laws.get("power"), noise=0.0)  # the same slope at every size: N_0 wants to be 0
    found = solve(law, curves.at, curves.loss, weights(curves, "loss", "equal"), "loss")
    assert found.bound[1].item() == -1
    assert found.theta[0].item() == pytest.approx(0.12, rel=2e-2)


def test_the_level_of_a_size_follows_from_the_law_of_the_others():
    law = laws.get("saturating")
    curves = ladder(law)
    largest = curves.pick(np.array([6]))
    others = curves.pick(np.arange(6))
    found = solve(law, others.at, others.loss, weights(others, "loss", "equal"), "loss")
    level = levels(law, found.theta, largest.at, largest.loss, weights(largest, "loss", "equal"), "loss")
    assert law.loss(found.theta, level, largest.at)[0] == pytest.approx(largest.loss, rel=1e-6)
