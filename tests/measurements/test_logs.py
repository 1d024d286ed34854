"""Logs of trainers: real ones with facts counted by hand, and documented output of trainers whose files are rare."""

import json
from pathlib import Path

import polars as pl
import pytest

from rlaw.cli import main
from rlaw.measurements.importers import FORMATS, logs
from rlaw.measurements.importers.lineage import last_lineage
from rlaw.measurements.importers.models import params_of_name

REAL = Path(__file__).parents[3] / "shared" / "data" / "logs"
real = pytest.mark.skipif(not REAL.is_dir(), reason="../shared/data/logs is not here")


def imported(capsys, *arguments: str) -> tuple[int, dict]:
    """The exit code and the document of `rlaw import`."""
    code = main(["import", *map(str, arguments), "--dry-run", "--json"])
    return code, json.loads(capsys.readouterr().out)


def the_run(capsys, path: Path) -> dict:
    code, document = imported(capsys, path)
    assert code == 0
    (source,) = document["sources"]
    rows = source["rows"]
    assert rows["in"] == rows["out"] + sum(rows["dropped"].values())
    (run,) = source["runs"]
    return run | {"rows": rows, "trainer": source["trainer"]}


# facts counted by hand: shared/data/logs/*/README.md
FACTS = {
    "jsonl_custom_tada": dict(
        steps=41, first_step=0, last_step=40, reward_first=0.2418749970383942, reward_last=0.16875000135041773,
        tokens=2287259, attempts=4, evaluations=0, model=None,
    ),
    "tinker_cookbook_rlvr/logs": dict(
        steps=7, evaluations=1, reward_first=0.5763577498124832, reward_last=0.6965612604454953, tokens=14767468,
        model="Qwen3-4B-Instruct-2507",
        benchmarks={"test": {"items": 100, "first": 0.6097216080871479, "last": 0.6097216080871479}},
    ),
    "tinker_cookbook_rlvr/logs_v2": dict(
        steps=29, evaluations=3, last_step=28, reward_last=0.4949653461863215, tokens=58361686,
        benchmarks={"test": {"items": 100, "first": 0.619139334726127, "last": 0.631713480810151}},
    ),
    "trl_state_mac_checkpoint10": dict(steps=3, first_step=2, last_step=10, reward_first=0.125, reward_last=0.125),
    "verl_console_prefix_202603": dict(
        steps=44, first_step=1, last_step=44, reward_first=0.0, tokens=54416, state="cut", model="Qwen3-1.7B",
        evaluations=0,
    ),
    "verl_file_logger_smoke": dict(steps=2, reward_first=-0.1875, reward_last=-0.375, tokens=123574, trainer="verl"),
}  # fmt: skip


@real
@pytest.mark.parametrize("folder", FACTS)
def test_a_real_log_gives_the_facts_that_were_counted_by_hand(capsys, folder):
    run = the_run(capsys, REAL / folder)
    assert {name: run[name] for name in FACTS[folder]} == FACTS[folder]


@real
@pytest.mark.parametrize(
    ("folder", "word"),
    [
        ("verl_console_crashed_maze", "NotImplementedError"),
        ("verl_sft_console", "supervised fine-tuning"),
        ("llamafactory_trainer_log", "preferences"),
    ],
)
def test_a_log_without_training_rows_gets_a_clear_answer_and_no_row(capsys, folder, word):
    code = main(["import", str(REAL / folder), "--dry-run"])
    printed = capsys.readouterr()
    assert code == 4
    assert word in printed.err
    assert "0 training rows" in printed.out


@real
def test_results_by_size_and_checkpoint_are_a_table_that_a_law_reads(capsys, tmp_path):
    code = main(["import", str(REAL / "lm_eval_pythia_by_size_step"), "--store", str(tmp_path / "store"), "--json"])
    document = json.loads(capsys.readouterr().out)
    assert code == 0
    runs = {run["run"]: run for source in document["sources"] for run in source["runs"]}
    assert {run["params"] for run in runs.values()} == {70e6, 410e6, 1.4e9}
    lambada = runs["pythia-v1.1-70m"]["benchmarks"]["lambada_openai"]
    assert lambada == {"items": 5153, "first": 0.050067921599068504, "last": 0.18455268775470599}


