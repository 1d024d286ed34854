import numpy as np
import pytest

from rlaw.errors import NotIdentifiable
from rlaw.fitting.curves import Curves
from rlaw.fitting.selection import curves_of
from rlaw.forecasting.pooling import PooledSize, pool, sizes_of
from rlaw.forecasting.predictors import no_law, pooled_ladder
from rlaw.testing.studies import Truth, study

SIZES = (1e8, 3e8, 1e9, 3e9, 1e10, 3e10)


def size(params, slope, level=-0.1, noise=0.0, steps=60, seed=0, first=1.0):
    """A size whose curve is a straight line in log-log."""
    log_x = np.log(first * np.arange(1, steps + 1))
    scatter = noise * np.random.default_rng(seed).standard_normal(steps)
    loss = np.exp(level - slope * (log_x - np.log(first))) + scatter
    return PooledSize(f"{params:g}", params, log_x, loss, np.zeros(steps, int))


def empty(model, params):
    """A size without points."""
    return PooledSize(model, params, np.zeros(0), np.zeros(0), np.zeros(0, int))


def lawful(noise=0.0, first=1.0):
    """A ladder whose slopes saturate, 0.2 / (1 + 3e9 / N)."""
    return [size(N, 0.2 / (1 + 3e9 / N), -0.1, noise, seed=i, first=first) for i, N in enumerate(SIZES)]


def curves(sizes):
    """Curves of sizes with one run each."""
    counts = [len(s.loss) for s in sizes]
    step = np.concatenate([np.arange(1, n + 1) for n in counts])
    nothing = np.full(len(step), np.nan)
    return Curves.of(
        np.repeat([s.model for s in sizes], counts),
        np.repeat([s.params for s in sizes], counts),
        np.exp(np.concatenate([s.log_x for s in sizes])),
        np.concatenate([s.loss for s in sizes]),
        step=step,
        seed=np.zeros(len(step), int),
        items=nothing,
        base_loss=nothing,
    )


def test_a_size_without_points_gets_the_slope_of_the_law_that_made_the_others():
    sizes = [*lawful(noise=0.002), empty("new", 6e9)]
    pooled = pool(sizes)
    _, _, k = pooled.draw(6, np.log([100.0]), 2000, seed=0)
    low, high = np.quantile(k, [0.05, 0.95])
    assert low < 0.2 / (1 + 3e9 / 6e9) < high
    assert high - low < 0.08


def test_a_size_with_a_curve_of_its_own_keeps_it():
    sizes = lawful(noise=0.002)
    sizes[3] = size(3e9, 0.02, noise=0.002, seed=9)
    middle = pool(sizes).expected(3, np.log([60.0]))
    assert middle == pytest.approx(np.exp(-0.1 - 0.02 * np.log(60.0)), abs=0.005)


def test_the_unit_of_the_axis_changes_nothing():
    plain, scaled = (pool(lawful(noise=0.005, first=f)) for f in (1.0, 6e17))
    at = np.log([30.0, 200.0])
    assert scaled.expected(2, at + np.log(6e17)) == pytest.approx(plain.expected(2, at), rel=1e-6)


def test_the_interval_widens_past_the_last_point():
    pooled = pool(lawful(noise=0.005))
    true, dispersion, _ = pooled.draw(5, np.log([60.0, 600.0]), 1000, seed=0)
    assert true[:, 1].std() > 2 * true[:, 0].std()
    assert dispersion.min() > 0


def test_draws_of_two_sizes_share_what_the_ladder_shares_whatever_the_places_asked():
    pooled = pool([*lawful(noise=0.005), empty("a", 5e10), empty("b", 5.1e10)])
    k = [pooled.draw(r, np.log(x), 500, seed=0)[2] for r, x in ((6, [10.0]), (7, [10.0, 20.0, 30.0]))]
    assert np.corrcoef(*k)[0, 1] > 0.3


def test_the_same_seed_draws_the_same():
    pooled = pool(lawful(noise=0.005))
    first, second = (pooled.draw(1, np.log([5.0, 50.0]), 100, seed=3)[0] for _ in range(2))
    assert np.array_equal(first, second)


def test_long_runs_are_averaged_and_runs_stay_apart():
    curves, _ = curves_of(study(Truth(steps=450, runs=2, sizes=(1e9, 2e9), intercepts=(0, 0)), seed=0), axis="data")
    sizes = sizes_of(curves)
    assert [len(s.loss) for s in sizes] == [400, 400]
    assert all(np.all(np.diff(s.log_x[s.run == i]) > 0) for s in sizes for i in (0, 1))
    assert sizes[0].loss.mean() == pytest.approx(curves.loss[0, curves.present[0]].mean(), abs=1e-3)


def test_slopes_that_fall_with_size_tell_no_law():
    falling = [size(N, 0.2 - 0.03 * i) for i, N in enumerate(SIZES)]
    caution = no_law(curves(falling))
    assert caution is not None
    assert caution.code == "slopes-not-rising"
    assert pooled_ladder(curves(falling)).caution == caution


def test_without_a_law_a_size_is_not_drawn_to_the_others():
    falling = [size(N, 0.2 - 0.03 * i, noise=0.003, seed=i) for i, N in enumerate(SIZES)]
    short = size(6e10, 0.0, noise=0.003, steps=3, seed=8)
    pooled = pooled_ladder(curves([*falling, short]), target=6).pooled
    assert abs(pooled.expected(6, np.log([10.0]))[0] - np.exp(-0.1)) < 0.02


def test_two_sizes_tell_no_law_and_none_with_a_curve_is_refused():
    assert no_law(curves(lawful()[:2])).code == "too-few-sizes"
    with pytest.raises(NotIdentifiable, match="three evaluations"):
        no_law(curves([size(1e9, 0.1, steps=2)]))
