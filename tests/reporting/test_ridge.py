import numpy as np
import polars as pl
import pytest

from rlaw.analysis.evidence import Evidence, gather
from rlaw.errors import DataError
from rlaw.reporting.figures import Figure, drawing_style, ridge
from rlaw.testing.studies import Truth, study


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return gather(study(Truth(steps=60, drift=0.005, with_items=False), seed=0).rows, draws=300)


@pytest.fixture(scope="module")
def figure(evidence: Evidence) -> Figure:
    with drawing_style():
        return ridge.draw(evidence).settle()


def test_the_region_holds_about_nine_tenths_of_the_draws(evidence: Evidence, figure: Figure):
    law = evidence.law
    assert law is not None
    assert law.drawn is not None
    axes = figure.canvas.axes[0]
    outline = axes.collections[-1].get_paths()[0]
    K_max, N_0 = (values.ravel() for values in law.drawn.solution.theta)
    assert np.mean(outline.contains_points(np.column_stack([N_0, K_max]))) == pytest.approx(0.9, abs=0.03)


def test_every_size_left_out_is_marked_where_the_refit_without_it_lies(evidence: Evidence, figure: Figure):
    told = evidence.sensitivity
    assert told is not None
    marked = {line.get_label(): line.get_xydata()[0] for line in figure.canvas.axes[0].lines}
    for refit in told.sizes:
        size = refit.change.rpartition("-")[2]
        assert marked[f"without {size}"] == pytest.approx([refit.values["N_0"].value, refit.values["K_max"].value])


def test_the_caption_tells_what_the_points_are(figure: Figure):
    assert "bootstrap draws" in figure.caption
    assert "densest 90%" in figure.caption
    assert "do not tell" not in figure.caption


def test_without_a_law_of_k_max_and_n_0_there_is_no_ridge():
    rows = study(Truth(steps=20, with_items=False), seed=0).rows.filter(pl.col("model") == "7B")
    with pytest.raises(DataError, match="no law with K_max and N_0"):
        ridge.draw(gather(rows, draws=20))


def test_draws_at_the_bounds_of_the_search_make_no_ridge(monkeypatch):
    monkeypatch.setattr("rlaw.fitting.bootstrap.measure", lambda *_: None)  # sizes beside the law would leave the bound
    rows = study(Truth(steps=30, with_items=False), seed=0).rows
    falling = rows.with_columns(test_loss=0.9 * pl.col("data_size") ** (-0.2 * (pl.col("params") / 1e8) ** -0.2))
    with pytest.raises(DataError, match="within their bounds: too few"):
        ridge.draw(gather(falling, draws=50))
