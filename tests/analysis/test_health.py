"""Rules of health: nothing wrong is said of a healthy run, and a planted fault is found with its evidence."""

import json
import re

import numpy as np
import pytest
from runs import console, healthy

import rlaw
from rlaw.analysis.health.rules import RULES
from rlaw.analysis.health.trend import rise
from rlaw.cli import main


@pytest.fixture
def examined(tmp_path):
    """The health of a veRL console with these columns."""

    def of(columns):
        path = tmp_path / "train.log"
        path.write_text(console(columns))
        (run,) = rlaw.health(path).runs
        return run

    return of


def grown(n=120, start=0.5):
    return np.clip((np.arange(n) / n - start) / 0.1, 0, 1)


def changed(**changes):
    columns = healthy()
    for name, change in changes.items():
        key = next(key for key in columns if re.sub(r"\W", "_", key) == name)
        columns[key] = change(columns[key])
    return columns


def test_a_healthy_run_has_no_alarm_and_says_what_it_could_not_measure(examined):
    run = examined(healthy())
    assert run.alarms == ()
    assert set(run.not_measured) == {"zero-variance-too-easy", "zero-variance-too-hard"}
    assert set(run.healthy) | set(run.not_measured) == {rule.name for rule in RULES}


@pytest.mark.parametrize(
    ("rule", "columns"),
    [
        ("entropy-collapse", changed(actor_entropy=lambda y: y * np.exp(-4 * grown()))),
        ("kl-growth", changed(actor_kl_loss=lambda y: y + 3 * grown() ** 2)),
        ("clip-share", changed(actor_pg_clipfrac=lambda y: y + 0.5 * grown())),
        ("gradient-spikes", changed(actor_grad_norm=lambda y: np.where(np.arange(len(y)) == 70, 30 * y, y))),
        ("length-explosion", changed(response_length_mean=lambda y: y * (1 + 6 * grown()))),
        ("truncation", changed(response_length_clip_ratio=lambda y: y + 0.4 * grown())),
        ("step-time-drift", changed(timing_s_step=lambda y: y * (1 + grown()))),
        ("nan", changed(actor_pg_clipfrac=lambda y: y, actor_grad_norm=lambda y: np.where(y == y[60], np.nan, y))),
        ("reward-collapse", changed(critic_rewards_mean=lambda y: y * (1 - 0.8 * grown()))),
        ("plateau", changed(critic_rewards_mean=lambda y: np.r_[y[:40], y[35] + np.tile([0.01, -0.01], 40)])),
        ("over-optimisation", changed(val_core_test_acc_mean_1=lambda y: y - 0.6 * grown(start=0.6))),
    ],
)  # fmt: skip
def test_a_planted_fault_is_found_with_its_step_and_what_to_do(examined, rule, columns):
    run = examined(columns)
    assert rule in [alarm.rule for alarm in run.alarms]
    alarm = next(alarm for alarm in run.alarms if alarm.rule == rule)
    assert 20 <= alarm.step <= 120
    assert alarm.evidence
    assert alarm.source
    assert alarm.next


@pytest.mark.parametrize(("level", "rule"), [(0.98, "zero-variance-too-easy"), (0.02, "zero-variance-too-hard")])
def test_groups_without_variance_are_too_easy_or_too_hard_by_their_reward(tmp_path, level, rule):
    history = [
        {"step": 10 * i, "reward": level, "loss": 0.1, "frac_reward_zero_std": 0.95, "kl": 0.01} for i in range(1, 30)
    ]
    path = tmp_path / "trainer_state.json"
    path.write_text(json.dumps({"log_history": history, "max_steps": 400}))
    (run,) = rlaw.health(path).runs
    assert rule in [alarm.rule for alarm in run.alarms]


def test_the_document_has_the_keys_of_its_contract(tmp_path, capsys):
    path = tmp_path / "train.log"
    path.write_text(console(changed(response_length_clip_ratio=lambda y: y + 0.4 * grown())))
    assert main(["health", str(path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == 1
    (run,) = document["runs"]
    (alarm,) = run["alarms"]
    assert set(alarm) == {"rule", "step", "value", "threshold", "evidence", "source", "next"}
    assert run["not_measured"] == ["zero-variance-too-easy", "zero-variance-too-hard"]
    assert document["warnings"] == []
    assert main(["health", str(path), "--strict"]) == 4
    assert "truncation (--strict)" in capsys.readouterr().err


def test_a_log_that_measures_nothing_is_not_called_healthy(tmp_path, capsys):
    path = tmp_path / "train.log"
    path.write_text("step:1 - critic/rewards/mean:0.1\nstep:2 - critic/rewards/mean:0.2\n")
    assert main(["health", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "plateau (reward_mean has 2 entries, and 20 are needed)" in printed


def test_a_loss_that_a_console_prints_as_nan_is_found(tmp_path):
    path = tmp_path / "train.log"
    losses = ["0.1"] * 20 + ["nan"] * 4
    entry = "{{'loss': {}, 'grad_norm': 0.2, 'reward': 0.5, 'completions/mean_length': 10.0}}"
    path.write_text("\n".join(entry.format(loss) for loss in losses))
    (run,) = rlaw.health(path).runs
    assert ("nan", 21) in [(alarm.rule, alarm.step) for alarm in run.alarms]


def test_a_store_is_examined_run_by_run(store):
    result = rlaw.health(store.path)
    assert len(result.runs) == len(store.labels())
    assert not result.sick
    label = store.labels()[0]
    (one,) = rlaw.health(store.path / "runs" / label).runs
    assert one.run == label


def test_the_trend_test_keeps_its_size_where_neighbours_hang_together():
    rng = np.random.default_rng(0)
    rejected = {0.0: 0, 0.5: 0}
    for memory in rejected:
        for _ in range(300):
            y = rng.standard_normal(60)
            for i in range(1, 60):
                y[i] = memory * y[i - 1] + np.sqrt(1 - memory**2) * y[i]
            rejected[memory] += rise(np.arange(60), y).p_rising < 0.05
    assert 0.02 < rejected[0.0] / 300 < 0.08
    assert rejected[0.5] / 300 < 0.14


def test_kendalls_statistic_is_that_of_the_worked_example():
    """By hand: 8 of 10 pairs rise, S = 6, z = 5 / sqrt(50 / 3); Kendall's exact p is 0.117."""
    found = rise(np.arange(5), np.array([5.0, 6, 11, 8, 10]))
    assert found.slope == pytest.approx(1.125)
    assert found.p_rising == pytest.approx(0.1103, abs=1e-3)
