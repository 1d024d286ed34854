"""Two stores, one cache: a base is made once, whichever study comes first."""

import threading

from rlaw import home
from rlaw.engines.local.engine import LocalEngine
from rlaw.executors.worker import attempt
from rlaw.plan import Plan, plan
from rlaw.records import BaseTrained, RunFinished
from rlaw.store import Store
from rlaw.study import Study


def test_a_base_is_made_once_for_all_stores_and_lies_in_none(tmp_path, monkeypatch):
    monkeypatch.setenv(home.VARIABLE, str(tmp_path / "home"))
    study = {
        "name": "first",
        "model": {"ladder": [{"hidden": 16, "layers": 2}], "variants": {"base": {"steps": 20, "batch_size": 16}}},
        "task": {"name": "modular-chains", "modulus": 7, "operations": "1-2"},
        "rl": {"steps": 1, "prompts": 16, "num_generations": 4},
        "evaluation": {"items": 20},
        "engine": {"name": "local", "micro_batch": 8},
        "fit": {"laws": ["power"]},
    }
    told = {}
    for name, reuse in (("first", 1), ("second", 2)):
        laid_out: Plan = plan(Study.model_validate({**study, "name": name, "data": {"reuse": reuse}}))
        store = Store.create(tmp_path / name, laid_out)
        attempt(laid_out.runs[0], store, LocalEngine(), threading.Event(), lambda event: None)
        records = store.records(laid_out.runs[0].label)
        assert any(isinstance(record, RunFinished) for record in records)
        told[name] = next(record for record in records if isinstance(record, BaseTrained))
        assert not (tmp_path / name / "cache").exists()
    assert told["first"].digest == told["second"].digest
    assert told["first"].seconds == told["second"].seconds  # of the making: the second one found it
    assert [path.name for path in (tmp_path / "home" / "bases").iterdir() if path.is_dir()] == [told["first"].digest]
