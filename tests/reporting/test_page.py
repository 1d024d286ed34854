"""The page as a reader gets it: whole, self-contained, the same every time, and safe with hostile names."""

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
from ladders import PARAMS, power_law, saturating, table

from rlaw.analysis.evidence import gather
from rlaw.analysis.findings import judge_all
from rlaw.cli import main
from rlaw.errors import RlawError, StoreError, UsageError
from rlaw.reporting import summary
from rlaw.reporting.figures import FIGURES, drawing_style, loss_curves
from rlaw.reporting.page import render
from rlaw.reporting.report import Report, report
from rlaw.store import Store

HOSTILE = "</script><img src=x onerror=alert(1)>{{7*7}}$\\frac{$\x1b[31m"
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """A page taken apart: its tags, attributes, ids and visible text, and whether every tag is closed in turn."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    @property
    def visible(self) -> str:
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="module")
def written(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Report:
    return report(store.path, tmp_path_factory.mktemp("out") / "report.html", draws=200, seed=0, forms=("pdf", "png"))


@pytest.fixture(scope="module")
def page(written: Report) -> Page:
    return Page(written.path.read_text())


def test_the_page_is_whole_and_every_tag_is_closed(page: Page):
    assert page.open == []
    assert page.tags.count("h1") == 1
    assert page.tags.count("svg") == page.tags.count("figure") == page.tags.count("figcaption") >= 7
    assert page.tags.count("caption") == page.tags.count("table")


def test_ids_stand_once_and_every_link_has_its_place(page: Page):
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    targets = {value.removeprefix("#") for name, value in page.attributes if name in ("href", "xlink:href") and value}
    assert targets <= set(ids)


def test_the_page_asks_nothing_of_any_other_place(written: Report, page: Page):
    text = written.path.read_text()
    elsewhere = r"(?i)\b(https?:)?//[a-z]|url\((?!#)|@import|<script|<link|<iframe|\bsrc=|javascript:"
    assert not re.search(elsewhere, text)
    policy = dict(page.attributes)["content"]
    assert "default-src 'none'" in text
    assert policy


def test_the_page_answers_the_question_of_the_study(page: Page):
    assert "does the <report> tell what the engine follows?" in page.visible
    for words in (
        "K_max 0.",
        "N_0 1",
        "best size by RL compute",
        "held-out error",
        "R² of ln k",
        "no model was trained",
    ):
        assert words.lower() in page.visible.lower()


def test_every_figure_is_on_the_page_and_in_three_files_beside_it(written: Report):
    names = {path.stem for path in written.figures}
    assert names == set(FIGURES)
    assert written.left_out == {}
    for name in names:
        files = {path.suffix: path.read_bytes() for path in written.figures if path.stem == name}
        assert files[".svg"].startswith(b"<?xml")
        assert files[".pdf"].startswith(b"%PDF")
        assert files[".png"].startswith(b"\x89PNG")
        assert b"Date" not in files[".pdf"] + files[".svg"]


def test_another_process_with_other_hashes_gives_the_same_bytes(written: Report, store: Store, tmp_path: Path):
    out = tmp_path / "report.html"
    command = [sys.executable, "-m", "rlaw", "report", str(store.path), "-o", str(out), "--draws", "200"]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONHASHSEED": "1"})
    assert out.read_bytes() == written.path.read_bytes()
    for path in (path for path in written.figures if path.suffix == ".svg"):
        assert (tmp_path / "figures" / path.name).read_bytes() == path.read_bytes()


def test_the_page_tells_no_folder_of_this_machine(written: Report, store: Store):
    assert str(store.path.parent) not in written.path.read_text()
    assert store.path.name in written.path.read_text()


def test_the_summary_has_at_most_ten_lines_and_ends_with_the_path(written: Report):
    lines = str(written).splitlines()
    assert len(lines) <= 10
    assert lines[-1] == f"report: {written.path}"


def test_the_command_prints_the_summary_or_one_document(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture):
    out = tmp_path / "r.html"
    assert main(["report", str(store.path), "-o", str(out), "--draws", "50", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == 1
    assert document["report"] == str(out)
    assert {finding["verdict"] for finding in document["findings"]} <= {"seen", "not seen", "cannot tell"}
    assert document["fits"]["compute"]["parameters"]["K_max"]["value"] > 0


def test_hostile_names_stand_on_the_page_as_text(tmp_path: Path):
    rows = table(power_law(saturating), seeds=1).with_columns(model=pl.format("{}{}", pl.lit(HOSTILE), "model"))
    rows = rows.with_columns(arm=pl.lit("main"))
    extra = rows.filter(pl.col("params") == PARAMS[0]).with_columns(
        arm=pl.lit(HOSTILE + "arm"), seed=pl.lit(9, pl.Int64)
    )
    written = report(pl.concat([rows, extra]), tmp_path / "report.html", draws=50)
    page = Page(written.path.read_text())
    assert "img" not in page.tags
    assert "script" not in page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "<img src=x onerror=alert(1)>{{7*7}}" in page.visible
    assert "arms" in {path.stem for path in written.figures}
    assert "{{49}}" not in page.visible


def test_names_that_no_font_can_draw_are_drawn_all_the_same(quick):
    evidence = quick(table(power_law(saturating), seeds=1).with_columns(model=pl.format("模型-{}🚀", "model")))
    with drawing_style():
        assert loss_curves.draw(evidence, "compute").settle().render("svg")


#: of what a table without arms, benchmarks and lengths cannot speak
_NEVER = {
    "arms", "benchmarks-compute", "benchmarks-data", "contrasts", "groups", "response-length", "reuse",
    "reuse-schedule", "transfer",
}  # fmt: skip
_HARDLY = {"decomposition", "efficiency-fits", "forecasts", "frontier", "inter-model", "intra-model", "ridge"}


@pytest.mark.parametrize(
    ("params", "steps", "missing"),
    [
        (PARAMS[:1], (0, 1, 2, 3, 4, 6, 8, 12, 16), _HARDLY | {"allocation", "equal-compute", "final-loss"}),
        (PARAMS[:2], (0, 1, 2, 3, 4, 6, 8, 12, 16), _HARDLY),
        (
            PARAMS,
            (0, 1, 2),
            {"allocation", "decomposition", "efficiency", "equal-compute", "forecasts", "frontier", "intra-model"}
            | {"efficiency-fits", "ridge"},  # without the noise of a loss there are no draws
        ),
        (
            PARAMS[:2],
            (0,),
            _HARDLY | {"allocation", "efficiency", "equal-compute", "loss-compute", "loss-data", "residuals"},
        ),
    ],
)
def test_a_study_that_has_hardly_begun_gets_a_page_that_says_so(params, steps, missing):
    evidence = gather(table(power_law(saturating), params=params, steps=steps, seeds=1), draws=50)
    figures, left_out = FIGURES.make_all(evidence)
    missing = missing | _NEVER
    assert set(left_out) == missing
    assert all(left_out.values())
    page = Page(render(evidence, tuple(figures.values()), judge_all(evidence), left_out))
    assert page.open == []
    assert all(f"No figure {name}" in page.visible for name in missing)


def test_a_table_that_tells_steps_alone_is_fitted_over_steps():
    evidence = gather(table(power_law(saturating)).drop("data_size", "compute_flops"), draws=50)
    assert evidence.axis == "step"
    assert "saturating law over step" in summary.the_law(evidence)
    _, left_out = FIGURES.make_all(evidence)
    assert {"loss-compute", "loss-data", "equal-compute"} <= set(left_out)


def test_a_law_that_is_not_identified_is_not_dressed_up():
    line = summary.the_law(gather(table(power_law(lambda n: 0.3 - 0.05 * (n / 1e4) ** 0.1)), draws=100))
    assert line.startswith("these data do not identify the parameters of the saturating law")
    assert "K_max 0" not in line


def test_several_variants_are_told_and_one_of_them_is_fitted():
    evidence = gather(
        pl.concat([table(power_law(saturating), variant=v, seeds=1) for v in ("base", "instruct")]), draws=50
    )
    assert set(evidence.main.rows["variant"]) == {"base"}
    assert "the laws are fitted to variant base alone" in evidence.refused.values()


def test_an_unwritable_place_is_named_with_what_to_do(store: Store, unwritable: Path):
    with pytest.raises(StoreError, match=r"cannot write .*below.*\n  next: "):
        report(store.path, unwritable / "report.html", draws=20)


def test_a_table_needs_an_output():
    with pytest.raises(UsageError, match=r"next: -o report\.html"):
        report("qwen2.5-math-base")


def test_a_store_without_a_single_evaluation_says_so(tmp_path: Path, tiny_plan):
    store = Store.create(tmp_path / "empty", tiny_plan)
    with pytest.raises(RlawError, match="no evaluation is recorded yet"):
        report(store.path)


def test_a_report_saves_svg_alone_and_keeps_other_forms_that_lie_there_up_to_date(store: Store, tmp_path: Path):
    first = report(store.path, tmp_path / "report.html", draws=50)
    assert {path.suffix for path in first.figures} == {".svg"}
    old = tmp_path / "figures" / "steps.pdf"
    old.write_bytes(b"of an older report")
    again = report(store.path, tmp_path / "report.html", draws=50)
    assert {path.name for path in again.figures} - {path.name for path in first.figures} == {"steps.pdf"}
    assert old.read_bytes().startswith(b"%PDF")


def test_a_table_of_models_whose_sizes_are_not_told_has_a_report_too(tmp_path: Path):
    rows = table(power_law(saturating), steps=(0, 1, 2, 4, 8, 16), seeds=1).drop("params")
    written = report(rows, tmp_path / "report.html", draws=20)
    assert "no model's size is known" in written.left_out["efficiency"]
    assert "loss-data" in {path.stem for path in written.figures}
    assert "nan" not in Page(written.path.read_text()).visible.split()
