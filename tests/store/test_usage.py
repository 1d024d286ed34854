"""What the runs of a store took is told the same by their journals and by their tables."""

import pytest

from rlaw.errors import StoreError
from rlaw.store import Store
from rlaw.store.records import BaseTrained, Evaluated, Step
from rlaw.store.usage import usage_of
from rlaw.study.plan import Plan


@pytest.fixture
def store(tmp_path, tiny_plan: Plan, train_here) -> Store:
    return train_here(tmp_path / "store", tiny_plan)


def test_a_run_took_what_its_records_tell(store):
    for run in usage_of(store).runs:
        records = store.records(run.label)
        steps = [r for r in records if isinstance(r, Step)]
        evaluated = [r for r in records if isinstance(r, Evaluated)]
        base = next(r for r in records if isinstance(r, BaseTrained))
        assert run.flops == {phase: sum(r.flops[phase] for r in steps) for phase in steps[0].flops}
        assert run.rl_seconds == sum(sum(r.seconds.values()) for r in steps)
        assert run.evaluation_seconds == sum(sum(r.seconds.values()) for r in evaluated)
        assert run.compute_flops == evaluated[-1].compute_flops[store.study.fit.accounting]
        assert (run.base, run.base_flops, run.base_seconds) == (
            base.digest,
            base.base_flops,
            sum(base.seconds.values()),
        )


def test_tables_change_no_cost(store):
    for label in store.labels():
        for path in store.folder(label).glob("*.parquet"):
            path.unlink()
    from_journals = usage_of(store)
    for label in store.labels():
        (store.folder(label) / "tables.json").unlink(missing_ok=True)
    store.settle()
    assert all(list(store.folder(label).glob("*.parquet")) for label in store.labels())
    assert usage_of(store) == from_journals


def test_a_run_that_never_started_took_nothing(tmp_path, tiny_plan):
    cost = usage_of(Store.create(tmp_path / "store", tiny_plan))
    assert {run.state for run in cost.runs} == {"planned"}
    assert (cost.rl_flops, cost.compute_flops, cost.base_flops, cost.seconds) == (0, 0.0, 0, 0.0)


def test_the_base_is_not_told_from_a_journal_with_damage_elsewhere(store):
    label = store.labels()[0]
    path = store.folder(label) / "records.jsonl"
    assert store.base(label) in store.records(label)
    lines = path.read_bytes().splitlines(keepends=True)
    number = next(i for i, line in enumerate(lines) if line.startswith(b'{"kind":"step"'))
    lines[number] = lines[number].replace(b'"step":', b'"stop":')
    path.write_bytes(b"".join(lines))
    with pytest.raises(StoreError, match=f"line {number + 1} "):
        store.base(label)
