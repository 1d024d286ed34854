import pytest

from rlaw.errors import NotFound, SpecError
from rlaw.study.model import Size
from rlaw.study.plan import base_key, plan
from rlaw.study.recipe import Evaluation
from rlaw.study.study import Study

TEXT = """\
name: tiny
model:
  ladder:
    - {hidden: 16, layers: 3}
    - {hidden: 24, layers: 3}
    - {hidden: 32, layers: 3}
task: {name: modular-chains, modulus: 31}
rl: {steps: 20, learning_rate: 1e-3, width_scaling: {reference: 32}}
evaluation: {at: {log_spaced: 5}}
arms:
  - {name: long, rungs: [37.3k], seeds: [0], rl: {steps: 40}}
budget: {compute: 1e18 FLOPs, gpu_hours: 500 GPU-h, wall: 15 min}
seeds: [0, 1]
"""


@pytest.fixture
def load(tmp_path):
    def of(old="", new=""):
        assert old in TEXT
        path = tmp_path / "study.yaml"
        path.write_text(TEXT.replace(old, new) if old else TEXT)
        return Study.load(path)

    return of


def test_a_study_reads_numbers_and_units_as_they_are_written(load):
    study = load()
    assert study.rl.learning_rate == 1e-3
    assert study.budget.compute == 1e18
    assert study.budget.gpu_hours == 500
    assert study.budget.wall == 900


def test_a_study_is_frozen_and_its_digest_follows_its_content(load):
    study = load()
    with pytest.raises(ValueError, match="frozen"):
        study.name = "other"
    assert study.digest == load().digest
    assert study.digest != load("steps: 20", "steps: 21").digest


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps: 20", "stesp: 20", r":8: rl\.stesp: unknown key; did you mean 'steps'\?"),
        ("hidden: 24", "hiden: 24", r":5: model\.ladder\.1\.hiden: unknown key; did you mean 'hidden'\?"),
        ("modulus: 31", "modulo: 31", r":7: task\.modulo: unknown key; did you mean 'modulus'\?"),
        ("rl: {steps: 40}", "rl: {stepps: 40}", r":11: arms\.0\.rl\.stepps: unknown key"),
        ("rungs: [37.3k]", "rungs: [1k]", r":11: arms\.0\.rungs: no such name '1k'"),
        ("1e-3", "-1", r":8: rl\.learning_rate: .*greater than 0"),
        ("log_spaced: 5", "log_space: 5", r":9: evaluation\.at: write \{log_spaced: 22\}"),
        ("15 min", "15 parsec", r":12: budget\.wall: '15 parsec' is not a duration"),
        ("modular-chains", "chains", r":7: task: no task is called 'chains'"),
        ("    - {hidden: 32, layers: 3}\n", "", r"saturating needs 3 sizes, the ladder has 2"),
        ("layers: 3}\n    - {hidden: 24", "layers: three}\n    - {hidden: 24", r":4: model\.ladder\.0\.layers"),
        ("seeds: [0, 1]", "seeds: []", r":13: seeds"),
        ("seeds: [0, 1]", "seeds: 0", r":13: seeds: Input should be a list"),
        ("seeds: [0, 1]", "seeds: [0, 0]", r"a seed is listed twice"),
        ("seeds: [0, 1]", "name: again", r":13: name: given twice"),
        ("name: tiny", "name: [a", r":2: not YAML"),
        ("name: tiny", "name: ../../etc", r":1: name: "),
        ("name: tiny", "name: &a tiny\nquestion: *a", r"aliases"),
        ("name: tiny", "name: !!python/object:os.system x", r":1: tag .* is not taken"),
        ("seeds: [0, 1]", "data: {pool: 12x}", r":\d+: data\.pool: '12x' is not a count"),
        ("seeds: [0, 1]", "data: {pool: 10}", r"take 5120 problems, data gives 10"),
        (
            "hidden: 24, layers: 3}",
            "hidden: 24, layers: 3, base: {stps: 9}}",
            r":5: model\.ladder\.1\.base\.stps: unknown",
        ),
        ("arms:\n", "fit:\n  laws: [powr]\narms:\n", r":11: fit\.laws: there is no law named 'powr'"),
        ("    - {hidden: 32, layers: 3}\n", "fit: {laws: [saturating]}\n", r":6: fit\.laws: saturating needs 3 sizes"),
        ("arms:\n", "engine: lokal\narms:\n", r":10: engine\.name: Input should be 'local', 'synthetic', 'trl' or"),
        (
            "seeds: [0, 1]",
            "contrasts:\n  - {name: x, between: 'arm=main,lang'}",
            r":14: contrasts\.0\.between: no arm is called 'lang'; there are main, long",
        ),
        ("seeds: [0, 1]", "contrasts: [{name: x, between: 'tau=1'}]", r":13: contrasts\.0\.between: .*write tau=A,B"),
    ],
)
def test_a_fault_is_reported_with_file_line_and_key(load, old, new, message):
    with pytest.raises(SpecError, match=message) as caught:
        load(old, new)
    assert "study.yaml:" in str(caught.value)


