"""A store that rlaw 0.1.0 wrote is read, resumed and finished by this one, its runs the same runs."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import pytest

import rlaw
from rlaw.execution import runner
from rlaw.execution.local import LocalExecutor
from rlaw.store import DONE, Store
from rlaw.store.records import Evaluated, Step
from rlaw.study import spec
from rlaw.study.plan import plan
from rlaw.study.recipe import RL
from rlaw.study.study import Study
from rlaw.tasks.base import Since

KEPT = Path(__file__).parent / "store-0.1.0"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(shutil.copytree(KEPT, tmp_path / "store"))


def test_it_is_read_whole(store):
    states = [status.state for status in store.runs()]
    assert states == ["finished"] * 4 + ["interrupted"] * 2 + ["failed", "planned", "planned"]
    rows = rlaw.load(store.path).rows
    for run in plan(store.study):
        status, records = store.status(run.label), store.records(run.label)
        schedule = run.evaluation.schedule(run.rl.steps)
        # an interrupted run of this store ended before the evaluation of its last step, the failed one after it
        due = [at for at in schedule if at < status.step + (status.state != "interrupted")] if status.attempt else []
        assert [record.step for record in records if isinstance(record, Step)] == [*range(1, status.step + 1)]
        assert [record.step for record in records if isinstance(record, Evaluated)] == due
        own = rows.filter(arm=run.arm, model=run.size.name, seed=run.seed)
        assert own["step"].sort().to_list() == due
        if status.state == "finished":  # and nothing else than its start, its base and its end
            assert status.step == run.rl.steps
            assert len(records) == run.rl.steps + len(schedule) + 3


def test_its_study_and_its_runs_keep_their_ids(store):
    laid_out = plan(store.study)
    assert laid_out.study.digest == store.digest
    assert tuple(run.label for run in laid_out) == store.labels()
    begun = [label for label in store.labels() if store.status(label).attempt]
    assert [store.run(label).id for label in begun] == [label.rpartition("-")[2] for label in begun]
    assert Store.create(store.path, laid_out).document == store.document


def test_what_it_left_undone_is_done_and_what_was_kept_stays(store):
    before = {label: store.records(label, raw=True) for label in store.labels()}
    outcome = runner.run(plan(store.study), store, LocalExecutor(1), retry_failed=True)
    assert outcome.complete
    assert {status.state for status in store.runs()} <= set(DONE)
    for label in store.labels():
        rows = store.records(label, raw=True)
        assert rows[: len(before[label])] == before[label]
        assert [row.step for row in store.records(label) if isinstance(row, Step)] == [1, 2, 3, 4, 5, 6]


class LaterRL(RL):
    """The recipe of a later version, with a setting that this one does not have."""

    soft_clip: Annotated[float, Since(2)] = 0.0


def test_a_setting_that_comes_later_makes_no_run_another_run(store):
    run = store.run(store.labels()[0])
    later = replace(run, rl=LaterRL(**run.rl.model_dump()))
    assert later.id == run.id
    assert spec.document(later)["rl"]["soft_clip"] == 0.0
    assert replace(run, rl=LaterRL(**run.rl.model_dump(), soft_clip=0.5)).id != run.id


class LaterStudy(Study):
    """Likewise."""

    rl: LaterRL = LaterRL()


def test_a_setting_that_comes_later_makes_no_study_another_study(store):
    later = LaterStudy.model_validate(store.study.model_dump())
    assert later.digest == store.digest
    assert store.differences(later) == []
