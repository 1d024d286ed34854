"""Whatever a command is given: one message of a length to read, a designed exit code, no traceback, in seconds."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rlaw.study.recipe import Evaluation, LogSpaced

STUDY = """name: tiny
model: {{ladder: [{{hidden: 16, layers: 2}}, {{hidden: 32, layers: 2}}, {{hidden: 64, layers: 2}}]}}
task: {{name: modular-chains}}
rl: {{steps: {steps}, prompts: 8, num_generations: 4}}
evaluation: {{items: 8, samples: 2, at: {at}}}
engine: synthetic
seeds: {seeds}
question: {question}
"""
DEFAULTS = {"steps": "6", "at": "{every: 2}", "seeds": "[0]", "question": "why"}
NUMBERS = ("007", "010", "-0_7", ".inf", "-.inf", ".nan", "9" * 5000, "1e400", "true", "no")


def study(extra: str = "", **changes: str) -> bytes:
    return (STUDY.format(**{**DEFAULTS, **changes}) + extra).encode()


PLANS = {
    "lone surrogate": (study(question='"\\ud800"'), "cannot be shown"),
    "control": (study(question='"a\\x1b[31m"'), "cannot be shown"),
    "NUL": (study(question='"a\\0b"'), "cannot be shown"),
    "NUL byte": (b"name: a\0b\n", "not YAML"),
    "surrogate bytes": (b"name: a\xed\xa0\x80\n", "not UTF-8"),
    **{f"steps {n[:5]}": (study(steps=n), ":4: ") for n in NUMBERS},
    "cap .nan": (study("budget: {usd: .nan}\n"), ":9: .nan is not a finite number"),
    "seed of 300 digits": (study(seeds=f"[{'9' * 300}]"), "a number of 300 characters"),
    "seed of 30 digits": (study(seeds=f"[{'9' * 30}]"), "seeds"),
    "truth value in a list": (study(seeds="[true]"), "a number is expected, got"),
    "1 MB of keys": (study("".join(f"k{i:06d}: 1\n" for i in range(80_000))), "larger than"),
    "100 kB of keys": (study("".join(f"k{i:06d}: 1\n" for i in range(8_000))), "and 7,980 more"),
    "100 kB in a key": (study(f"? {'k' * 100_000}\n: 1\n"), "(100,000 characters)"),
    "100 kB in a value": (study(f"fit: {'k' * 100_000}\n"), "fit: "),
    "1 MB of brackets": (b"a: " + b"[" * 999_000, "larger than"),
    "190 kB of brackets": (b"a: [" + b"[]," * 60_000 + b"]", "more than 5000 lists"),
    "190 kB of dashes": (b"a:\n " + b"- " * 95_000, "more than 5000 lists"),
    "depth": (b"a: " + b"[" * 4_000, "nested too deeply"),
    "an evaluation at each of 1e9 steps": (study(steps="1e9", at="{every: 1}"), "20,000 are the most"),
    "5,000 points in log step": (study(steps="5000", at="{log_spaced: 5000}"), "less than or equal to 1000"),
}


def rlaw(*words: str | bytes | Path, through: str = "", **environment: str) -> subprocess.CompletedProcess[bytes]:
    given = [sys.executable, "-m", "rlaw", *words]
    command = ["bash", "-c", through, "bash", *given] if through else given
    return subprocess.run(command, capture_output=True, timeout=120, env={**os.environ, **environment}, check=False)


def one_message(said: subprocess.CompletedProcess[bytes], code: int) -> str:
    text = said.stderr.decode(errors="surrogateescape")
    assert said.returncode == code, text
    assert "Traceback" not in text
    assert text.startswith("rlaw: ")
    assert len(text) < 9_000
    return text


@pytest.mark.parametrize("name", PLANS)
def test_a_study_that_is_none_is_refused_in_one_message(tmp_path, name):
    content, expected = PLANS[name]
    (tmp_path / "study.yaml").write_bytes(content)
    assert expected in one_message(rlaw("plan", tmp_path / "study.yaml"), 2)


@pytest.mark.parametrize("words", [("plan",), ("run", "--dry-run"), ("status",), ("fit",)])
@pytest.mark.parametrize("target", ["fifo", "folder", "/dev/zero", b"missing\xff"], ids=repr)
def test_data_that_is_no_file_is_said_to_be_none(tmp_path, words, target):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    given = target if isinstance(target, bytes) else tmp_path / target
    is_special = words[0] == "fit" and target in ("fifo", "/dev/zero")  # there, and no measurements
    text = one_message(rlaw(words[0], given, *words[1:]), 4 if is_special else 3)
    assert "\x1b" not in text


@pytest.fixture(scope="module")
def bad_store(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A store of a path that is not UTF-8."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "study.yaml").write_bytes(study(steps="30"))
    path = os.fsencode(folder) + b"/st\xff"
    said = rlaw("run", folder / "study.yaml", "--store", path, "--quiet", PYTHONIOENCODING="ascii")
    assert said.returncode == 0, said.stderr
    return path


FIT = ("fit", "--law", "power", "--draws", "20")


@pytest.mark.parametrize("words", [("status",), FIT, (*FIT, "--json")], ids=repr)
def test_a_path_that_is_not_utf_8_and_a_stdout_that_is_ascii_are_read_and_written(bad_store, words):
    for environment in ({"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}):
        said = rlaw(words[0], bad_store, *words[1:], **environment)
        assert (said.returncode, said.stderr) == (0, b"")
        assert said.stdout.isascii()


@pytest.mark.parametrize("shell", ['"$@" >&-', '"$@" >/dev/full'])
@pytest.mark.parametrize("words", [("laws",), ("laws", "--json")], ids=repr)
def test_a_stdout_that_takes_nothing_is_said_once(words, shell):
    assert "cannot write the result to standard output" in one_message(rlaw(*words, through=shell), 1)


@pytest.mark.parametrize("shell", ['"$@" 2>&-', '"$@" 2>/dev/full', '"$@" <&-', '"$@" | true'])
def test_other_streams_that_are_closed_or_full_are_in_nobodys_way(shell):
    said = rlaw("laws", through=shell)
    assert (said.returncode, b"Traceback" in said.stderr) == (0, False)


def test_too_few_files_for_a_worker_are_said(tmp_path):
    (tmp_path / "study.yaml").write_bytes(study())
    said = rlaw("run", tmp_path / "study.yaml", "--store", tmp_path / "store", through='ulimit -n 9; "$@"')
    assert "Too many open files" in one_message(said, 1)


def test_a_seed_of_300_digits_is_refused_on_the_command_line():
    one_message(rlaw("fit", "qwen2.5-math-base", "--seed", "9" * 300), 2)


def test_a_grid_of_a_thousand_points_takes_no_minutes():
    began = time.process_time()
    schedule = Evaluation(at=LogSpaced(log_spaced=1000)).schedule(1001)
    assert len(schedule) == 1001
    assert time.process_time() - began < 15
    assert Evaluation(at=LogSpaced(log_spaced=1000)).schedule(900) == tuple(range(901))


def slow_grid(n: int, steps: int) -> set[int]:
    """As rlaw 0.1.0 found it."""
    for points in range(2, 100 * n):
        grid = {round(steps ** (i / (points - 1))) for i in range(points)}
        if len(grid) >= min(n, steps):
            return grid
    return set(range(1, steps + 1))


@pytest.mark.parametrize(("n", "steps"), [(2, 1), (22, 150), (14, 40), (150, 1000), (60, 61), (210, 400), (22, 10)])
def test_the_grid_is_the_one_it_was(n, steps):
    assert Evaluation(at=LogSpaced(log_spaced=n)).schedule(steps) == tuple(sorted({0, steps} | slow_grid(n, steps)))
