"""What people hand in as a table: numbers, separators, encodings, frames of pandas; and what is no table at all."""

import gzip
import json
import os

import pandas as pd
import polars as pl
import pytest
from ladder_table import HEADER, changed, rows, table, text

import rlaw
from rlaw.cli import main
from rlaw.errors import DataError, NotFound, UsageError
from rlaw.measurements.casting import number
from rlaw.measurements.importers import bounds

PLAIN = rlaw.load(table(rows())).digest


@pytest.fixture
def load(tmp_path):
    def of(content, name="data.csv", **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return rlaw.load(path, **options)

    return of


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("10.0", 10.0), ("7B", 7e9), ("1.5b", 1.5e9), ("350M", 350e6), ("592k", 592e3), ("8,000,000,000", 8e9),
        ("7e9", 7e9), ("+3", 3.0), ("'12'", 12.0), ('"12"', 12.0), (" 5 ", 5.0), ("1_000", 1000.0), ("8 000 000", 8e6),
        ("−2", -2.0), ("20 PFLOPs", 2e16), ("1e18 FLOPs", 1e18), (".5", 0.5), ("1.", 1.0), ("-inf", -float("inf")),
    ],
)  # fmt: skip
def test_a_number_is_read_as_people_write_it(cell, value):
    assert number(cell) == value


@pytest.mark.parametrize("cell", ["crashed", "1.2.3", "12a4", "0x10", "1,2,3", "7 apples", "1e", "--3", "٣"])
def test_what_is_no_number_is_not_taken_for_one(cell):
    assert number(cell) is None


@pytest.mark.parametrize(
    ("cell", "value"), [("0,65", 0.65), ("1234,5", 1234.5), ("7.000.000.000", 7e9), ("1.024,5", 1024.5)]
)
def test_decimal_commas_are_read_where_a_table_has_them(cell, value):
    assert number(cell, decimal_comma=True) == value


@pytest.mark.parametrize(
    "content",
    [
        text([[c.replace(".", ",") if i > 2 else c for i, c in enumerate(row)] for row in rows()], separator=";"),
        text(rows(), separator="\t"),
        text(rows(), separator="|"),
        "sep=;\n" + text(rows(), separator=";"),
        "\ufeff" + text(rows()).replace("\n", "\r\n"),
        text(rows()).replace("\n", "\r"),
        text(rows()).encode("utf-16"),
        text(rows()).encode("utf-16-le"),
        text([[f" {cell} " for cell in row] for row in rows()]),
        text([[f'"{cell}"' for cell in row] for row in rows()]),
        text(changed("n_params", lambda cell: f"{int(cell) / 1e9:g}B")),
        text(changed("n_params", lambda cell: f'"{int(cell):,}"')),
        text(changed("step", lambda cell: f"{cell}.0")),
        "# written by hand\n\n" + text(rows()).replace("\n", "\n\n", 4),
        text(rows(), [" Model", "N_PARAMS ", "Seed", "STEP", "Data Size", "compute-flops", "Test_Loss"]),
    ],
    ids=["semicolons", "tabs", "bars", "sep", "bom", "cr", "utf-16", "utf-16-le", "blanks", "quotes", "7B", "thousands",
         "10.0", "comments", "case"],
)  # fmt: skip
def test_a_table_means_the_same_however_it_is_written(load, content):
    assert load(content).digest == PLAIN


def test_a_share_may_be_written_in_percent(load):
    frame = load(text(changed("test_loss", lambda cell: f"{100 * float(cell):.4f}%")))
    assert frame.rows["test_loss"].to_list() == pytest.approx(rlaw.load(table(rows())).rows["test_loss"].to_list())


def test_what_was_understood_is_said_in_the_result(tmp_path, capsys):
    path = tmp_path / "data.csv"
    decimal = [[c.replace(".", ",") if i > 2 else c for i, c in enumerate(row)] for row in rows()]
    path.write_text(text(decimal, ["Model", *HEADER[1:]], ";"))
    assert main(["fit", str(path), "--axis", "data", "--intervals", "none", "--json"]) == 0
    codes = {warning["code"] for warning in json.loads(capsys.readouterr().out)["warnings"]}
    assert {"separator", "decimal-commas", "names-read"} <= codes


