import dataclasses

import numpy as np
import pytest

from rlaw import laws
from rlaw.fitting.curves import Curves
from rlaw.fitting.diagnostics import cautions_of_fit
from rlaw.fitting.objective import weights
from rlaw.fitting.screening import collapsed, copies
from rlaw.fitting.selection import curves_of as curves_of_frame
from rlaw.fitting.solver import solve
from rlaw.fitting.trend import slopes
from rlaw.measurements.load import load
from rlaw.testing.laws import ladder


def codes_of(curves, name="saturating"):
    law = laws.get(name)
    found = solve(law, curves.at, curves.loss, weights(curves, "loss", "equal"), "loss")
    fitted = law.loss(found.theta, found.coefficients, curves.at)[0]
    return {c.code for c in cautions_of_fit(law, curves, fitted, found, slopes(curves), None)}


def rows(curves, **changes):
    r, m = np.nonzero(curves.present)
    columns = {
        "model": np.array(curves.models)[r],
        "params": curves.params[r],
        "x": curves.at.x[0, r, m],
        "loss": curves.loss[r, m],
        "step": curves.step[r, m],
        "seed": np.zeros_like(r),
        "items": np.full(len(r), np.nan),
        "base_loss": np.full(len(r), np.nan),
    }
    columns.update({name: np.asarray(make(columns)) for name, make in changes.items()})
    return columns


def curves_of(columns):
    return Curves.of(
        *(columns[n] for n in ("model", "params", "x", "loss")),
        **{n: columns[n] for n in ("step", "seed", "items", "base_loss")},
    )


def test_a_clean_ladder_gives_no_caution():
    assert codes_of(ladder(laws.get("saturating"), noise=0.002)) == set()


def test_slopes_that_jump_are_told_to_be_off_the_law():
    columns = rows(ladder(laws.get("saturating"), noise=0.001))
    columns["loss"] = np.where(columns["params"] == columns["params"].max(), columns["loss"] ** 2, columns["loss"])
    assert "slopes-off-law" in codes_of(curves_of(columns))


def test_equal_slopes_are_told_as_a_parameter_at_its_bound():
    assert "at-bound" in codes_of(ladder(laws.get("power"), noise=0.0))


def test_three_sizes_are_few():
    curves = ladder(laws.get("saturating"), noise=0.002).pick(np.array([0, 3, 6]))
    assert "few-sizes" in codes_of(curves)


def test_a_bend_beyond_the_ladder_is_told():
    curves = ladder(laws.get("saturating"), noise=0.0).pick(np.array([0, 1, 2, 3]))
    assert curves.params.max() < 13e9
    assert "n0-outside-ladder" in codes_of(curves)


def test_curves_of_another_shape_leave_a_trend_in_the_residuals():
    assert "residual-trend" in codes_of(ladder(laws.get("sigmoid"), noise=0.001), "power")


def test_pure_noise_is_no_better_explained_than_by_a_constant():
    assert "worse-than-baseline" in codes_of(ladder(laws.get("constant"), noise=0.01), "power")


def test_compute_that_falls_along_a_run_is_told():
    columns = rows(
        ladder(laws.get("saturating"), noise=0.002), x=lambda c: np.where(c["step"] == 30, c["x"] / 2, c["x"])
    )
    assert "non-monotone-compute" in codes_of(curves_of(columns))


def test_a_run_that_ends_where_it_began_after_a_good_middle_has_collapsed():
    columns = rows(ladder(laws.get("saturating")), loss=lambda c: np.where(c["step"] > 30, 0.99, c["loss"]))
    curves = curves_of(columns)
    assert collapsed(curves).any(axis=1).all()
    assert not collapsed(ladder(laws.get("saturating"), noise=0.02)).any()