def test_a_study_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(NotFound, match="rlaw init"):
        Study.load(tmp_path / "none.yaml")


def test_a_billion_laughs_and_deep_nesting_are_refused_at_once(tmp_path):
    laughs = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    for text in (laughs, "a: " + "[" * 5000 + "]" * 5000, "x" * 2_000_000):
        path = tmp_path / "bad.yaml"
        path.write_text(text)
        with pytest.raises(SpecError):
            Study.load(path)


@pytest.mark.parametrize(
    ("hidden", "shape", "params"),
    [(16, (2, 1, 8), 9424), (24, (3, 1, 8), 20448), (48, (3, 1, 16), 81216), (128, (8, 4, 16), 591488)],
)
def test_a_size_fills_in_its_heads_from_its_width(hidden, shape, params):
    size = Size(hidden=hidden, layers=3)
    assert (size.heads, size.kv_heads, size.head_dim) == shape
    assert size.params == params


def test_the_evaluation_schedule_holds_step_0_and_the_last_step():
    assert Evaluation(at={"every": 4}).schedule(10) == (0, 4, 8, 10)
    assert Evaluation(at=[3, 99]).schedule(10) == (0, 3, 10)
    schedule = Evaluation(at={"log_spaced": 22}).schedule(150)
    assert len(schedule) == 23
    assert schedule[:3] == (0, 1, 2)
    assert Evaluation(at={"log_spaced": 22}).schedule(3) == (0, 1, 2, 3)


def test_the_plan_holds_every_size_and_seed_and_the_arm_smallest_first(load):
    runs = list(plan(load()))
    assert len(runs) == 3 * 2 + 1
    assert [run.arm for run in runs].count("long") == 1
    costs = [run.params * run.rl.steps for run in runs]
    assert costs == sorted(costs)


def test_a_run_id_follows_what_is_run_and_not_what_it_is_called(load):
    ids = {run.id for run in plan(load())}
    assert ids == {run.id for run in plan(load("name: tiny", "name: other"))}
    assert ids.isdisjoint({run.id for run in plan(load("learning_rate: 1e-3", "learning_rate: 2e-3"))})


def test_a_declared_contrast_changes_no_run_and_is_part_of_the_study(load):
    declared = load("seeds: [0, 1]", "seeds: [0, 1]\ncontrasts: [{name: x, between: 'arm=main,long', margin: 0.01}]")
    assert [run.id for run in plan(declared)] == [run.id for run in plan(load())]
    assert declared.digest != load().digest
    assert declared.contrasts[0].arms == ("main", "long")


def test_an_arm_that_changes_nothing_adds_no_run(load):
    assert len(plan(load(", rl: {steps: 40}", ""))) == 6


def test_runs_of_one_size_and_seed_share_their_base(load):
    runs = list(plan(load()))
    keys = {(run.size.name, run.seed): base_key(run) for run in runs}
    assert all(base_key(run) == keys[run.size.name, run.seed] for run in runs)
    assert len(set(keys.values())) == 6


def test_a_size_may_be_pretrained_otherwise_and_then_has_a_base_of_its_own(load):
    study = load("{hidden: 24, layers: 3}", "{hidden: 24, layers: 3, base: {steps: 1600}}")
    steps = {run.size.hidden: run.base.steps for run in plan(study)}
    assert steps == {16: 3000, 24: 1600, 32: 3000}
    keys = {base_key(run) for run in plan(study)}
    assert len(keys & {base_key(run) for run in plan(load())}) == 4


def test_rl_compute_of_a_run_is_eight_n_per_processed_token(load):
    run = next(iter(plan(load())))
    assert run.rl_flops("8N") == 8 * 9424 * 20 * 256 * 4 * (5 + 4)


def test_a_plan_above_the_budget_is_refused(load):
    from rlaw.errors import BudgetExceeded

    with pytest.raises(BudgetExceeded, match=r"budget\.compute"):
        plan(load("1e18 FLOPs", "1e9 FLOPs")).check_budget()
    plan(load()).check_budget()