PRINTED = {
    "trl": (
        "  2%|▏  | 1/60 [00:02<01:58]{'loss': '0.01', 'reward': '0.4312', 'num_tokens': '7.186e+05', "
        "'frac_reward_zero_std': '0'}\n"
        "  3%|▎  | 2/60 [00:04<01:58]{'loss': '0.01', 'reward': '0.4512', 'num_tokens': '1.437e+06', "
        "'frac_reward_zero_std': '0'}\n",
        dict(steps=2, reward_first=0.4312, reward_last=0.4512, last_step=2, tokens=1437000, state="cut"),
    ),
    "openrlhf": (
        "INFO ✨ Global step 1: {'policy_loss': 0.01, 'reward': 0.31, 'return': 0.3, 'ppo_clip_ratio': 0.02}\n"
        "INFO ✨ Evaluation completed in 00:01:00, global_step 1, eval_metrics: {'eval_math500_pass1': 0.42}\n"
        "INFO ✨ Global step 2: {'policy_loss': 0.01, 'reward': 0.36, 'return': 0.3, 'ppo_clip_ratio': 0.02}\n",
        dict(
            steps=2,
            evaluations=1,
            reward_last=0.36,
            benchmarks={"math500": {"items": None, "first": 0.42, "last": 0.42}},
        ),
    ),
    "slime": (
        "[10:00] data.py:193 - rollout 0: {'rollout/rewards': 1e-08, 'rollout/raw_reward': 0.25}\n"
        "[10:00] x.py:1 - perf 0: {'perf/actor_train_time': 2.0}\n"
        "[10:00] x.py:1 - eval 0: {'eval/aime24': 0.2, 'eval/aime24-truncated_ratio': 0.3}\n"
        "[10:01] data.py:193 - rollout 1: {'rollout/rewards': 1e-08, 'rollout/raw_reward': 0.27}\n",
        dict(steps=2, evaluations=1, reward_first=0.25, reward_last=0.27),
    ),
    "skyrl": (
        "(entry pid=1) Step 1:\n(entry pid=1) {'eval/all/avg_score': '0.4000',\n"
        "(entry pid=1)  'reward/avg_raw_reward': '0.3500'}\n"
        "(entry pid=1) Step 2:\n(entry pid=1) {'generate/avg_num_tokens': '301.1',\n"
        "(entry pid=1)  'reward/avg_raw_reward': '0.3700'}\n",
        dict(steps=2, evaluations=1, reward_first=0.35, reward_last=0.37, last_step=2),
    ),
    "nemo-rl": (
        "==== Step 1/100 ====\n📊 Training Results:\n  • Loss: 0.0123\n  • Avg Reward: 0.2500\n⏱️  Timing:\n"
        "==== Step 2/100 ====\n📊 Training Results:\n  • Loss: 0.0113\n  • Avg Reward: 0.2700\n",
        dict(steps=2, reward_first=0.25, reward_last=0.27, last_step=2),
    ),
    "areal": (
        "INFO: Epoch 1/10 Step 120/120 Train step 120/1200 done.\n"
        "│ ppo_actor/task_reward/avg │ 2.5000e-01 │ ppo_actor/n_tokens  │ 1.2345e+05 │\n"
        "INFO: Epoch 2/10 Step 1/120 Train step 121/1200 done.\n"
        "│ ppo_actor/task_reward/avg │ 2.7000e-01 │ ppo_actor/n_tokens  │ 1.2445e+05 │\n",
        dict(steps=2, first_step=120, last_step=121, reward_last=0.27, tokens=247900, attempts=1),
    ),
    "roll": (
        '[INFO] metrics_tag: {"critic/rewards/mean": 0.2, "time/step_total": 3.0, "global_step": 0}\n'
        '[INFO] metrics_tag: {"critic/rewards/mean": 0.3, "val_correct/all/mean": 0.4, "global_step": 1}\n',
        dict(steps=2, first_step=0, evaluations=1, reward_last=0.3),
    ),
    "verl": (
        "(main_task pid=1) Total training steps: 105\n"
        "step:0 - actor/entropy_loss:0.300 - actor/lr(1e-4):0.000 - critic/rewards/mean:0.200 - timing/gen:12.1\n"
        "Agent says: step:3 - let me think:5 about it\n"
        "0: (TaskRunner pid=5, ip=10.0.0.1) step:2 - actor/on:True - critic/rewards/mean:np.float64(0.3) - "
        "perf/total_num_tokens:np.int64(1000) - val-core/openai/gsm8k/acc/mean@4:0.6 [repeated 8x across cluster]\n",
        dict(steps=2, first_step=0, last_step=2, evaluations=1, state="cut", reward_last=0.3),
    ),
}