@pytest.mark.parametrize(
    ("column", "cell", "what"),
    [
        ("test_loss", "crashed", "column test_loss, line 2: 'crashed' is no number"),
        ("n_params", "big", "column n_params, line 2: 'big' is no number"),
        ("compute_flops", "1.2.3", "column compute_flops, line 2: '1.2.3' is no number"),
        ("step", "0.5", "column step, line 2: 0.5 is no whole number"),
    ],
)
def test_a_cell_that_cannot_be_read_is_named_with_column_value_and_line(load, column, cell, what):
    cells = rows()
    cells[0][HEADER.index(column)] = cell
    with pytest.raises(DataError, match=what):
        load(text(cells))


def test_the_line_is_counted_through_cells_of_several_lines(load):
    cells = [[*row, '"two\nlines"'] for row in rows()]
    cells[3][HEADER.index("test_loss")] = "oops"
    with pytest.raises(DataError, match="line 9: 'oops'"):
        load(text(cells, [*HEADER, "note"]))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (text([[*row, "0.1"] for row in rows()], [*HEADER, "test_loss"]), "two columns are called test_loss"),
        (text(rows(), [*HEADER[:6], "Test_Loss"]).replace("seed", "TEST_LOSS"), "may both be test_loss"),
        (text([*rows(), ["S-7B", "1", "2", "3", "4", "5", "6", "7"]]), "line 38 has 8 cells, and the header has 7"),
        (text(changed("model", lambda cell: f"modèle-{cell}")).encode("latin-1"), "line 2 is not UTF-8"),
        (gzip.compress(text(rows()).encode()), "is compressed by gzip, whatever its name says"),
        (b"PK\x03\x04", "a zip archive or a workbook"),
        ("\n \n", "the file is empty"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_table_is_refused_with_what_it_is(load, content, what):
    with pytest.raises(DataError, match=what):
        load(content)


def test_a_column_that_may_be_meant_is_named(load):
    for wrong, meant in (("loss", "test_loss=loss|'test_loss': 'loss'"), ("val/acc", "'accuracy': 'val/acc'")):
        with pytest.raises(DataError, match=meant):
            load(text(rows(), [*HEADER[:6], wrong]))
    with pytest.raises(DataError, match="'model': 'model_name'"):
        load(text([row[2:] for row in rows()], ["batch_size", *HEADER[3:]]).replace("compute_flops", "model_name"))


def test_a_chart_without_a_score_and_a_json_document_are_named(load, tmp_path):
    with pytest.raises(DataError, match="no run has a held-out score"):  # a log, read as one
        load("Step,a - loss,a - loss__MIN,a - loss__MAX\n1,0.5,0.5,0.5\n")
    with pytest.raises(DataError, match=r"one JSON document, no table \(it has results, config\)"):
        load(json.dumps({"results": {}, "config": {}}), "results.json")


def records(**change):
    return [dict(zip(HEADER, row, strict=True)) | change for row in rows()]


@pytest.mark.parametrize("name", ["data.jsonl", "data.json"])
def test_json_lines_and_a_list_of_records_are_read(load, name):
    values = [{k: v if k == "model" else float(v) for k, v in record.items()} for record in records()]
    assert load("\n".join(map(json.dumps, values)), name).digest == PLAIN
    assert load(json.dumps(values, indent=1), "data.json").digest == PLAIN


def test_nan_and_infinity_in_json_lines_are_losses_that_were_not_measured(load):
    cells = [{**record, "test_loss": float(record["test_loss"])} for record in records()]
    cells[3]["test_loss"], cells[5]["test_loss"], cells[7]["test_loss"] = float("nan"), float("inf"), "NaN"
    frame = load("\n".join(map(json.dumps, cells)), "data.jsonl")
    assert frame.dropped == {"nan_loss": 3}


def test_records_in_records_are_columns_and_a_torn_line_is_named(load):
    nested = [{**r, "eval": {"loss": r["test_loss"]}, "test_loss": None} for r in records()]
    lines = "\n".join(map(json.dumps, nested))
    assert load(lines, "data.jsonl", mapping={"test_loss": "eval/loss"}).digest == PLAIN
    with pytest.raises(DataError, match=r"line 36, character \d+ is no JSON"):
        load(lines[:-20], "data.jsonl")
    twice = lines.replace('"seed": "0"', '"seed": "0", "seed": "1"', 1)
    with pytest.raises(DataError, match="line 1 is no JSON: seed stands twice"):
        load(twice, "data.jsonl")


FRAME = pd.DataFrame(table(rows()).to_dict(as_series=False))


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.set_index("step"),
        lambda f: f.set_index(["model", "step"]),
        lambda f: f[f.step >= 0],
        lambda f: f.astype(object),
        lambda f: f.astype(str),
        lambda f: f.convert_dtypes(),
        lambda f: f.assign(model=f.model.astype("category")),
    ],
    ids=["index", "index of two", "filtered", "objects", "text", "nullable", "categories"],
)
def test_pandas_frames_mean_the_same_whatever_their_columns_are_of(change):
    assert rlaw.load(change(FRAME)).digest == PLAIN


