"""Every figure: all it says can be read on an A4 page, and it speaks of what was measured."""

import numpy as np
import polars as pl
import pytest
from drawn_text import faults
from ladders import power_law, saturating, table

import rlaw
from rlaw.analysis.evidence import Evidence, gather
from rlaw.analysis.protocols import protocols
from rlaw.errors import DataError, NotFound
from rlaw.measurements import datasets
from rlaw.reporting.figures import FIGURES, OF_TABLES, Figure, draw, drawing_style
from rlaw.reporting.tables.thresholds import of_threshold
from rlaw.store import Store

A4_TEXT_INCHES = 6.3


@pytest.fixture(scope="module")
def drawn(evidence: Evidence) -> dict[str, Figure]:
    with drawing_style():
        return {name: function(evidence).settle() for name, function in FIGURES.items()}


@pytest.mark.parametrize("name", FIGURES)
def test_all_text_is_large_enough_whole_and_apart(name: str, drawn: dict[str, Figure]):
    with drawing_style():
        assert faults(drawn[name].canvas) == []
    assert drawn[name].canvas.get_size_inches()[0] <= A4_TEXT_INCHES


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_a_name_a_caption_and_a_caution(name: str, drawn: dict[str, Figure]):
    figure = drawn[name]
    assert figure.name == name
    assert figure.title
    assert figure.caption.endswith(".")
    assert figure.caveat.endswith(".")
    assert "nan" not in figure.caption.split()
    assert name in FIGURES.titles


def test_fonts_are_embedded_as_outlines_that_printers_take(drawn: dict[str, Figure]):
    pdf = drawn["loss-compute"].render("pdf")
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("response-length", "qwen2.5-math-length"),
        ("transfer", "qwen2.5-math-transfer"),
        ("reuse", "qwen2.5-math-reuse"),
        ("reuse-schedule", "qwen2.5-math-reuse"),
    ],
)
def test_bundled_tables_are_drawn_with_their_caveats(name: str, source: str):
    figure = draw(name, source, draws=20)
    with drawing_style():
        assert faults(figure.canvas) == []
    assert all(caveat in figure.caption for caveat in datasets.get(source).caveats)


def test_a_table_without_losses_is_told_which_figure_it_has():
    with pytest.raises(DataError, match="next: response-length"):
        draw("loss-data", "qwen2.5-math-length")
    assert set(OF_TABLES) <= set(FIGURES)


def test_an_unknown_name_gets_the_list():
    with pytest.raises(NotFound, match=r"choose one of loss-compute, .*, arms"):
        draw("figure-1", "qwen2.5-math-base")


def test_variants_get_panels_of_their_own():
    both = pl.concat([table(power_law(saturating), variant=v, seeds=1) for v in ("base", "instruct")])
    evidence = gather(both, draws=20)
    with drawing_style():
        figure = FIGURES["inter-model"](evidence).settle()
        assert faults(figure.canvas) == []
    heads = [axes.get_title(loc="left") for axes in figure.canvas.axes]
    assert heads == ["base", "base", "instruct", "instruct"]
    assert {(p.variant, p.axis) for p in protocols(evidence)} == {
        (variant, axis) for variant in ("base", "instruct") for axis in ("compute", "data")
    }


def test_the_held_out_size_is_not_in_the_fit_and_its_points_are_hollow():
    evidence = gather(table(power_law(saturating), seeds=1), draws=20)
    inter = next(p for p in protocols(evidence) if p.name == "inter" and p.axis == "compute")
    assert inter.fit is not None
    assert inter.fit.held_out is not None
    largest = evidence.sizes[-1].model
    assert inter.fit.held_out.model == largest
    assert largest not in inter.fit.curves.models
    with drawing_style():
        axes = FIGURES["inter-model"](evidence).settle().canvas.axes[0]
    hollow = [line for line in axes.lines if line.get_markerfacecolor() == "white" and len(line.get_xdata())]
    xs = np.concatenate([np.asarray(line.get_xdata()) for line in hollow])
    own = evidence.mean_curves.filter((pl.col("model") == largest) & (pl.col("step") > 0))
    assert sorted(xs) == pytest.approx(sorted(own["compute_flops"]))


