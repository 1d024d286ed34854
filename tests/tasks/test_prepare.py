import json
import os
from pathlib import Path

import numpy as np
import pytest

from rlaw.cli import main
from rlaw.errors import DataError, NotFound, UsageError
from rlaw.tasks.mathematics import BENCHMARKS
from rlaw.tasks.problems import files, survey
from rlaw.tasks.problems.base import fingerprint, prompt_of, question_of
from rlaw.tasks.problems.prepare import Recipe, prepare
from rlaw.tasks.problems.subsets import spread, subset

pytest.importorskip("pyarrow", reason="rlaw[math] is not installed")
DATA = Path(os.environ.get("RLAW_SHARED_DATA", Path(__file__).parents[2] / "../shared/data")) / "guru"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no problem files: set RLAW_SHARED_DATA")


def rated(path: Path, items: int = 320, **changes: object) -> Path:
    """A file of rated problems: every pass rate of 0/16 … 15/16 as often, one in sixteen without one."""
    rows = [{"question": f"What is {i} + {i}?", "answer": 2 * i, "pass_rate": (i % 16) / 16} for i in range(items)]
    for row in rows[15::16]:
        del row["pass_rate"]
    for place, row in changes.items():
        rows[int(place.removeprefix("row"))] = row
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def questions(path: Path) -> list[str]:
    return [problem.prompt[-1][1] for problem in files.read(path)]


def test_held_out_problems_are_half_easy_half_hard_and_never_trained_on(tmp_path):
    prepare(rated(tmp_path / "in.jsonl"), tmp_path / "out", Recipe(held_out=60, seed=3))
    held_out, train = (files.read(tmp_path / "out" / f"{name}.parquet") for name in ("held-out", "train"))
    assert (len(held_out), len(train)) == (60, 260)
    assert (1 - held_out.levels_I >= 0.3).sum() == 30
    assert not {p.prompt for p in held_out} & {p.prompt for p in train}
    assert np.all(np.diff(train.levels_I) >= 0)
    assert np.all(np.diff(held_out.levels_I) >= 0)


def test_the_same_seed_gives_the_same_problems_and_another_one_others(tmp_path):
    source = rated(tmp_path / "in.jsonl")
    digests = [
        [item.digest for item in prepare(source, tmp_path / name, Recipe(60, seed=seed, order="shuffled")).files]
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    assert digests[0] == digests[1]
    assert not set(digests[0]) & set(digests[2])


def test_a_shuffled_order_is_written_whole(tmp_path):
    done = prepare(rated(tmp_path / "in.jsonl", 3000), tmp_path / "out", Recipe(0, order="shuffled"))
    assert done.files[0].items == 3000
    assert sorted(questions(tmp_path / "out/train.parquet")) == sorted(questions(tmp_path / "in.jsonl"))
    assert questions(tmp_path / "out/train.parquet") != questions(tmp_path / "in.jsonl")


def test_copies_of_held_out_and_benchmark_problems_are_kept_from_training(tmp_path):
    source = rated(tmp_path / "in.jsonl")
    bench = rated(tmp_path / "bench.jsonl", 10)
    doubled = tmp_path / "doubled.jsonl"
    doubled.write_text(source.read_text() + source.read_text().replace("What is", "what  IS"))
    done = prepare(doubled, tmp_path / "out", Recipe(60), {"gsm8k": bench})
    assert done.counts["problems"] == 640
    assert done.counts["asked_before"] == 320
    assert done.leaks == {"gsm8k": 20, "held-out": 60}
    train = {fingerprint(text) for text in questions(tmp_path / "out/train.parquet")}
    for name in ("gsm8k", "held-out"):
        assert not train & {fingerprint(text) for text in questions(tmp_path / f"out/{name}.parquet")}


@pytest.mark.parametrize("nested", [True, False])
def test_reuse_subsets_have_a_fixed_total_and_keep_the_difficulty(nested, tmp_path):
    recipe = Recipe(0, reuse=(1, 2, 4), nested=nested, order="curriculum")
    prepare(rated(tmp_path / "in.jsonl"), tmp_path / "out", recipe)
    subsets = {tau: files.read(tmp_path / f"out/reuse-{tau}.parquet") for tau in (1, 2, 4)}
    assert [len(problems) for problems in subsets.values()] == [320, 160, 80]
    for tau, problems in subsets.items():
        assert np.all(np.diff(problems.levels_I) >= 0)
        _, count = np.unique(problems.levels_I, return_counts=True)
        assert np.abs(count - np.array([20] * 14 + [40]) / tau).max() <= 1
    assert ({p.prompt for p in subsets[4]} <= {p.prompt for p in subsets[2]}) is nested


def test_every_prefix_of_a_spread_order_keeps_the_shares():
    rng = np.random.default_rng(0)
    levels_I = rng.choice([0.0, 0.25, 1.0], 1000, p=[0.1, 0.3, 0.6])
    order_I = spread(levels_I, rng)
    assert sorted(order_I) == list(range(1000))
    for size in (10, 137, 500, 999):
        for level in (0.0, 0.25, 1.0):
            have = (levels_I[order_I[:size]] == level).sum()
            assert abs(have - size * (levels_I == level).mean()) <= 2
    assert np.all(np.diff(subset(levels_I, 100, rng)) > 0)


def test_prompts_have_the_papers_words_and_the_question_comes_back():
    text = prompt_of("What is $1+1$? ")
    assert text.startswith("You are a knowledgeable math assistant.")
    assert text.endswith(r"\boxed{}.")
    assert question_of(text) == "What is $1+1$?"
    other = "What is 1 + 1? Please solve step by step and put your final answer within \\boxed{}."
    assert fingerprint(text) == fingerprint(other)
    assert fingerprint(text) != fingerprint(prompt_of("What is 1-1?"))


def test_a_file_written_and_read_again_is_the_same(tmp_path):
    problems = files.read(rated(tmp_path / "in.jsonl"))
    digest = files.write(tmp_path / "out.parquet", problems, "train")
    again = files.read(tmp_path / "out.parquet")
    assert again == problems
    assert files.digest(again) == digest


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"question": "?"}, "answer is missing"),
        ({"question": "", "answer": "1"}, "question is ''"),
        ({"question": "?", "answer": None}, "reference answer is None"),
        ({"question": "?", "answer": 1, "pass_rate": 1.5}, "pass_rate is 1.5, not between 0 and 1"),
        ({"question": "?", "answer": 1, "pass_rate": "high"}, "pass_rate is 'high'"),
        ({"prompt": "?", "reward_model": {"ground_truth": "1"}}, "row 8"),
        ([1], "not a mapping"),
    ],
)
def test_a_row_that_is_no_problem_is_named(row, message, tmp_path):
    with pytest.raises(DataError, match=r"row 8: no problem") as caught:
        files.read(rated(tmp_path / "in.jsonl", row7=row))
    assert message in str(caught.value)