def test_only_the_second_of_two_equal_runs_is_a_copy():
    first = rows(ladder(laws.get("saturating"), noise=0.01))
    second = first | {"seed": first["seed"] + 1}
    third = first | {"seed": first["seed"] + 2, "loss": first["loss"] + 1e-6}
    curves = curves_of({n: np.concatenate([a[n] for a in (first, second, third)]) for n in first})
    copied = copies(curves)
    assert (copied == (curves.run == 1)).all()


def best_so_far(curves):
    """The running minimum of every curve, as a log of the best checkpoint would tell it."""
    best = np.where(curves.present, np.minimum.accumulate(curves.loss, axis=1), curves.loss)
    return dataclasses.replace(curves, loss=best)


@pytest.mark.parametrize("noise", [0.003, 0.01])
@pytest.mark.parametrize("law", ["saturating", "exponential", "constant"])
def test_a_running_best_of_noisy_curves_is_told(law, noise):
    noisy = ladder(laws.get(law), noise=noise)
    assert "best-on-test" not in codes_of(noisy)
    assert "best-on-test" in codes_of(best_so_far(noisy))


@pytest.mark.parametrize("law", ["saturating", "sigmoid", "exponential", "constant"])
def test_curves_without_noise_may_fall_all_the_way(law):
    clean = ladder(laws.get(law), noise=0.0)
    assert "best-on-test" not in codes_of(clean)
    assert "best-on-test" not in codes_of(clean.where(np.arange(clean.loss.shape[1]) % 10 == 0).compact())


def test_one_curve_that_rises_once_is_no_running_best():
    curves = best_so_far(ladder(laws.get("saturating"), noise=0.01))
    loss = curves.loss.copy()
    loss[0, 20] = loss[0, 19] + 0.001
    assert "best-on-test" not in codes_of(dataclasses.replace(curves, loss=loss))


def test_the_real_curves_are_not_taken_for_a_running_best():
    curves, _ = curves_of_frame(load("qwen2.5-math-base"), axis="data")
    assert "best-on-test" not in codes_of(curves)


def noisy(loss, items, steps, seed, seeds=2):
    """Curves of one size whose runs measure the loss with so many problems."""
    rng = np.random.default_rng(seed)
    n = seeds * steps
    measured = 1 - rng.binomial(items, 1 - np.broadcast_to(loss, n)) / items
    columns = {"step": np.tile(np.arange(1, steps + 1), seeds), "seed": np.repeat(np.arange(seeds), steps)}
    columns |= {"items": np.full(n, float(items)), "base_loss": np.full(n, np.nan)}
    return Curves.of(np.full(n, "a"), np.full(n, 1e9), columns["step"] * 512.0, measured, **columns)


@pytest.mark.parametrize("steps", [6, 10])
def test_few_problems_do_not_make_honest_runs_break_down(steps):
    broken = [collapsed(noisy(0.7, 30, steps, seed, seeds=1)).any() for seed in range(400)]
    assert np.mean(broken) <= 0.02


def test_a_run_of_few_problems_that_breaks_down_is_still_found():
    loss = np.r_[0.7, 0.6, 0.5, 0.5, 0.9, 0.98, 1.0, 1.0]
    assert np.mean([collapsed(noisy(loss, 30, 8, seed, seeds=1)).any() for seed in range(50)]) > 0.7


def test_runs_that_never_solve_a_problem_neither_break_down_nor_copy_each_other():
    never = noisy(1.0, 500, 12, 0)
    assert (never.loss == 1).all()
    assert not collapsed(never).any()
    assert not copies(never).any()


def test_few_problems_repeat_by_chance_and_many_do_not():
    few, many = (noisy(0.95, items, 4, 0, seeds=1) for items in (10, 5000))
    for curves, copied in ((few, False), (many, True)):
        r = rows(curves)
        r["items"] = curves.items[0]
        twice = {n: np.concatenate([r[n], r[n] + (n == "seed")]) if n != "model" else np.tile(r[n], 2) for n in r}
        assert copies(curves_of(twice)).any() == copied
