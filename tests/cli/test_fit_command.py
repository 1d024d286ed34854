import json

import pytest

from rlaw.cli import main

CURVES = "model,n_params,step,data_size,test_loss\n" + "\n".join(
    f"{name},{n},{step},{512 * step},{0.9 * step ** -(0.2 / (1 + 3e8 / n)):.6f}"
    for name, n in (("S", 1e8), ("M", 3e8), ("L", 1e9), ("XL", 3e9))
    for step in range(1, 31)
)


@pytest.fixture
def fit(tmp_path, capsys):
    def of(text, *options):
        path = tmp_path / "data.csv"
        path.write_text(text)
        code = main(["fit", str(path), "--axis", "data", "--draws", "50", *options, "--json"])
        told = capsys.readouterr()
        return code, json.loads(told.out), told.err

    return of


def test_the_document_holds_what_is_promised_and_recovers_the_law(fit):
    code, document, _ = fit(CURVES, "--items", "5000")  # noise of answers, which numbers from a formula have not
    assert code == 0
    promised = {"schema", "law", "axis", "log_base", "points", "dropped", "parameters", "rungs", "r2_pooled", "rmse"}
    assert promised | {"identified", "warnings"} <= set(document)
    assert document["parameters"]["K_max"]["value"] == pytest.approx(0.2, rel=1e-3)
    assert document["parameters"]["N_0"]["value"] == pytest.approx(3e8, rel=1e-2)
    assert set(document["parameters"]["K_max"]) == {"value", "low", "high"}
    assert [size["model"] for size in document["rungs"]] == ["S", "M", "L", "XL"]
    assert {"model", "params", "points", "k", "E", "r2", "rmse"} <= set(document["rungs"][0])
    assert document["log_base"] == 10
    assert document["identified"] is True
    assert fit(CURVES)[1]["identified"] is False, "without noise nothing says how sure the numbers are"


def test_options_pick_rows_and_are_told(fit):
    code, document, _ = fit(CURVES, "--window", "5:20", "--hold-out", "largest", "--where", "step=7")
    assert code == 4, "one step of each size is no curve"
    assert document["error"]["code"] == "not-identifiable"
    code, document, _ = fit(CURVES, "--window", "5:20", "--hold-out", "largest")
    assert code == 0
    assert [size["points"] for size in document["rungs"]] == [16, 16, 16]
    assert document["held_out"]["model"] == "XL"
    assert document["window"] == "5:20"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text + "\nXL,3e9,31,15872,nan", "nan_loss"),
        (lambda text: text + "\nXL,3e9,31,inf,0.4", "axis_not_finite"),
        (lambda text: text + "\n" + text.splitlines()[-1], "repeated_row"),
    ],
)
def test_rows_that_cannot_be_used_are_counted_and_the_fit_goes_on(fit, change, reason):
    code, document, _ = fit(change(CURVES))
    assert code == 0
    assert document["dropped"] == {reason: 1}
    assert document["points"] == 120


@pytest.mark.parametrize(
    ("text", "options", "told"),
    [
        (CURVES.partition("\n")[0], (), "no row can be used"),
        ("\n".join(CURVES.splitlines()[:2]), (), "needs at least 2 points"),
        ("\n".join(CURVES.splitlines()[:61]), (), "needs at least 3 sizes"),
        (CURVES.replace(",test_loss", ",loss"), (), "no column test_loss"),
        ("model,n_params,step,data_size,test_loss\nS,1e8,1,512,\nS,1e8,2,1024,", (), "column test_loss is empty"),
    ],
)
def test_data_that_cannot_tell_the_law_are_refused_with_exit_code_4(fit, text, options, told):
    code, document, err = fit(text, *options)
    assert code == 4
    assert told in document["error"]["text"]
    assert "next:" in err


def test_slopes_without_a_law_are_not_identified_and_fail_under_strict(fit):
    flat = "model,n_params,step,data_size,test_loss\n" + "\n".join(
        f"{name},{n},{step},{512 * step},{0.9 * step**-k:.6f}"
        for name, n, k in (("S", 1e8, 0.2), ("M", 3e8, 0.1), ("L", 1e9, 0.15), ("XL", 3e9, 0.05))
        for step in range(1, 31)
    )
    code, document, _ = fit(flat)
    assert code == 0
    assert document["identified"] is False
    assert any(warning["code"] == "slopes-not-rising" for warning in document["warnings"])


def test_strict_turns_a_law_that_is_not_identified_into_exit_code_4(tmp_path, capsys):
    flat = "model,n_params,step,data_size,test_loss\n" + "\n".join(
        f"{name},{n},{step},{512 * step},{0.9 * step**-0.1:.6f}"
        for name, n in (("S", 1e8), ("M", 3e8), ("L", 1e9))
        for step in range(1, 31)
    )
    path = tmp_path / "flat.csv"
    path.write_text(flat)
    assert main(["fit", str(path), "--axis", "data", "--intervals", "none", "--strict"]) == 4
    assert "not identified" in capsys.readouterr().err
    assert main(["fit", str(path), "--axis", "data", "--intervals", "none", "--strict", "--json"]) == 4
    assert json.loads(capsys.readouterr().out)["identified"] is False  # one document, whose law is refused


def test_sizes_that_are_only_named_are_fitted_one_by_one_and_refused_a_ladder_law(fit):
    named = "\n".join(",".join(line.split(",")[:1] + line.split(",")[2:]) for line in CURVES.splitlines())
    code, document, _ = fit(named, "--law", "power")
    assert code == 0
    assert {size["model"]: size["params"] for size in document["rungs"]} == dict.fromkeys(("S", "M", "L", "XL"))
    assert [size["points"] for size in document["rungs"]] == [30] * 4
    code, document, _ = fit(named)
    assert code == 4
    assert "column n_params, or fit each size alone with power" in document["error"]["text"]


def test_sizes_without_a_name_are_called_by_their_parameters(fit):
    unnamed = "\n".join(line if i == 0 else "," + line.partition(",")[2] for i, line in enumerate(CURVES.splitlines()))
    code, document, _ = fit(unnamed)
    assert code == 0
    assert [size["model"] for size in document["rungs"]] == ["100M", "300M", "1B", "3B"]
