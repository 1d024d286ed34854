import json

import pytest

from rlaw.cli import main

ROWS = [
    (
        name,
        n,
        step,
        512 * step,
        6e3 * n * 512 * step,
        0.9 * step ** -(0.2 / (1 + 3e8 / n)) + 0.002 * ((7 * step) % 5 - 2),
    )
    for name, n in (("S", 1e8), ("M", 3e8), ("L", 1e9), ("XL", 3e9))
    for step in range(1, 31)
]
FALLING = [(m, n, step, d, c, 0.9 * step ** -(2e7 / n)) for m, n, step, d, c, _ in ROWS]


@pytest.fixture
def ask(tmp_path, capsys):
    def of(command, *options, rows=ROWS):
        path = tmp_path / "data.csv"
        head = "model,n_params,step,data_size,compute_flops,test_loss\n"
        path.write_text(head + "\n".join(",".join(str(cell) for cell in row) for row in rows))
        code = main([command, str(path), *options, "--draws", "50", "--json"])
        told = capsys.readouterr()
        return code, json.loads(told.out.splitlines()[0]), told.err

    return of


def test_a_forecast_document_holds_what_is_promised(ask):
    code, document, _ = ask("forecast", "--target", "XL", "--anchor", "first:5", "--axis", "data")
    assert code == 0
    assert document["schema"] == 1
    assert document["kind"] == "calibrated"
    assert document["law"] == "auto"
    assert document["target"] == {"model": "XL", "params": 3e9}
    assert set(document["k"]) == {"value", "low", "high"}
    assert set(document["points"][0]) == {"x", "loss", "low", "high"}
    assert set(document["held_out"]) == {"points", "mae", "rmse", "bias", "coverage"}
    assert set(document["extrapolation"]) == {"size_factor", "axis_factor"}
    assert document["held_out"]["points"] == 25
    assert all(set(w) == {"code", "text"} for w in document["warnings"])


def test_a_size_that_is_not_in_the_data_is_forecast_at_the_places_asked(ask):
    code, document, _ = ask("forecast", "--target", "2B", "--axis", "data", "--at", "1e4", "--at", "3e4")
    assert code == 0
    assert document["kind"] == "blind"
    assert document["held_out"] is None
    assert [p["x"] for p in document["points"]] == [1e4, 3e4]


def test_an_allocation_document_holds_what_is_promised(ask):
    code, document, _ = ask("allocate", "--gpu-hours", "1", "--gpu", "H100", "--target-loss", "0.4")
    assert code == 0
    assert document["budget"]["gpu"] == "H100"
    assert document["budget"]["executed_flops"] == pytest.approx(3600 * 989e12 * document["budget"]["mfu"])
    assert {"model", "params", "steps", "data", "compute_flops", "loss", "probability_best"} <= set(
        document["choices"][0]
    )
    assert set(document["choices"][0]["loss"]) == {"value", "low", "high"}
    assert document["best"] in {c["model"] for c in document["choices"]}
    assert [(c["smaller"], c["larger"]) for c in document["crossovers"]] == [("S", "M"), ("M", "L"), ("L", "XL")]
    assert set(document["crossovers"][0]["compute_flops"]) == {"value", "low", "high"}


def test_a_comparison_document_holds_what_is_promised(ask):
    code, document, _ = ask("compare", "--cut", "12", "--axis", "data", "--laws", "auto", "--laws", "power")
    assert code == 0
    assert {"schema", "protocol", "laws", "best", "verdict"} <= set(document)
    assert {law["law"] for law in document["laws"]} == {"auto", "power", "constant", "last-value", "damped-trend"}
    assert {"law", "mae", "rmse", "coverage", "log_score", "rungs"} <= set(document["laws"][0])
    assert {"model", "mae"} <= set(document["laws"][0]["rungs"][0])


@pytest.mark.parametrize(
    "command", [("forecast", "--target", "XL", "--anchor", "first:3"), ("allocate", "--data", "1e4")]
)
def test_strict_ends_with_4_where_no_law_of_the_size_is_told(ask, command):
    assert ask(*command, rows=FALLING)[0] == 0
    code, document, err = ask(*command, "--strict", rows=FALLING)
    assert code == 4
    assert document["identified"] is False
    assert "--strict" in err


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("forecast", "--target", "huge"), 3),
        (("forecast", "--target", "XL", "--law", "none-such"), 3),
        (("forecast", "--target", "XL", "--anchor", "last"), 2),
        (("forecast", "--target", "2B", "--anchor", "first:2"), 2),
        (("forecast", "--target", "XL", "--law", "saturating"), 4),
        (("allocate",), 2),
        (("allocate", "--usd", "10"), 2),
        (("allocate", "--gpu-hours", "10", "--gpu", "V100"), 3),
        (("compare", "--cut", "100"), 4),
    ],
)
def test_a_question_that_cannot_be_answered_has_its_exit_code_and_one_document(ask, options, code):
    got, document, err = ask(*options)
    assert got == code
    assert document["error"]["exit_code"] == code
    assert "Traceback" not in err