@pytest.mark.parametrize("trainer", PRINTED)
def test_the_console_of_a_trainer_is_read(capsys, tmp_path, trainer):
    """Built from the trainers' documented output (docs/logs.md)."""
    text, facts = PRINTED[trainer]
    path = tmp_path / "train.log"
    path.write_text(text)
    run = the_run(capsys, path)
    assert run["trainer"] == trainer
    assert {name: run[name] for name in facts} == facts


def test_numbers_that_are_none_and_a_torn_line_are_counted(capsys, tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(
        '{"step": 1, "reward": NaN}\n{"step": 2, "reward": 0.5}\n{"step": 3, "reward": Infinity}\n'
        '{"step": 4, "reward": 0.75, "late": "Infinity"}\n{"step": 5, "reward": 1.797e308}\n{"step": 6, "rew'
    )
    run = the_run(capsys, path)
    assert (run["steps"], run["reward_first"], run["reward_last"]) == (2, 0.5, 0.75)
    assert run["rows"]["dropped"] == {"torn_line": 1, "nonfinite_reward": 3}


def test_a_resumed_run_keeps_the_last_lineage_and_counts_what_it_replaced():
    steps = [1, 2, 3, 4, 3, 4, 5]
    entries = pl.DataFrame({"step": steps, "reward": [0.1, 0.2, 0.3, 0.4, 0.35, 0.45, 0.5]})
    found = last_lineage(entries)
    assert found.rows["reward"].to_list() == [0.1, 0.2, 0.35, 0.45, 0.5]
    assert found.earlier["reward"].to_list() == [0.3, 0.4]
    assert (found.attempts, found.dropped) == (2, {"earlier_attempt": 2})


def test_two_ranks_that_write_the_same_are_one_and_parts_of_a_step_are_joined():
    ranks = last_lineage(pl.DataFrame({"step": [1, 1, 2, 2], "reward": [0.1, 0.1, 0.2, 0.2]}))
    assert ranks.rows["reward"].to_list() == [0.1, 0.2]
    assert (ranks.attempts, ranks.dropped) == (1, {"repeated_entry": 2})
    parts = last_lineage(
        pl.DataFrame({"step": [1, 1, 2], "reward": [0.1, None, 0.2], "eval_reward": [None, 0.5, None]})
    )
    assert parts.rows.to_dicts()[0] == {"step": 1, "reward": 0.1, "eval_reward": 0.5}
    assert (parts.attempts, parts.dropped) == (1, {})


def test_a_cumulative_counter_of_tokens_is_taken_apart_and_a_restart_seen(capsys, tmp_path):
    path = tmp_path / "trainer_state.json"
    history = [
        {"step": s, "reward": 0.5, "num_tokens": n, "frac_reward_zero_std": 0.0}
        for s, n in ((1, 100), (2, 250), (3, 90), (4, 200))
    ]
    path.write_text(json.dumps({"max_steps": 4, "log_history": history}))
    assert the_run(capsys, path)["tokens"] == 250 + 200


def test_several_views_of_one_run_are_one_run(capsys, tmp_path):
    rows = [{"step": s, "reward": 0.1234567 + 0.01 * s, "frac_reward_zero_std": 0.1} for s in range(1, 9)]
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)))
    printed = [
        f"{{'reward': {r['reward']:.4f}, 'loss': 0.1, 'frac_reward_zero_std': 0.1, 'step': {r['step']}}}" for r in rows
    ]
    (tmp_path / "train.log").write_text("\n".join(printed))
    _, document = imported(capsys, tmp_path)
    runs = [run for source in document["sources"] for run in source["runs"]]
    assert [run["reward_first"] for run in runs] == [rows[0]["reward"]]
    assert [w["code"] for w in document["warnings"]] == ["same-run"]