def test_pandas_columns_of_one_name_and_things_that_are_no_frames_are_refused():
    with pytest.raises(DataError, match="two columns called test_loss"):
        rlaw.load(pd.concat([FRAME, FRAME[["test_loss"]]], axis=1))
    for thing in (FRAME.test_loss, FRAME.to_numpy(), {"a": 1}, None):
        with pytest.raises(UsageError, match="measurements were expected"):
            rlaw.load(thing)


@pytest.mark.parametrize(
    "column",
    [pl.struct("step"), pl.lit([1]), pl.lit("2026-01-01").str.to_date(), pl.lit(True), pl.lit(b"x")],
)
def test_a_column_of_another_kind_is_refused_in_words(column):
    with pytest.raises(DataError, match=r"column test_loss, row 1: .* is of type"):
        rlaw.load(table(rows()).with_columns(test_loss=column))


@pytest.mark.parametrize("kind", [pl.Float32, pl.Decimal(12, 6), pl.String])
def test_a_loss_may_be_of_any_kind_of_number(kind):
    frame = rlaw.load(table(rows()).with_columns(pl.col("test_loss").cast(kind)))
    assert frame.rows["test_loss"].to_list() == pytest.approx(rlaw.load(table(rows())).rows["test_loss"].to_list())


@pytest.mark.parametrize("name", ["pipe", "pipe.csv"])
def test_a_pipe_is_refused_before_it_is_opened(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match="is a pipe, and a file or a store is needed"):
        rlaw.load(tmp_path / name)


def test_a_device_a_folder_and_paths_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(DataError, match="/dev/zero is a device"):
        rlaw.load("/dev/zero")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(NotFound, match="no log of a known format is in it"):
        rlaw.load(tmp_path / "folder.csv")
    with pytest.raises(NotFound):
        rlaw.load("a\0b")
    with pytest.raises(DataError, match="name too long"):
        rlaw.load("a" * 5000)


@pytest.mark.parametrize("kind", ["numbers", "text", "lists"])
def test_a_small_file_that_would_fill_the_memory_is_refused_before_it_is_read(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(bounds, "MEMORY_BYTES", 4_000_000)
    monkeypatch.setattr(bounds, "SMALL_BYTES", 1_000_000)
    count = {"numbers": 200_000, "text": 20_000, "lists": 60_000}[kind]
    cell = {"numbers": pl.lit("S-7B"), "text": pl.lit("x" * 190), "lists": pl.lit("S-7B")}[kind]
    columns = {"model": cell, "step": pl.lit(1), "test_loss": pl.lit(0.5), "items": pl.lit(8)}
    columns |= {"correct": pl.lit([1] * 8)} if kind == "lists" else {}
    path = tmp_path / "small.parquet"
    pl.select(pl.int_range(count).alias("n")).select(**columns, n="n").drop("n").write_parquet(path)
    assert path.stat().st_size < 20_000
    with pytest.raises(DataError, match=r"takes .* of memory, and rlaw reads up to 4 MB"):
        rlaw.load(path)


def test_columns_that_are_not_needed_are_left_out_of_a_large_table(tmp_path, monkeypatch):
    monkeypatch.setattr(bounds, "SMALL_BYTES", 1000)
    large = table(rows()).with_columns(
        reward=pl.int_range(36) * 0.37, note=pl.lit("x" * 400), recipe=pl.lit("grpo"), answers=pl.lit([1, 2])
    )
    large.write_parquet(tmp_path / "data.parquet")
    large.drop("answers").write_csv(tmp_path / "data.csv")
    for name in ("data.parquet", "data.csv"):
        columns = rlaw.load(tmp_path / name).rows.columns
        assert "recipe" in columns
        assert not {"reward", "note", "answers"} & set(columns)
