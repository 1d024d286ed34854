"""The numbers of the page are those of the commands, and names in the data are text."""

import json
import shlex

import numpy as np
import polars as pl
import pytest

import rlaw
from rlaw.cli import main
from rlaw.errors import UsageError
from rlaw.serve.buckets import bucketed
from rlaw.serve.query import Query


def ask(client, name, **params):
    answer = client.get(f"api/{name}", params=params)
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert document["schema"] == 1
    return document


def by_command(document, capsys):
    """The JSON document of the command that a view names."""
    capsys.readouterr()
    assert main([*shlex.split(document["command"])[1:], "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_law_of_the_page_is_that_of_its_command(client_of, capsys):
    client = client_of("qwen2.5-math-base")
    found = ask(client, "law", window="10:90", law="saturating")
    same = by_command(found, capsys)
    assert same["window"] == "10:90"
    shown = {p["name"]: [p[end] for end in ("value", "low", "high")] for p in found["law"]["parameters"]}
    assert shown == {name: [p[end] for end in ("value", "low", "high")] for name, p in same["parameters"].items()}
    assert [size["k"] for size in found["law"]["sizes"]] == [size["k"] for size in same["rungs"]]
    assert found["law"]["points"] == same["points"]


def test_the_planner_is_that_of_its_command(client_of, capsys):
    client = client_of("qwen2.5-math-base")
    money = ask(client, "planner", unit="usd", budget="2e4", gpu="A100")
    assert money["allocation"] == by_command(money, capsys)
    assert money["worth"]["usd"] == pytest.approx(2e4)
    assert money["worth"]["gpu_hours"] == pytest.approx(2e4 / 1.8)


def test_a_budget_of_unique_prompts_chooses_among_all_reuse_factors(client_of):
    found = ask(client_of("qwen2.5-math-reuse"), "planner", unit="unique-data", budget="2e4", where="tau=5.0")
    assert len({choice["tau"] for choice in found["allocation"]["choices"]}) == 7
    assert found["worth"] is None
    assert found["command"] == "rlaw allocate qwen2.5-math-reuse --unique-data 2e4 --far"


def test_points_outside_the_window_or_held_out_are_not_in_the_fit(client):
    names = [size["model"] for size in ask(client, "about")["sizes"]]
    found = ask(client, "curves", draws=0, window="5:20")
    for one in found["series"]:
        assert [s for s, inside in zip(one["step"], one["inside"], strict=True) if inside] == list(range(5, 21))
    held = ask(client, "curves", draws=0, hold_out=names[0])
    assert [any(one["inside"]) for one in held["series"]] == [False, True, True]
    assert held["series"][0]["held"]
    assert "--hold-out" in held["command"]


def test_compute_in_other_units_moves_points_and_law_alike(client):
    compute = ask(client, "curves", draws=0)
    usd = ask(client, "curves", draws=0, axis="usd")
    assert "assumed" in usd["x"]
    for a, b in zip(compute["series"], usd["series"], strict=True):
        ratio = np.array(b["x"][1:]) / np.array(a["x"][1:])
        assert ratio == pytest.approx(np.full(len(ratio), ratio[0]), rel=1e-5)
    line, other = compute["law"]["lines"][0], usd["law"]["lines"][0]
    assert line["y"] == other["y"]
    assert other["x"][0] / line["x"][0] == pytest.approx(ratio[0], rel=1e-5)


def test_a_pass_rate_is_one_minus_the_loss_and_its_band_turns_with_it(client):
    loss = ask(client, "curves", window="1:")["law"]["lines"][2]
    rate = ask(client, "curves", window="1:", measure="pass")["law"]["lines"][2]
    assert np.add(loss["y"], rate["y"]) == pytest.approx(np.ones(len(loss["y"])), abs=1e-5)
    assert np.add(loss["low"], rate["high"]) == pytest.approx(np.ones(len(loss["y"])), abs=1e-5)


def test_runs_of_one_size_are_a_mean_and_a_range(client_of, store):
    client = client_of(store.path)
    about = ask(client, "about")
    assert "held-out" in about["columns"]["benchmark"]
    found = ask(client, "curves", draws=0, axis="step")
    assert found["range"] == "the range of runs"
    one = found["series"][0]
    rows = rlaw.load(store.path).where(benchmark="held-out").main().rows
    own = rows.filter(pl.col("model") == one["model"]).group_by("step").agg(pl.col("test_loss")).sort("step")
    losses = own["test_loss"].to_list()
    assert one["n"] == [2.0] * len(losses)
    assert one["y"] == pytest.approx([np.mean(both) for both in losses], rel=1e-5)
    assert one["low"] == pytest.approx([min(both) for both in losses], rel=1e-5)


def test_a_row_for_each_run_of_a_store(client_of, store):
    found = ask(client_of(store.path), "overview")
    assert found["count"] == len(store.labels())
    assert found["states"] == {"finished": found["count"]}
    assert {row["name"] for row in found["rows"]} == set(store.labels())
    for row in found["rows"]:
        assert row["step"] == row["steps"]
        assert row["losses"][-1] == pytest.approx(row["test_loss"], abs=1e-5)
        assert row["compute_flops"] > 0
    assert found["command"] == f"rlaw status {store.path}"


def test_laws_are_compared_as_the_command_does(client, capsys):
    found = ask(client, "compare")
    assert found["comparison"] == by_command(found, capsys)


def test_every_view_is_written_in_every_format(client):
    starts = {"svg": b"<?xml", "pdf": b"%PDF", "png": b"\x89PNG"}
    for form in ("svg", "pdf", "png", "csv", "tex"):
        answer = client.get(f"export/residuals.{form}", params={"draws": 0})
        assert answer.status_code == 200, answer.text
        assert answer.content.startswith(starts.get(form, b""))
        assert answer.headers["content-disposition"] == f'attachment; filename="residuals.{form}"'
    for view in ("overview", "law", "compare", "planner"):
        for form in ("svg", "csv"):
            assert client.get(f"export/{view}.{form}", params={"draws": 0}).status_code == 200, view
    assert "\\begin{longtable}" in client.get("export/curves.tex", params={"draws": 0}).text


def test_exported_points_are_those_of_the_page(client):
    found = ask(client, "curves", draws=0)
    lines = client.get("export/curves.csv", params={"draws": 0}).text.splitlines()
    assert len(lines) == 1 + sum(len(one["x"]) for one in found["series"])


def test_names_are_text_in_every_document(client):
    for name in ("about", "overview", "curves", "law"):
        answer = client.get(f"api/{name}", params={"draws": 0} if name in ("curves", "law") else {})
        assert answer.headers["content-type"] == "application/json"
        assert not set("\u202e\x1b") & set(answer.text)
    svg = client.get("export/curves.svg", params={"draws": 0}).text
    assert "<script" not in svg
    assert "<img" not in svg
    assert "'=" not in client.get("export/curves.csv", params={"draws": 0}).text


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"law": "nothing"}, 404),
        ({"gpu": "abacus"}, 404),
        ({"axis": "time"}, 400),
        ({"window": "x"}, 400),
        ({"window": "20:10"}, 400),
        ({"where": "model"}, 400),
        ({"where": "nothing=1"}, 400),
        ({"draws": "999999999"}, 404),
        ({"colour": "red"}, 400),
        ({"axis": "x" * 5000}, 400),
    ],
)
def test_an_address_that_makes_no_sense_is_said(client, params, status):
    answer = client.get("api/curves", params=params)
    assert answer.status_code == status
    assert answer.json()["error"]["text"]


