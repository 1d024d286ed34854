"""`import rlaw`: what it offers, the same defaults as the commands, results that read well."""

import json
import subprocess
import sys

import polars as pl
import pytest

import rlaw
from rlaw.cli import main
from rlaw.errors import UsageError

DATA = "qwen2.5-math-base"


@pytest.fixture(scope="module")
def frame():
    return rlaw.load(DATA)


@pytest.fixture(scope="module")
def fit(frame):
    return rlaw.fit("saturating", frame, draws=50)


def test_the_names_on_offer_are_the_public_ones():
    code = "import rlaw; rlaw.load, rlaw.fit, rlaw.report; import rlaw.fitting.fit; print(*dir(rlaw))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = set(done.stdout.split())
    assert {"load", "fit", "forecast", "compare", "allocate", "plan", "run", "report", "plot", "figure"} <= names
    assert {"Study", "Store", "Frame", "Fit", "Forecast", "Allocation", "Comparison", "testing"} <= names
    assert not {"fitting", "errors", "import_module", "Any"} & names
    assert callable(rlaw.report)
    assert callable(rlaw.plan)


def test_a_name_that_is_not_there_says_which_are():
    with pytest.raises(AttributeError, match=r"'rlaw' has no attribute 'fot'; it has .*fit"):
        rlaw.fot  # noqa: B018


def test_import_rlaw_imports_nothing_heavy():
    heavy = ("numpy", "polars", "pydantic", "scipy", "typer")
    code = f"import sys, rlaw; print(set(sys.modules) & set({heavy}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("verb", "command"),
    [
        (lambda data: rlaw.fit("saturating", data), ["fit"]),
        (lambda data: rlaw.forecast(data, "largest", anchor="first:4"),
         ["forecast", "--target", "largest", "--anchor", "first:4"]),
        (rlaw.compare, ["compare"]),
        (lambda data: rlaw.allocate(data, compute=1e9), ["allocate", "--compute", "1e9"]),
    ],
    ids=["fit", "forecast", "compare", "allocate"],
)  # fmt: skip
def test_python_gives_the_numbers_of_the_command(verb, command, store, capsys):
    assert store.study.fit.window == "1:"
    assert main([command[0], str(store.path), *command[1:], "--where", "benchmark=held-out", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert verb(rlaw.load(store.path).where(benchmark="held-out")).to_json() == document


def test_the_declared_window_of_a_store_is_the_default(frame):
    from dataclasses import replace

    declared = replace(frame, window="10:")
    assert rlaw.fit("power", declared, intervals="none").settings["window"] == "10:"
    assert rlaw.fit("power", declared, window="1:", intervals="none").settings["window"] == "1:"


@pytest.mark.parametrize(
    "call",
    [
        lambda frame: rlaw.fit(frame, "saturating"),
        lambda frame: rlaw.forecast("saturating", frame),
        lambda frame: rlaw.compare("saturating"),
        lambda frame: rlaw.allocate("saturating", compute=1e20),
        lambda frame: rlaw.load(3),
    ],
)
def test_the_wrong_order_of_arguments_is_said(call, frame):
    with pytest.raises(UsageError, match="expected"):
        call(frame)


def test_results_have_a_short_repr_a_table_for_notebooks_and_a_polars_frame(frame, fit):
    results = [
        frame,
        fit,
        rlaw.forecast(fit, "72B", anchor="first:10", draws=20),
        rlaw.allocate(fit, compute=3e19, draws=20),
        rlaw.compare(frame, laws=["power"], cut=25, draws=20),
        rlaw.sensitivity(fit),
    ]
    for result in results:
        assert repr(result).startswith(f"<{type(result).__name__}: ")
        assert len(repr(result)) < 200
        assert "<table" in result._repr_html_()
        assert isinstance(result.to_frame(), pl.DataFrame)
        assert len(result.to_frame()) > 0
    assert {"k", "k_low", "k_high"} <= set(fit.to_frame().columns)


def test_names_in_the_data_are_text_in_a_notebook(frame):
    hostile = frame.rows.with_columns(model=pl.lit("<script>alert(1)</script>") + pl.col("model"))
    fit = rlaw.fit("power", hostile, axis="data", intervals="none")
    assert "<script>" not in fit._repr_html_()


def test_plot_draws_every_result_that_has_a_picture(frame, fit, tmp_path):
    results = [
        frame,
        fit,
        rlaw.forecast(fit, "72B", anchor="first:10", draws=20),
        rlaw.allocate(fit, compute=3e19, draws=20),
        rlaw.compare(frame, laws=["power"], cut=25, draws=20),
    ]
    for number, result in enumerate(results):
        figure = rlaw.plot(result)
        assert figure.save(tmp_path / f"{number}.pdf").read_bytes().startswith(b"%PDF")
        assert figure._repr_html_().startswith("<figure><svg")
    with pytest.raises(UsageError, match=r"ends in none of \.svg, \.pdf, \.png"):
        figure.save(tmp_path / "x.gif")
    with pytest.raises(UsageError, match="has no picture"):
        rlaw.plot(rlaw.fit("power", frame, axis="step", intervals="none"))


def test_figures_and_tables_are_made_by_name(tmp_path):
    assert rlaw.figure("loss-data", DATA, draws=20).save(tmp_path / "x.svg").exists()
    assert "Qwen2.5-72B" in rlaw.table("sizes", DATA, draws=20).csv()
