"""docs/extend.md is run as it stands: its files written, its commands given, its code registered by a package."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from rlaw import laws, plugins, rewards
from rlaw.cli import main
from rlaw.errors import NotFound, UsageError
from rlaw.measurements.load import load
from rlaw.rewards import Verdict
from rlaw.tasks.mathematics import Mathematics

PAGE = (Path(__file__).parents[1] / "docs" / "extend.md").read_text()
FILES = dict(re.findall(r"```\{code-block\} \w+\n:caption: (\S+)\n\n(.*?)```", PAGE, flags=re.DOTALL))
COMMANDS = re.findall(r"^\$ rlaw (.+)$", PAGE, flags=re.MULTILINE)
LOG = "".join(
    f"eval size={size} step={step} prompts={512 * step} wrong={0.9 * step**-k:.4f}\n"
    for size, k in (("1B", 0.05), ("3B", 0.1), ("7B", 0.2))
    for step in range(1, 20)
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The files of the page, in the current folder."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "runs.log").write_text(LOG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page_has_an_example_of_each_kind():
    assert {"mylaw.py", "reversal.py", "final_line.py", "mylog.py", "family.py"} <= set(FILES)
    assert len(COMMANDS) == 7


def test_every_command_of_the_page_works(folder):
    for command in COMMANDS:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "rlaw", *shlex.split(command)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (command, done.stderr)
    page = (folder / "reversal" / "report.html").read_text()
    assert "floored-power" in page


def test_the_law_of_the_page_passes_the_suite(folder):
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "test_mylaw.py"], env=environment, check=False)
    assert done.returncode == 0


def test_the_reward_of_the_page_judges_in_place_of_math_verify(folder):
    task = Mathematics.model_validate(
        {"name": "mathematics", "folder": "data", "reward_func": "final_line.py:FinalLine"}
    )
    grades = task.reward().grade(["so\n42", "41", ""], ["42", "42", "42"])
    assert [grade.verdict for grade in grades] == [Verdict.RIGHT, Verdict.WRONG, Verdict.UNPARSED]


def test_a_task_without_the_setting_keeps_its_run_ids():
    assert "reward_func" not in Mathematics.model_validate({"name": "mathematics", "folder": "data"}).model_dump()


def test_what_a_package_registers_is_known_by_its_name(folder, monkeypatch, capsys):
    metadata = folder / "mypackage-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: mypackage\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[rlaw.laws]\nfloored-power = mylaw:FlooredPower\n[rlaw.importers]\nmylog = mylog:MyLog\n"
        "[rlaw.tasks]\nreversal = reversal:Reversal\n[rlaw.ladders]\nours = family:LADDER\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    assert plugins.names("laws") == ("floored-power",)
    assert laws.get("floored-power").name == "floored-power"
    assert len(load("runs.log")) == 57
    (folder / "study.yaml").write_text(FILES["study.yaml"].replace("reversal.py:Reversal", "reversal"))
    (folder / "ladder.yaml").write_text(FILES["ladder.yaml"].replace("family.py:LADDER", "ours"))
    for command in (
        ["laws"],
        ["plan", "study.yaml"],
        ["plan", "ladder.yaml"],
        ["fit", "runs.log", "--law", "power", "--axis", "data"],
        ["figure", "loss-data", "runs.log", "-o", "loss.svg", "--draws", "20"],
        ["report", "runs.log", "-o", "report.html", "--draws", "20"],
    ):
        assert main(command) == 0, command
    assert "floored-power" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("reference", "error", "message"),
    [
        ("nowhere.py:Law", NotFound, r"no such file: nowhere\.py\n  next: give its path"),
        ("mylaw.py:Lwa", NotFound, r"mylaw\.py has no 'Lwa'\n  next: check the name after the colon"),
        ("no.such.module:Law", NotFound, r"no module is called 'no\.such\.module'\n  next: install it"),
        ("reversal.py:Reversal", UsageError, r"is no rlaw\.laws\.base\.Law"),
        ("broken.py:Law", UsageError, r"broken\.py:Law cannot be imported: ZeroDivisionError"),
    ],
)
def test_a_reference_that_is_wrong_says_what_and_where(folder, reference, error, message):
    (folder / "broken.py").write_text("1 / 0\n")
    with pytest.raises(error, match=message):
        laws.get(reference)


def test_an_object_that_is_no_reward_is_refused(folder):
    with pytest.raises(UsageError, match="lacks a method or attribute of a reward"):
        rewards.get("mylaw.py:FlooredPower")
