"""Every table, as text, CSV and LaTeX."""

import csv
import io
import shutil
import subprocess
from pathlib import Path

import polars as pl
import pytest
from ladders import power_law, saturating, table

from rlaw.analysis.evidence import Evidence, gather
from rlaw.errors import DataError, NotFound
from rlaw.fitting.interval import Interval
from rlaw.reporting.tables import TABLES, Number, Table, make
from rlaw.reporting.tables.latex import escape


@pytest.fixture(scope="module")
def tables(evidence: Evidence) -> dict[str, Table]:
    made, left_out = TABLES.make_all(evidence)
    assert left_out == {}
    return made


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_rows_as_wide_as_its_head(name: str, tables: dict[str, Table]):
    told = tables[name]
    assert told.name == name
    assert name in TABLES.titles
    assert told.rows
    assert {len(row) for row in told.rows} == {len(told.columns)}
    rows = list(csv.reader(io.StringIO(told.csv())))
    assert len(rows) == len(told.rows) + 1
    assert len({len(row) for row in rows}) == 1


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_sound_latex(name: str, tables: dict[str, Table]):
    text = tables[name].latex()
    assert text.isascii()
    lines = [line.replace(r"\&", "").count("&") for line in text.splitlines() if line.endswith(r" \\")]
    assert set(lines) == {len(tables[name].columns) - 1}
    assert len(lines) - len(tables[name].rows) in (1, 2)  # the head, on the first page and on others
    plain = text.replace(r"\{", "").replace(r"\}", "")
    assert plain.count("{") == plain.count("}")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed: tables are not compiled")
def test_latex_sets_every_table_within_the_margins(tables: dict[str, Table], tmp_path: Path):
    many = tuple((f"a_{i} & b", "τ ≈ 2 %", "all that is told of it in a cell of its own, and more") for i in range(90))
    long = Table("long", "More rows than a page has", ("#", "x^2", "~"), many, strong=frozenset({(1, 1)}))
    every = {**tables, "long": long}
    for name, told in every.items():
        (tmp_path / f"{name}.tex").write_bytes(told.render("tex"))
    inputs = "".join(rf"\input{{{name}}}\clearpage" + "\n" for name in every)
    head = r"\documentclass[a4paper]{article}\usepackage{booktabs,graphicx,longtable}\begin{document}"
    (tmp_path / "every.tex").write_text(f"{head}\n{inputs}\\end{{document}}\n")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "every.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull \\hbox" not in done.stdout
    assert "Float too large" not in done.stdout


def test_a_number_keeps_its_interval_in_csv():
    told = Table("x", "c", ("size", "k"), (("a", Number(Interval(0.1234567891, 0.1, float("inf")))), ("b", "")))
    assert told.csv().splitlines() == ["size,k,k low,k high", "a,0.123457,0.1,inf", "b,,,"]


def test_what_latex_would_obey_is_printed():
    assert escape(r"a_b & 50% \input{x} $1^2~#") == (
        r"a\_b \& 50\% \textbackslash{}input\{x\} \$1\textasciicircum{}2\textasciitilde{}\#"
    )
    assert escape("模型 τ ≈ 2") == r"?? $\tau$ $\approx$ 2"


def test_a_formula_is_text_in_a_spreadsheet():
    told = Table("x", "c", ("size", "loss"), (("=cmd()", "-0.5"), ("@a", "-b")))
    assert told.csv().splitlines()[1:] == ["'=cmd(),-0.5", "'@a,'-b"]


def test_pass_at_1_tells_the_last_and_the_best():
    rows = table(power_law(saturating), seeds=2, noise=0.0)
    dip = rows.with_columns(
        test_loss=pl.when((pl.col("step") == 8) & (pl.col("seed") == 1)).then(0.01).otherwise(pl.col("test_loss"))
    )
    evidence = gather(dip, draws=20)
    told = TABLES["pass-at-1"](evidence)
    line = dict(zip(told.columns, told.rows[0], strict=True))
    assert line["after RL"] == f"{1 - evidence.sizes[0].final_loss:.3f}"
    assert line["best of all"] == "0.990"


def test_repeats_of_single_runs_are_not_made_up():
    told = TABLES["repeats"](gather(table(power_law(saturating), seeds=1), draws=20))
    assert all(row[5] == row[6] == "" for row in told.rows)
    assert "run once" in told.caption


def test_a_table_tells_no_recipe_and_no_cost():
    made, left_out = TABLES.make_all(gather(table(power_law(saturating), seeds=1), draws=20))
    assert {"recipe", "runs", "phases", "benchmarks", "beyond", "contrasts"} == set(left_out)
    with pytest.raises(DataError, match="without the recipe"):
        TABLES["recipe"](gather(table(power_law(saturating), seeds=1), draws=20))
    assert "parameters" in made


def test_published_parameters_stand_in_the_table_of_protocols():
    told = make("efficiency-fits", "qwen2.5-math-base", draws=20)
    values = {(r[1], r[2]): (r[3], r[4]) for r in told.rows}
    for key, (K_max, N_0) in {("compute", "inter"): (0.1518, 17.37e9), ("data", "inter"): (0.1631, 16.95e9)}.items():
        found = values[key]
        assert isinstance(found[0], Number)
        assert isinstance(found[1], Number)
        assert found[0].interval.value == pytest.approx(K_max, rel=0.005)
        assert found[1].interval.value == pytest.approx(N_0, rel=0.005)


def test_an_unknown_table_gets_the_list():
    with pytest.raises(NotFound, match="choose one of parameters"):
        make("table-1", "qwen2.5-math-base")


def test_what_a_spreadsheet_would_run_or_a_terminal_obey_leaves_as_text():
    cells = ("=1+1", "\r=cmd|' /C calc'!A0", "\n@SUM(1)", "\t-2+3", "-0.5", "a\rb\u202ec\x9bd")
    table = Table("names", "caption", ("name",), tuple((cell,) for cell in cells))
    rows = table.csv().split("\n")[1:-1]
    assert rows == ["'=1+1", "' =cmd|' /C calc'!A0", "' @SUM(1)", "' -2+3", "-0.5", "a bcd"]


def test_a_latex_row_that_begins_with_a_bracket_or_a_star_is_no_argument_of_the_row_before():
    table = Table("names", "caption", ("name",), (("[0.1, 0.2]",), ("*best*",), ("plain",)))
    lines = table.latex().splitlines()
    assert {r"{}[0.1, 0.2] \\", r"{}*best* \\", r"plain \\"} <= set(lines)