def test_data_that_are_not_there_yet_are_a_message_not_a_crash(client_of, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("model,n_params,step,test_loss\n")
    client = client_of(path)
    assert client.get("").status_code == 200
    assert ask(client, "about")["problem"]
    assert client.get("api/curves").status_code == 422


def test_a_query_is_refused_where_it_is_no_setting():
    assert Query.of([("where", "benchmark=a=b")]).where == (("benchmark", ("a=b",)),)
    with pytest.raises(UsageError, match="COLUMN=VALUE"):
        Query.of([("where", "benchmark")])


def test_buckets_keep_the_mean_the_range_and_the_start_of_a_curve():
    n = 100_000
    rng = np.random.default_rng(0)
    step, y = np.arange(1, n + 1), rng.normal(size=n)
    rows = pl.DataFrame({"step": step, "x": step * 2.0, "y": y, "inside": step > 10})
    found = bucketed(rows, 400)
    assert len(found) <= 400
    assert found["n"].sum() == n
    assert (found["y"] * found["n"]).sum() == pytest.approx(y.sum())
    assert found["low"].min() == y.min()
    assert found["high"].max() == y.max()
    assert found["step"].to_list()[:3] == [1, 2, 3]
    assert found["step"][-1] == n
    assert found.equals(bucketed(rows.sample(fraction=1, shuffle=True, seed=1), 400).select(found.columns))
