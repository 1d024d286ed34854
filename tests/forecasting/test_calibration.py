import numpy as np
import polars as pl
import pytest

import rlaw
from rlaw.fitting.curves import first_steps
from rlaw.fitting.selection import curves_of
from rlaw.forecasting.calibration import Backtest, backtest, calibrate_by_cut, calibrated
from rlaw.forecasting.predictors import others_longer, pooled_ladder
from rlaw.measurements.frame import Frame
from rlaw.testing.studies import Truth, study


def sigmoids(seed=0, steps=60):
    """A ladder that hardly moves at first, then falls: curves that a straight line in log-log misses."""
    rng = np.random.default_rng(seed)
    tables = []
    for N, floor, middle in ((1e8, 0.55, 30), (3e8, 0.5, 25), (1e9, 0.4, 22), (3e9, 0.3, 18), (1e10, 0.25, 15)):
        step = np.arange(1, steps + 1)
        loss = floor + (0.93 - floor) / (1 + (step / middle) ** 1.8) + 0.004 * rng.standard_normal(steps)
        columns = {"params": np.full(steps, N), "step": step, "data_size": step * 256.0, "test_loss": loss}
        tables.append(pl.DataFrame(columns))
    return Frame.of(pl.concat(tables), "sigmoids")


@pytest.fixture(scope="module")
def bent():
    curves, _ = curves_of(sigmoids(), axis="data", window=":20")
    return curves, pooled_ladder(curves)


def test_intervals_widen_where_what_is_seen_was_missed(bent):
    curves, sizes = bent
    x = np.array([256 * 40.0])
    told = calibrate_by_cut(curves, np.log(2), level=0.9, seed=0)
    assert told.factor > 1.5
    assert told.sizes == 5
    assert "widened" in {c.code for c in told.cautions()}
    plain, wide = (calibrated(curves, 2, sizes, x, t, draws=200, level=0.9, seed=0) for t in (Backtest(), told))
    assert np.log(wide.measured).std() > 1.3 * np.log(plain.measured).std()


def test_a_widening_leaves_the_middle_where_it_was(bent):
    curves, sizes = bent
    x = np.array([256 * 40.0])
    plain, wide = (
        calibrated(curves, 2, sizes, x, Backtest(5, factor=f), draws=200, level=0.9, seed=0) for f in (1.0, 2.0)
    )
    assert wide.middle == pytest.approx(plain.middle)


def test_curves_that_bend_get_sigmoids_and_straight_ones_do_not():
    later, _ = curves_of(sigmoids(), axis="data", window=":40")
    assert calibrate_by_cut(later, np.log(1.5), level=0.9, seed=0).bent
    straight, _ = curves_of(study(Truth(with_items=False, steps=40), seed=0), axis="data")
    told = calibrate_by_cut(straight, np.log(2), level=0.9, seed=0)
    assert not told.bent
    assert told.factor < 1.3


def test_a_held_out_size_is_judged_by_the_other_sizes_cut_as_short():
    curves, _ = curves_of(study(Truth(with_items=False, steps=40), seed=0), axis="data")
    early = np.ones_like(curves.present)
    early[6] = curves.step[6] <= 5
    seen = curves.where(early)
    told = backtest(seen, 6, pooled_ladder(seen, 6), np.array([20_000.0]), level=0.9, seed=0)
    assert told.sizes == 6
    assert 1 <= told.factor < 2


def test_the_rest_of_bent_curves_lies_inside_the_intervals():
    told = rlaw.compare(sigmoids(), laws=["auto"], axis="data", cut=20, draws=100).score("auto")
    assert told.coverage > 0.7  # 0.2 to 0.4 without the backtest


def test_a_size_with_several_runs_has_as_many_steps_as_one_of_them():
    truth = Truth(steps=40, runs=(1, 1, 1, 1, 1, 1, 3), with_items=False)
    rows = study(truth, 0).rows.drop("base_loss").filter((pl.col("params") < 70e9) | (pl.col("step") <= 10))
    curves, _ = curves_of(Frame.of(rows, "three short runs"), axis="data")
    assert curves.steps.tolist() == [40] * 6 + [10]
    assert curves.counts.tolist() == [40] * 6 + [30]
    assert others_longer(curves, 6)
    early = first_steps(curves, 10)
    assert early.sum(axis=1).tolist() == [10] * 6 + [30]
    assert curves.step[early].max() == 10
    with_one = curves.where((curves.run < 1) & curves.present).compact()
    checks = [
        backtest(c, 6, pooled_ladder(c, 6), np.array([40 * 512.0]), level=0.9, seed=0) for c in (curves, with_one)
    ]
    assert checks[0].sizes == checks[1].sizes == 6
