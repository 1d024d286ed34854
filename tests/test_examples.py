"""Every study under examples: it reads, plans, and asks only what its task can answer."""

from pathlib import Path

import pytest

from rlaw.study.plan import base_key, plan
from rlaw.study.study import Study
from rlaw.tasks import of_tokens

EXAMPLES = Path(__file__).parents[1] / "examples"
MICRO = sorted(path.parent.name for path in EXAMPLES.glob("micro*/study.yaml"))


def load(name):
    return Study.load(EXAMPLES / name / "study.yaml")


@pytest.mark.parametrize("name", MICRO)
def test_a_study_plans_with_its_arms_and_its_benchmarks_have_enough_problems(name):
    study = load(name)
    runs = list(plan(study))
    assert study.name == name
    assert {run.arm for run in runs} == {"main", *(arm.name for arm in study.arms)}
    for benchmark in study.evaluation.benchmarks:
        assert len(of_tokens(study.task).benchmark(benchmark, study.evaluation.items)) == study.evaluation.items
    assert "validation" not in study.evaluation.benchmarks  # settings are chosen on it, results never told


def test_studies_with_the_same_bases_share_them():
    made = {name: {base_key(run) for run in plan(load(name))} for name in MICRO}
    for name in ("micro-reuse", "micro-groups"):
        assert made[name] < made["micro"]
    assert len(made["micro-variants"] & made["micro"]) == 12
    assert not made["micro-transfer"] & made["micro"]  # another textbook


def test_every_study_has_a_page_beside_it_and_a_place_in_make_studies():
    makefile = (EXAMPLES.parent / "Makefile").read_text()
    told = next(line for line in makefile.splitlines() if line.startswith("STUDIES")).split()
    for name in MICRO:
        assert (EXAMPLES / name / "README.md").is_file()
        assert name in told
