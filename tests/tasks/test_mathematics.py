import json
from pathlib import Path

import pytest

from rlaw import tasks
from rlaw.engines.local.engine import LocalEngine
from rlaw.errors import EngineError, NotFound, SpecError
from rlaw.study.plan import plan
from rlaw.study.study import Study
from rlaw.tasks.mathematics import BENCHMARKS, Mathematics
from rlaw.tasks.problems import files
from rlaw.tasks.problems.prepare import Recipe, prepare

pytest.importorskip("pyarrow", reason="rlaw[math] is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("mathematics")
    rows = [{"question": f"What is {i} + 1?", "answer": str(i + 1), "pass_rate": (i % 17) / 16} for i in range(200)]
    (root / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    prepare(root / "in.jsonl", root / "data", Recipe(held_out=40))
    return root / "data"


def test_the_pool_is_distinct_in_the_files_order_and_drawn_with_the_seed(folder):
    task = Mathematics(folder=str(folder))
    whole = files.read(folder / "train.parquet")
    assert task.pool(160, seed=0) == whole
    half, again, other = task.pool(80, 0), task.pool(80, 0), task.pool(80, 1)
    assert half == again != other
    assert len({problem.prompt for problem in half}) == 80
    assert [p for p in whole if p in set(half)] == list(half)


def test_more_problems_than_there_are_is_a_fault_of_the_study(folder):
    with pytest.raises(SpecError, match="holds 160 problems"):
        Mathematics(folder=str(folder)).pool(161, 0)


def test_a_digest_that_is_not_the_datas_is_refused(folder):
    right = files.digest(files.read(folder / "train.parquet"))
    assert len(Mathematics(folder=str(folder), digest=right).pool(10, 0)) == 10
    with pytest.raises(SpecError, match=f"digest {right}"):
        Mathematics(folder=str(folder), digest="0" * 12).pool(10, 0)


def test_a_benchmark_gives_the_first_items_or_all_it_has(folder):
    task = Mathematics(folder=str(folder))
    assert len(task.benchmark("held-out", 500)) == 40
    assert list(task.benchmark("held-out", 5)) == list(task.benchmark("held-out", 500))[:5]
    with pytest.raises(NotFound, match=r"aime-2024.parquet"):
        task.benchmark("aime-2024", 30)


def test_the_reward_judges_the_last_box_against_the_ground_truth(folder):
    task = Mathematics(folder=str(folder))
    (problem,) = task.benchmark("held-out", 1)
    right, wrong = (f"\\boxed{{{int(problem.ground_truth) + off}}}" for off in (0, 1))
    grades = task.reward().grade([right, wrong, "?"], [problem.ground_truth] * 3)
    assert [grade.verdict.value for grade in grades] == ["right", "wrong", "unparsed"]
    assert problem.messages[0]["role"] == "user"


def test_a_study_of_mathematics_is_planned_and_the_embedded_engine_refuses_it(write_study, folder):
    task = {"name": "mathematics", "folder": str(folder)}
    path = write_study(task=task, evaluation={"benchmarks": ["held-out", "gsm8k"], "items": 500, "samples": 1})
    (run, *_) = plan(Study.load(path))
    assert run.task == Mathematics(folder=str(folder))
    with pytest.raises(EngineError, match="words"):
        LocalEngine().check(run)
    assert tasks.of_text(run.task) is run.task


def test_an_engine_for_words_refuses_tokens():
    with pytest.raises(EngineError, match="tokens"):
        tasks.of_text(tasks.of({"name": "modular-chains"}))


@pytest.mark.parametrize("name", [name for name, known in BENCHMARKS.items() if known.refused])
def test_benchmarks_that_would_run_code_or_have_no_verifier_are_refused_with_the_reason(name, write_study):
    task = {"name": "mathematics", "folder": "data"}
    with pytest.raises(SpecError, match=r"not measured: its answers are"):
        Study.load(write_study(task=task, evaluation={"benchmarks": [name]}))


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"name": "mathematics"}, "folder: missing"),
        ({"name": "mathematics", "folder": "d", "verifer": {}}, "did you mean 'verifier'"),
        ({"name": "mathematics", "folder": "d", "verifier": {"seconds": 0}}, "task.verifier.seconds"),
        ({"name": "mathematics", "folder": "d", "digest": "xyz"}, "task.digest"),
    ],
)
def test_a_fault_of_the_task_is_reported_with_file_and_line(task, message, write_study):
    with pytest.raises(SpecError, match=r"study.yaml:\d+: ") as caught:
        Study.load(write_study(task=task))
    assert message in str(caught.value)