def test_what_is_imported_twice_is_there_once_and_a_grown_log_brings_what_is_new(capsys, tmp_path):
    path, store = tmp_path / "metrics.jsonl", tmp_path / "store"
    lines = [json.dumps({"step": s, "reward": 0.1 * s, "eval/gsm8k/acc": 0.05 * s}) for s in range(1, 8)]
    path.write_text("\n".join(lines[:5]))
    arguments = ["import", str(path), "--store", str(store), "--model", "7B"]
    assert main(arguments) == 0
    first = {p.relative_to(store): p.read_bytes() for p in store.rglob("*") if p.is_file()}
    assert main(arguments) == 0
    assert {p.relative_to(store): p.read_bytes() for p in store.rglob("*") if p.is_file()} == first
    path.write_text("\n".join(lines))
    assert main(arguments) == 0
    (file,) = store.rglob("steps.parquet")
    assert pl.read_parquet(file)["step"].to_list() == list(range(1, 8))


def test_no_whole_path_is_kept_in_a_store(tmp_path):
    path, store = tmp_path / "metrics.jsonl", tmp_path / "store"
    path.write_text("\n".join(json.dumps({"step": s, "reward": 0.1}) for s in range(3)))
    assert main(["import", str(path), "--store", str(store)]) == 0
    assert str(tmp_path.parent) not in (store / "imported.json").read_text()


def test_a_folder_that_holds_something_else_is_left_alone(capsys, tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "reward": 0.1}\n')
    assert main(["import", str(tmp_path / "metrics.jsonl"), "--store", str(tmp_path)]) == 1
    assert "keeps no imported runs" in capsys.readouterr().err