def test_intra_sees_nothing_after_its_cut():
    evidence = gather(table(power_law(saturating), seeds=1), draws=20)
    intra = next(p for p in protocols(evidence) if p.name == "intra" and p.axis == "data")
    assert intra.fit is not None
    assert intra.fit.curves.step[intra.fit.curves.present].max() == intra.cut == 16
    assert intra.score is not None
    with drawing_style():
        assert f"on {intra.score.points} held-out points" in FIGURES["intra-model"](evidence).caption


def test_points_that_a_forecast_saw_are_filled_and_the_others_hollow():
    """The bundled curves have no step 0: the anchored forecast saw the first evaluation of its target."""
    panels = draw("forecasts", "qwen2.5-math-base", draws=20).canvas.axes
    marked = [[line for line in panel.lines if line.get_linestyle() == "None"] for panel in panels]
    filled = [np.size(lines[0].get_xdata()) for lines in marked]
    assert filled == [0, 1, 26]
    assert [np.size(lines[1].get_xdata()) for lines in marked] == [103 - n for n in filled]


def test_passes_in_another_order_are_drawn_apart_from_passes_that_repeat():
    def arm(tau: int, **how: str) -> pl.DataFrame:
        name = "-".join(("tau", str(tau), *how.values())) if tau > 1 else "main"
        return table(power_law(saturating), params=(1e5,), seeds=1, tau=float(tau), arm=name, order="shuffled", **how)

    both = {"subsets": "independent", "schedule": "repeated"}
    nested = {"subsets": "nested", "schedule": "repeated"}
    reshuffled = {"subsets": "independent", "schedule": "reshuffled"}
    arms = [arm(1, **both), arm(4, **both), arm(8, **both), arm(8, **nested), arm(8, **reshuffled)]
    figure = draw("reuse-schedule", pl.concat(arms), draws=20)
    names = [label.get_text() for label in figure.canvas.axes[0].get_yticklabels()]
    assert names == ["τ 1", "τ 4, repeated", "τ 8, repeated", "τ 8, reshuffled"]
    for words in (
        "Dots: passes that meet them in an order of their own",
        "τ 4: 1/4, τ 8: 1/8",
        "Order within a pass: shuffled",
        "Subsets independent (τ 4, 8): every τ",
        "Subsets nested (τ 8): the unique",
    ):
        assert words in figure.caption


def test_more_draws_and_another_seed_are_heeded_by_every_figure_that_draws(store: Store):
    evidence = [gather(store.path, draws=n, seed=s) for n, s in ((40, 0), (80, 0), (40, 1))]
    for name in ("allocation", "forecasts", "frontier", "decomposition", "efficiency-fits"):
        with drawing_style():
            pictures = {FIGURES[name](evidence).settle().render("svg") for evidence in evidence}
        assert len(pictures) == 3, name


def test_threshold_laws_have_a_picture_and_a_table_of_every_group():
    depths = [2, 3, 4, 6, 8]
    rows = [(f"logic {g}", d, s, (10 + s) * d**g) for g in (1, 2) for d in depths for s in (0, 1)]
    runs = pl.DataFrame(rows, schema=["logic", "depth", "seed", "low"], orient="row").with_columns(
        low=pl.col("low").clip(0, 500), high=pl.when(pl.col("low") < 500).then(pl.col("low") * 1.1)
    )
    result = rlaw.threshold(runs, by="logic", draws=20)
    figure = rlaw.plot(result)
    with drawing_style():
        assert faults(figure.canvas) == []
    labels = [text.get_text() for text in figure.canvas.axes[0].get_legend().get_texts()]
    assert [label.partition(":")[0] for label in labels] == ["logic 1", "logic 2"]
    assert [row[0] for row in of_threshold(result).rows] == ["logic 1", "logic 2"]
    assert "gamma low" in of_threshold(result).csv()