def test_files_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "cut.parquet").write_bytes(b"PAR1" + bytes(100))
    (tmp_path / "text.jsonl").write_text("not json\n")
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(DataError, match="not a Parquet file"):
        files.read(tmp_path / "cut.parquet")
    with pytest.raises(DataError, match=r"text.jsonl:1: not a line of JSON"):
        files.read(tmp_path / "text.jsonl")
    with pytest.raises(NotFound, match="no file"):
        files.read(tmp_path / "none.parquet")
    with pytest.raises(DataError, match="holds no problems"):
        prepare(tmp_path / "empty.jsonl", tmp_path / "out", Recipe())
    with pytest.raises(DataError, match="easy problems, 250 are to be held out"):
        prepare(rated(tmp_path / "in.jsonl"), tmp_path / "out", Recipe())
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


@pytest.mark.parametrize("wrong", [{"held_out": -1}, {"easy": 0}, {"order": "up"}, {"reuse": (2, 2)}, {"total": 0}])
def test_a_recipe_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(UsageError):
        Recipe(**wrong)


def test_the_command_prepares_and_shows_and_never_overwrites(tmp_path, capsys):
    source, out = str(rated(tmp_path / "in.jsonl")), str(tmp_path / "out")
    assert main(["data", "prepare", source, "--out", out, "--held-out", "60", "--reuse", "2", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["schema"] == 1
    assert [item["file"] for item in made["files"]] == ["held-out.parquet", "train.parquet", "reuse-2.parquet"]
    assert main(["data", "prepare", source, "--out", out]) == 2
    assert "is there already" in capsys.readouterr().err
    assert main(["data", "show", out, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["files"]
    assert {item["file"]: item["digest"] for item in shown} == {item["file"]: item["digest"] for item in made["files"]}
    assert {item["state"] for item in shown} == {"yes"}
    assert main(["data", "show", out]) == 0
    assert "train.parquet" in capsys.readouterr().out
    assert main(["data", "prepare", source, "--out", "x", "--benchmark", f"humaneval={source}"]) == 2


def test_a_changed_file_is_reported(tmp_path):
    prepare(rated(tmp_path / "in.jsonl"), tmp_path / "out", Recipe(60))
    problems = files.read(tmp_path / "out/train.parquet")
    files.write(tmp_path / "out/train.parquet", problems.take(range(10)), "train")
    assert {one.file: one.state for one in survey.of(tmp_path / "out")} == {
        "held-out.parquet": "yes",
        "train.parquet": "changed",
    }
    (tmp_path / "out/held-out.parquet").unlink()
    with pytest.raises(NotFound, match=r"held-out.parquet"):
        survey.of(tmp_path / "out")


@needs_data
def test_the_papers_held_out_set_is_half_easy_by_our_rule():
    (held_out,) = survey.of(DATA / "math__full_difficulty_ordered_test_500.parquet")
    assert (held_out.items, held_out.easy, held_out.hard) == (500, 250, 250)
    assert all((float(rate) * 16).is_integer() for rate in held_out.levels)


@needs_data
@pytest.mark.parametrize(
    ("name", "file"),
    [("gsm8k", "gsm8k"), ("math-500", "math__math_500"), ("aime-2024", "aime2024"), ("amc-2023", "amc2023")],
)
def test_the_papers_benchmarks_have_the_items_of_its_table_1(name, file):
    assert len(files.read(DATA / f"{file}.parquet")) == BENCHMARKS[name].items


@needs_data
def test_the_papers_own_files_are_prepared(tmp_path):
    done = prepare(DATA / "math__sampled_1_50_1024.parquet", tmp_path / "out", Recipe(100, reuse=(2,)))
    assert [item.items for item in done.files] == [100, 924, 462]


def test_a_pass_rate_that_no_problem_has_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"no problem of .* has a pass rate called 'nokey'"):
        prepare(rated(tmp_path / "in.jsonl"), tmp_path / "out", Recipe(held_out=4, rating="nokey"))