def test_a_file_that_is_no_log_says_what_is_read(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("dear diary\n")
    with pytest.raises(Exception, match="no log of a known format") as error:
        logs.read([path])
    assert "verl-console" in str(error.value)


@pytest.mark.parametrize(
    ("model", "params"),
    [("Qwen/Qwen2.5-7B-Instruct", 6.53e9), ("my-1.5b-sft", 1.5e9), ("Qwen3-30B-A3B", None), ("llama", None)],
)
def test_a_models_name_gives_its_size_where_it_holds_one(model, params):
    found = params_of_name(model)
    assert (found is None) == (params is None)
    if found is not None:
        assert found[0] == pytest.approx(params, rel=1e-3)


def ladder(folder: Path) -> None:
    """Logs of three sizes that follow a law, as veRL prints them."""
    for size, params in (("1.5B", 1.5e9), ("7B", 7e9), ("14B", 14e9)):
        k = 0.2 / (1 + 2e9 / params)
        path = f"(TaskRunner pid=1) 'actor_rollout_ref.model.path=Qwen/Qwen2.5-{size}', "
        lines = [path, "dataset len: 7000", "dataset len: 500"]
        for step in range(1, 61):
            right = 1 - 0.9 * step**-k
            line = f"step:{step} - critic/rewards/mean:{right:.4f} - perf/total_num_tokens:500000"
            lines.append(line + (f" - val-core/math/acc/mean@1:{round(500 * right) / 500}" if step % 4 == 0 else ""))
        (folder / f"{size}.log").write_text("\n".join(lines))


def test_imported_logs_are_fitted_as_the_logs_themselves_are(capsys, tmp_path):
    logs_folder, store = tmp_path / "logs", tmp_path / "store"
    logs_folder.mkdir()
    ladder(logs_folder)
    assert main(["import", str(logs_folder), "--store", str(store)]) == 0
    capsys.readouterr()
    fitted = []
    for data in (store, logs_folder):
        assert main(["fit", str(data), "--json", "--draws", "40"]) == 0
        fitted.append(json.loads(capsys.readouterr().out))
    assert fitted[0]["parameters"] == fitted[1]["parameters"]
    assert fitted[0]["parameters"]["K_max"]["value"] == pytest.approx(0.2, rel=0.1)
    assert main(["status", str(store)]) == 0
    assert "3 imported runs" in capsys.readouterr().out


def test_a_training_reward_stands_in_only_when_it_is_asked_to_and_later_output_says_so(capsys, tmp_path):
    path, store = tmp_path / "metrics.jsonl", tmp_path / "store"
    path.write_text("\n".join(json.dumps({"step": s, "reward": 0.1 + 0.5 * s / (s + 9)}) for s in range(1, 30)))
    assert main(["fit", str(path), "--law", "power"]) == 4
    assert "--score train" in capsys.readouterr().err
    assert main(["import", str(path), "--store", str(store), "--model", "7B", "--score", "train"]) == 0
    capsys.readouterr()
    assert main(["fit", str(store), "--law", "power", "--axis", "step"]) == 0
    printed = capsys.readouterr()
    assert "training rewards, not held out" in printed.out + printed.err


def test_a_folder_that_is_no_store_is_never_offered_a_study(capsys, tmp_path):
    (tmp_path / "notes.txt").write_text("dear diary")
    for command in (["fit"], ["status"], ["report"]):
        assert main([*command, str(tmp_path)]) in (3, 4)
        assert "rlaw run" not in capsys.readouterr().err


def test_the_formats_are_known_by_name_before_any_is_imported():
    assert tuple(one.name for one in logs.FORMATS) == FORMATS


def test_names_of_the_log_are_given_and_those_it_lacks_are_refused(capsys, tmp_path):
    path = tmp_path / "metrics.jsonl"
    rows = [{"step": s, "my/return": 0.1 * s, "my/exam": 0.05 * s, "cost": 10} for s in range(1, 6)]
    path.write_text("\n".join(map(json.dumps, rows)))
    names = ["--map", "reward=my/return", "--map", "exam=my/exam", "--map", "tokens=cost"]
    code, document = imported(capsys, path, *names)
    (run,) = document["sources"][0]["runs"]
    assert (code, run["reward_last"], run["tokens"], list(run["benchmarks"])) == (0, 0.5, 50, ["exam"])
    assert main(["import", str(path), "--dry-run", "--map", "reward=no/such"]) == 2
    assert "no/such" in (printed := capsys.readouterr().err)
    assert "my/return" in printed
    assert main(["import", str(path), "--dry-run", "--model", "other=7B"]) == 2
    assert "no run is called so; there are metrics" in capsys.readouterr().err.replace(tmp_path.name, "metrics")


@pytest.mark.parametrize(("key", "first"), [("frac_reward_zero_std", 0), ("env/all/by_group/frac_mixed", 1)])
def test_a_training_reward_is_that_of_the_weights_that_earned_it(tmp_path, key, first):
    """TRL draws the rollouts of step 1 before any update; Tinker's row 1 follows one."""
    path = tmp_path / "metrics.jsonl"
    name = "reward" if first == 0 else "env/all/reward/total"
    path.write_text("\n".join(json.dumps({"step": s, name: 0.1 * s, key: 0.0}) for s in range(1, 6)))
    (source,) = logs.read([path])
    table, _ = logs.evaluations(source.runs, "train")
    assert table["step"].to_list() == list(range(first, first + 5))
