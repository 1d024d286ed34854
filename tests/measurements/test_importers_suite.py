"""The suite of importers, passed by rlaw's own and by the example of docs/extend.md; a user's importer in `import`."""

import json
import re
from pathlib import Path

import pytest

from rlaw.cli import main
from rlaw.measurements.importers import Importer, logs
from rlaw.testing.importers import CHECKS

PAGE = (Path(__file__).parents[2] / "docs" / "extend.md").read_text()
ROWS = [{"step": s, "reward": 0.1 + 0.01 * s, "eval/math/acc": 0.02 * s, "kl": 0.1} for s in range(1, 21)]
EVALUATION = {
    "results": {"math": {"acc,none": 0.25, "acc_stderr,none": 0.02}}, "n-samples": {"math": {"effective": 469}},
    "config": {"model_args": "pretrained=lab/tiny-7b,revision=step100"},
}  # fmt: skip
SAMPLES = {
    "metrics-jsonl": ("metrics.jsonl", "".join(json.dumps(row) + "\n" for row in ROWS)),
    "metrics-csv": (
        "metrics.csv",
        "\n".join([",".join(ROWS[0]), *(",".join(map(str, row.values())) for row in ROWS)]) + "\n",
    ),
    "trainer-state": ("trainer_state.json", json.dumps({"max_steps": 20, "log_history": ROWS})),
    "verl-console": ("train.log", "".join(f"step:{s} - critic/rewards/mean:0.{s} - actor/lr:1e-6\n" for s in range(9))),
    "console": ("out.log", "".join(f"{ {**row, 'loss': 0.1} }\n" for row in ROWS)),
    "lm-eval": ("results_step100.json", json.dumps(EVALUATION)),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", SAMPLES)
def test_rlaws_own_importers_pass_the_suite(tmp_path, name, check):
    file, text = SAMPLES[name]
    (tmp_path / "sample").mkdir()
    (tmp_path / "work").mkdir()
    sample = tmp_path / "sample" / file
    sample.write_text(text)
    check(logs.get(name), sample, tmp_path / "work")


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """The importer of the page, and a log of it."""
    (code,) = re.findall(r":caption: mylog\.py\n\n(.*?)```", PAGE, flags=re.DOTALL)
    (tmp_path / "mylog.py").write_text(code)
    lines = (
        f"eval size={size} step={s} prompts={512 * s} wrong={0.9 * s**-k:.4f}\n"
        for size, k in (("1B", 0.05), ("7B", 0.2))
        for s in range(1, 11)
    )
    (tmp_path / "runs.log").write_text("".join(lines))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_importer_of_the_page_passes_the_suite(mine, check):
    from rlaw.measurements import importers

    importer = importers.get("mylog.py:MyLog")
    assert isinstance(importer, Importer)
    (mine / "work").mkdir()
    check(importer, mine / "runs.log", mine / "work")


def test_a_users_importer_works_in_import_by_reference_and_by_its_content_when_registered(mine, monkeypatch, capsys):
    assert main(["import", "runs.log", "--format", "mylog.py:MyLog", "--store", "store", "--json"]) == 0
    (source,) = json.loads(capsys.readouterr().out)["sources"]
    assert [(run["model"], run["params"], run["evaluations"]) for run in source["runs"]] == [
        ("1B", 1e9, 10), ("7B", 7e9, 10),
    ]  # fmt: skip
    assert source["runs"][1]["benchmarks"]["held-out"]["last"] == pytest.approx(1 - round(0.9 * 10**-0.2, 4))
    metadata = mine / "mypackage-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: mypackage\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[rlaw.importers]\nmylog = mylog:MyLog\n")
    monkeypatch.syspath_prepend(str(mine))
    assert main(["import", "runs.log", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sources"][0]["format"] == "mylog"
