import io

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rlaw
import rlaw.measurements.datasets
from rlaw.errors import DataError, NotFound, UsageError
from rlaw.measurements.frame import Frame

GOOD = "model,n_params,step,compute_flops,data_size,test_loss\n" + "\n".join(
    f"{name},{n},{step},{n * step},{512 * step},{0.9 - 0.01 * step}"
    for name, n in (("S", 1e6), ("M", 1e7), ("L", 1e8))
    for step in range(4)
)


def csv(tmp_path, text, name="data.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def table(text):
    return pl.read_csv(io.StringIO(text))


def test_the_bundled_curves_are_all_there():
    frame = rlaw.load("qwen2.5-math-base")
    assert len(frame) == 732
    assert frame.models == tuple(f"Qwen2.5-{s}" for s in ("0.5B", "1.5B", "3B", "7B", "14B", "32B", "72B"))
    assert frame.dropped == {}
    assert "y_err_est" in frame.rows.columns, "columns of the source that rlaw does not know are kept"


def test_csv_parquet_jsonl_polars_and_pandas_give_the_same_frame(tmp_path):
    raw = table(GOOD)
    raw.write_parquet(tmp_path / "data.parquet")
    raw.write_ndjson(tmp_path / "data.jsonl")
    frames = [
        rlaw.load(csv(tmp_path, GOOD)),
        rlaw.load(tmp_path / "data.parquet"),
        rlaw.load(tmp_path / "data.jsonl"),
        rlaw.load(raw),
        rlaw.load(raw.to_pandas()),
    ]
    assert len({frame.digest for frame in frames}) == 1


@given(st.permutations(range(12)))
@settings(max_examples=20)
def test_the_order_of_the_rows_does_not_matter(order):
    raw = table(GOOD)
    assert Frame.of(raw[list(order)], "x").rows.equals(Frame.of(raw, "x").rows)


def test_the_loss_at_step_0_stands_beside_every_row_of_its_curve():
    rows = rlaw.load(table(GOOD)).rows
    assert rows["base_loss"].unique().to_list() == [0.9]


@pytest.mark.parametrize("cell", ["nan", "", "inf", "NA", "null", "-"])
def test_a_loss_that_was_not_measured_is_left_out_and_counted(tmp_path, cell):
    frame = rlaw.load(csv(tmp_path, f"{GOOD}\nL,1e8,9,1e9,5000,{cell}\n"))
    assert len(frame) == 12
    assert frame.dropped == {"nan_loss": 1}
    assert "excluded: 1 row without a loss" in str(frame)


@pytest.mark.parametrize("cell", ["-0.2", "1.7"])
def test_a_loss_that_cannot_be_is_a_question_and_no_row_is_dropped(tmp_path, cell):
    with pytest.raises(DataError, match=rf"column test_loss, line 14: {cell} is no share of wrong answers"):
        rlaw.load(csv(tmp_path, f"{GOOD}\nL,1e8,9,1e9,5000,{cell}\n"))


def test_the_same_step_of_another_seed_is_a_replicate():
    raw = table(GOOD)
    both = pl.concat([raw.with_columns(seed=0), raw.with_columns(seed=1)])
    frame = rlaw.load(both)
    assert len(frame) == 24
    assert frame.dropped == {}


def test_counts_of_right_answers_give_the_loss():
    raw = table("model,n_params,step,correct,items\nS,1e6,1,125,500\nS,1e6,2,250,500\n")
    assert rlaw.load(raw).rows["test_loss"].to_list() == [0.75, 0.5]


def test_a_size_without_a_name_is_called_by_its_parameters():
    assert rlaw.load(table("n_params,step,test_loss\n7e9,1,0.5\n")).models == ("7B",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("model,step,test_loss\n", "no row"),
        ("model,step,test_loss\nS,1,\nS,2,\n", "column test_loss is empty"),
        ("model,step,test_loss\nS,,0.5\n", "column step is empty"),
        ("model,step,loss\nS,1,0.5\n", "no column test_loss"),
        ("model,test_loss\nS,0.5\n", "no column step"),
        ("step,test_loss\n1,0.5\n", "no column model or n_params"),
        ("model,step,test_loss\nS,1,50\nS,2,40\n", "looks like percent"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_what_is_missing(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        rlaw.load(csv(tmp_path, text))


def test_columns_are_renamed_by_the_map_and_a_wrong_one_is_named():
    raw = table("size,it,err\nS,1,0.5\n")
    names = {"model": "size", "step": "it", "test_loss": "err"}
    assert rlaw.load(raw, mapping=names).rows["test_loss"].to_list() == [0.5]
    with pytest.raises(UsageError, match=r"no column 'iter'.*err, it, size"):
        rlaw.load(raw, mapping=names | {"step": "iter"})


def test_what_is_neither_store_nor_file_nor_dataset_is_not_found():
    with pytest.raises(NotFound, match=r"qwen2\.5-math-base"):
        rlaw.load("nowhere")


def test_where_picks_rows_by_number_or_text_and_names_what_there_is():
    frame = rlaw.load(table(GOOD))
    assert len(frame.where(step="2")) == 3
    assert len(frame.where(model=("S", "L"))) == 8
    with pytest.raises(UsageError, match="model is one of L, M, S"):
        frame.where(model="XL")
    with pytest.raises(UsageError, match="no column 'modle'"):
        frame.where(modle="S")


def test_one_law_is_not_fitted_to_two_benchmarks():
    raw = table(GOOD)
    both = pl.concat([raw.with_columns(benchmark=pl.lit("a")), raw.with_columns(benchmark=pl.lit("b"))])
    with pytest.raises(UsageError, match=r"`where\(benchmark='a'\)`"):
        rlaw.load(both).one_law()
    assert len(rlaw.load(both).where(benchmark="a").one_law()) == 12


def test_other_arms_are_left_out_of_the_main_law_and_counted():
    raw = table(GOOD)
    both = pl.concat([raw.with_columns(arm=pl.lit("main")), raw.with_columns(arm=pl.lit("long"))])
    assert rlaw.load(both).one_law().dropped == {"other_arm": 12}


def test_an_axis_that_the_source_does_not_have_is_refused_with_those_it_does():
    frame = rlaw.load(table("model,step,test_loss\nS,1,0.5\n"))
    with pytest.raises(DataError, match="`axis=step`"):
        frame.x("compute")


@pytest.mark.parametrize("name", rlaw.measurements.datasets.names())
def test_every_dataset_names_its_source_and_reads(name):
    dataset = rlaw.measurements.datasets.get(name)
    assert "arXiv 2509.25300" in dataset.source
    assert dataset.caveats
    assert len(rlaw.measurements.datasets.read(name)) > 50
    if dataset.curves:
        assert len(rlaw.load(name)) == len(rlaw.measurements.datasets.read(name))
    else:
        with pytest.raises(UsageError, match="no learning curves"):
            rlaw.load(name)


def test_the_reuse_curves_separate_one_tau_from_another():
    frame = rlaw.load("qwen2.5-math-reuse")
    assert frame.rows["tau"].unique().sort().to_list() == [1, 2, 5, 20, 25, 50, 100]
    with pytest.raises(UsageError, match="several values of tau"):
        frame.one_law()


def test_a_table_without_sizes_is_refused_in_its_own_words():
    raw = pl.DataFrame({"n_params": [1e3, 2e3], "step": [1, 1], "test_loss": [0.5, 0.4]})
    assert rlaw.load(raw).where(n_params=1e3).models == rlaw.load(raw).where(params=1e3).models
    with pytest.raises(UsageError, match="it has n_params, step, test_loss"):
        rlaw.load(raw).where(size=1e3)
    with pytest.raises(UsageError, match="no row has n_params = 5; n_params is one of"):
        rlaw.load(raw).where(n_params=5)
    with pytest.raises(DataError, match="next: column n_params holds numbers of parameters, above 0"):
        rlaw.load(raw.with_columns(n_params=-1.0))
