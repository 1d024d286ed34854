"""More kinds of logs, each a small sample of what its writer is documented to write."""

import io
import json
import struct
import sys
import zipfile
import zlib
from pathlib import Path

import polars as pl
import pytest

from rlaw.cli import main
from rlaw.measurements.importers import logs, settings, workbook
from rlaw.measurements.importers.bars import Bars, steps_of
from rlaw.measurements.importers.lineage import last_lineage
from rlaw.measurements.importers.names import names_of_flat
from rlaw.measurements.importers.text import is_below


def imported(capsys, *arguments: str | Path) -> dict:
    """The document of `rlaw import` where it takes the logs."""
    assert main(["import", *map(str, arguments), "--dry-run", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    for source in document["sources"]:
        assert source["rows"]["in"] == source["rows"]["out"] + sum(source["rows"]["dropped"].values())
    return document


def the_run(capsys, *arguments: str | Path) -> dict:
    document = imported(capsys, *arguments)
    (run,) = [run for source in document["sources"] for run in source["runs"]]
    return run


def lines(path: Path, rows: list[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def entry(step: int) -> str:
    return f"{{'loss': 0.0, 'reward': {0.1 + step / 100}, 'rewards/right/mean': 0.5, 'epoch': {step / 100}}}\n"


def bar(step: int) -> str:
    return f"{step * 5:3d}%|## | {step}/20 [00:10<00:20]"


DRAWN = {
    "as it came": "".join(
        f"\r{bar(s)}" + (f"\r  \r{entry(s)}\r{bar(s)}" if s and s % 5 == 0 else "") for s in range(21)
    ),
    "without what was overwritten": "".join(
        (entry(s) if s and s % 5 == 0 else "") + bar(s).replace("|## |", "") + "\n" for s in range(21)
    ),
    "buffered": "".join(f"\r{bar(s)}" for s in range(21)) + "\n" + "".join(map(entry, (5, 10, 15, 20))),
    "without a bar": "".join(map(entry, (5, 10, 15, 20))),
}


@pytest.mark.parametrize("kept", DRAWN)
def test_entries_without_steps_have_those_of_the_bar_however_the_output_was_kept(capsys, tmp_path, kept):
    path = tmp_path / "run.log"
    ended = "{'train_runtime': 100.0, 'train_steps_per_second': 0.2, 'train_loss': 0.0}\n"
    path.write_text("Map: 100%|###| 7473/7473 [00:01<00:00]\n" + DRAWN[kept] + ended)
    run = the_run(capsys, path)
    assert (run["steps"], run["first_step"], run["last_step"], run["attempts"]) == (4, 5, 20, 1)
    assert run["state"] == "finished"


def test_a_stage_of_supervised_training_before_has_no_steps_of_the_run(capsys, tmp_path):
    path = tmp_path / "run.log"
    supervised = "".join(f"{bar(s)}\n{{'loss': 1.5, 'grad_norm': 0.3, 'epoch': 0.1}}\n{bar(s)}\n" for s in (10, 20))
    path.write_text(supervised + "{'train_runtime': 9.0, 'train_loss': 1.4}\n" + DRAWN["as it came"])
    document = imported(capsys, path)
    (run,) = document["sources"][0]["runs"]
    assert (run["steps"], run["attempts"]) == (4, 1)
    assert document["sources"][0]["rows"]["dropped"] == {"no_step": 2}


def test_bars_of_other_work_do_not_count():
    bars = Bars()
    for line in ("Processed prompts: 100%|##| 64/64 [", "  3%|# | 3/90 [", " 50%|# | 1/2 ["):
        bars.take(line)
    bars.entry(trained=True)
    for line in ("  3%|# | 3/90 [", "  7%|# | 6/90 ["):
        bars.take(line)
    bars.entry(trained=True)
    bars.close()
    assert steps_of(bars.stages[0])[:2] == ([3, 6], 90)


def test_metrics_of_verl_are_read_far_below_the_top_and_where_each_begins_a_line(capsys, tmp_path):
    path = tmp_path / "output.log"
    answers = "The step: let me think\n" * 5000
    metrics = (
        "(TaskRunner pid=1) step:1\n - critic/rewards/mean:0.25\n - perf/total_num_tokens:1000\n - actor/lr:0.000\n"
        "(TaskRunner pid=1) step:2 - critic/rewards/mean:0.000\n"
    )
    path.write_text(f"{answers}step:0 - val/test_score/logic:0.000\n{answers}{metrics}")
    run = the_run(capsys, path)
    assert (run["steps"], run["tokens"], run["reward_first"], run["reward_last"]) == (2, None, 0.25, 0.0)
    assert run["benchmarks"] == {"logic": {"items": None, "first": 0.0, "last": 0.0}}
    assert run["run"] == tmp_path.name  # a plain name says nothing of the run


def test_an_error_that_a_worker_survived_is_no_failure_of_the_run(capsys, tmp_path):
    path = tmp_path / "run.log"
    worker = "ERROR:2026-03-26:Traceback (most recent call last):\n  File x\nValueError: step 0 - no action\n"
    path.write_text(f"Total training steps: 9\nstep:1 - critic/rewards/mean:0.5\n{worker}")
    assert the_run(capsys, path)["state"] == "cut"
    path.write_text(path.read_text() + "Traceback (most recent call last):\n  File x\ntorch.OutOfMemoryError: CUDA\n")
    run = the_run(capsys, path)
    assert (run["state"], run["cause"]) == ("failed", "OutOfMemoryError")


def test_a_number_printed_as_zero_below_its_last_digit_is_unknown():
    assert is_below("actor/lr", "0.000")
    assert is_below("policy/policy_lr", "0.0000")
    assert not is_below("actor/lr", "0.0")  # as a whole number is printed in full
    assert not is_below("critic/rewards/mean", "0.000")


def test_names_of_verl_with_underscores_are_its_own(capsys, tmp_path):
    path = tmp_path / "training_metrics.csv"
    header = "step,actor_lr,critic_rewards_mean,val_core_math_acc_mean_at1,perf_total_num_tokens,training_global_step"
    path.write_text(f"{header}\n1,1e-6,0.25,,100,1\n2,1e-6,0.5,0.75,120,2\n")
    run = the_run(capsys, path)
    assert (run["steps"], run["tokens"], run["evaluations"], run["reward_last"]) == (2, 220, 1, 0.5)
    assert list(run["benchmarks"]) == ["math"]
    assert names_of_flat(["step", "reward_mean", "perf_x"]) == {}


def test_a_list_of_runs_is_no_log_and_a_table_of_several_runs_is_each_of_them(capsys, tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("run_id,step,train/reward\n" + "".join(f"r{i},100,0.{i}\n" for i in range(1, 6)))
    assert main(["import", str(path), "--dry-run"]) == 4
    capsys.readouterr()
    path.write_text("run_id,step,train/reward\n" + "".join(f"r{i},{s},0.{i}{s}\n" for i in (1, 2) for s in range(1, 5)))
    runs = imported(capsys, path)["sources"][0]["runs"]
    assert [(run["run"], run["steps"], run["reward_first"]) for run in runs] == [("r1", 4, 0.11), ("r2", 4, 0.21)]


def test_the_summary_and_the_evaluations_of_ms_swift_are_no_attempts(capsys, tmp_path):
    rows = []
    for s in (10, 20, 30):
        clock = {"global_step/max_steps": f"{s}/30", "elapsed_time": f"{s}s", "remaining_time": "1m"}
        rows.append({"loss": 0.1, "reward": s / 100, "rewards/x/mean": 0.1, "memory(GiB)": 9.5 + s, **clock})
        rows.append({"eval_reward": s / 50, "eval_runtime": 3.0, **clock, "elapsed_time": f"{s + 3}s"})
    rows.append({"train_runtime": 99.0, "global_step": 30, "log_history": [{"loss": 0.1, "step": 10}]})
    document = imported(capsys, lines(tmp_path / "v0-20260101" / "logging.jsonl", rows))
    (run,) = document["sources"][0]["runs"]
    assert (run["run"], run["steps"], run["evaluations"], run["attempts"]) == ("v0-20260101", 3, 3, 1)
    assert document["sources"][0]["rows"]["dropped"] in ({"no_step": 1}, {})


def test_an_evaluation_logged_late_is_no_restart_and_a_restart_is_one():
    def kept(pairs: list[tuple[int, float | None]]) -> tuple[list[int], int]:
        entries = pl.DataFrame(
            {
                "step": [s for s, _ in pairs],
                "reward": pl.Series([r for _, r in pairs], dtype=pl.Float64),
                "test": [None if r is not None else 0.5 for _, r in pairs],
            }
        )
        found = last_lineage(entries, ["reward", "test"], "reward")
        return found.rows["step"].to_list(), found.attempts

    assert kept([(0, 0.1), (1, 0.2), (2, 0.3), (0, None), (3, 0.4)]) == ([0, 1, 2, 3], 1)
    assert kept([(0, None), (1, 0.2), (2, 0.3), (0, None), (1, 0.4)]) == ([0, 1], 2)


def test_updates_of_one_rollout_belong_to_it(capsys, tmp_path):
    path = tmp_path / "slime.log"
    text = ""
    for rollout in range(3):
        text += f"data.py:1 - rollout {rollout}: {{'rollout/raw_reward': 0.{rollout + 1}, 'rollout/rewards': 1e-9}}\n"
        text += "".join(f"model.py:1 - step {n}: {{'train/loss': {n}.5}}\n" for n in (2 * rollout, 2 * rollout + 1))
    path.write_text(text)
    run = the_run(capsys, path)
    assert (run["steps"], run["last_step"], run["attempts"], run["reward_last"]) == (3, 2, 1, 0.3)
    rows = [{"rollout/step": 0, "rollout/raw_reward": 0.1}, {"train/step": 0, "train/loss": 1.0}]
    rows += [{"train/step": 1, "train/loss": 2.0}, {"rollout/step": 1, "rollout/raw_reward": 0.2}]
    rows += [{"train/step": 2, "train/loss": 1.5}, {"eval/step": 1, "eval/aime": 0.3}]
    run = the_run(capsys, lines(tmp_path / "history.jsonl", rows))
    assert (run["steps"], run["last_step"], run["attempts"], run["evaluations"]) == (2, 1, 1, 1)


PANEL = """\
╭──────────────────────── Metrics ────────────────────────╮
│  objective  kl_avg: 0.00 | verifiable_reward: {reward} |    │
│             verifiable_correct_rate: 0.33                │
│  other      training_step: {step} | scores: {reward} |       │
│             num_total_tokens: {tokens} | lr: 1.00e-06      │
│  val        sequence_lengths: 812.12 | stop_rate: 0.91   │
╰──────────────────────────────────────────────────────────╯
"""


def test_panels_of_open_instruct_and_lines_of_prime_rl_are_read(capsys, tmp_path):
    panels, plain = tmp_path / "open_instruct.log", tmp_path / "orchestrator.log"
    panels.write_text("".join(PANEL.format(step=s, reward=f"{s}.25", tokens=1000 * s) for s in (1, 2)))
    run = the_run(capsys, panels)
    assert (run["steps"], run["last_step"], run["tokens"], run["reward_last"]) == (2, 2, 2000, 2.25)
    assert run["benchmarks"] == {}  # `val/` is of training there
    plain.write_text("".join(
        f"02:00:0{s} SUCCESS Step {s} | Time: 12.30s | Reward: 0.{s}234 |{' Val. Reward: 0.5 |' if s == 2 else ''} "
        f"Throughput: 1,234.5 tokens/s | Async Level: 1 | Max. Off-Policy Level: 0\n" for s in range(4)
    ))  # fmt: skip
    run = the_run(capsys, plain)
    assert (run["steps"], run["first_step"], run["reward_last"], run["evaluations"]) == (4, 0, 0.3234, 1)


def test_lines_of_a_loop_of_ones_own_are_read_and_other_text_is_not(capsys, tmp_path):
    path = tmp_path / "mine.log"
    path.write_text("hello\n" + "".join(f"[math]  {s}/9 | loss=-0.5{s} | reward=0.{s}5\n" for s in range(1, 6)))
    run = the_run(capsys, path)
    assert (run["steps"], run["reward_first"], run["reward_last"], run["state"]) == (5, 0.15, 0.55, "cut")
    path.write_text("step 1: open the door, reward: none\nStep 2: the reward is great\n" * 9)
    assert logs.format_of(path) is None


def wandb_record(body: bytes) -> bytes:
    return struct.pack("<IHB", zlib.crc32(b"\1" + body), len(body), 1) + body


def field(number: int, body: bytes) -> bytes:
    size, n = b"", len(body)
    while n > 127:
        size, n = size + bytes([n & 127 | 128]), n >> 7
    return bytes([number << 3 & 127 | 2 | (128 if number > 15 else 0)] + ([number >> 4] if number > 15 else [])) + (
        size + bytes([n]) + body
    )


def test_console_text_of_a_wandb_run_without_history_is_read_and_is_one_run_with_its_output(capsys, tmp_path):
    folder = tmp_path / "wandb" / "run-20250302_115218-wntzruuo"
    said = ["step:0 - val/test_score/logic:0.42\n", "step:1 - critic/rewa", "rds/mean:0.844\n"]
    setting = field(2, field(1, field(1, b"model_name") + field(16, b'"Qwen/Qwen2.5-3B-Instruct"')))
    records = [field(17, field(4, setting[2:])), *(field(13, field(3, part.encode())) for part in said)]
    folder.mkdir(parents=True)
    (folder / "run-wntzruuo.wandb").write_bytes(b":W&B\xe1\xbe\0" + b"".join(map(wandb_record, records)))
    document = imported(capsys, folder / "run-wntzruuo.wandb")
    (run,) = document["sources"][0]["runs"]
    assert (run["steps"], run["evaluations"], run["reward_last"], run["state"]) == (1, 1, 0.844, "cut")
    assert [w["code"] for w in document["warnings"]] == ["no-history"]
    (folder / "files").mkdir()
    more = "".join(said) + "step:2 - critic/rewards/mean:0.900\n"
    (folder / "files" / "output.log").write_text(more)
    (folder / "files" / "wandb-summary.json").write_text('{"_step": 2, "critic/rewards/mean": 0.9}')
    (folder / "logs").mkdir()
    (folder / "logs" / "debug.log").write_text("config: main_ppo step:9 - critic/rewards/mean:0.1\n")
    run = the_run(capsys, tmp_path)
    assert (run["steps"], run["model"]) == (2, "Qwen2.5-3B-Instruct")


def test_results_of_inspect_opencompass_and_verifiers_are_tables_by_step(capsys, tmp_path):
    about = {"task": "inspect_evals/gsm8k", "run_id": "x", "dataset": {"samples": 200}, "config": {}}
    scores = [{"name": "match", "metrics": {"accuracy": {"name": "accuracy", "value": 0.5}, "stderr": {"value": 0.1}}}]
    for step in (100, 200):
        document = {"status": "success", "eval": {**about, "model": f"vllm/my-7b/checkpoint-{step}"}}
        document["results"] = {"scores": scores, "total_samples": 400}
        with zipfile.ZipFile(tmp_path / f"{step}.eval", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("header.json", json.dumps(document))
    run = the_run(capsys, tmp_path)
    assert (run["run"], run["first_step"], run["last_step"], run["params"]) == ("my-7b", 100, 200, 7e9)
    assert run["benchmarks"] == {"gsm8k": {"items": 200, "first": 0.5, "last": 0.5}}

    summary = tmp_path / "opencompass" / "summary_20260101.csv"
    summary.parent.mkdir()
    summary.write_text(
        "dataset,version,metric,mode,q-7b-step100,q-7b-step200\n"
        "gsm8k,1d,accuracy,gen,57.09,60.25\nmath,2,accuracy,gen,-,30\n"
    )
    run = the_run(capsys, summary)
    assert (run["run"], run["evaluations"], run["benchmarks"]["gsm8k"]["last"]) == ("q-7b", 2, 60.25)

    folder = tmp_path / "evals" / "gsm8k--q-7b" / "abc"
    rollouts = [{"example_id": i // 2, "reward": r} for i, r in enumerate((1.0, 0.0, 0.5, 0.5))]
    lines(folder / "results.jsonl", rollouts)
    (folder / "metadata.json").write_text(json.dumps({"env_id": "gsm8k", "model": "org/q-7b-step50"}))
    run = the_run(capsys, folder)
    assert (run["last_step"], run["benchmarks"]) == (50, {"gsm8k": {"items": 2, "first": 0.5, "last": 0.5}})


def test_an_archive_that_zstd_compressed_is_read(tmp_path):
    """Inspect writes such members; zipfile knows them from Python 3.14 on."""
    pyarrow = pytest.importorskip("pyarrow")
    document = {"status": "success", "eval": {"task": "t", "model": "m-1b/step-5"}, "results": {"scores": [{
        "name": "a", "metrics": {"mean": {"value": 0.25}}}]}}  # fmt: skip
    packed = pyarrow.compress(json.dumps(document, indent=1).encode(), codec="zstd", asbytes=True)
    path = tmp_path / "one.eval"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("header.json", packed)
    whole = path.read_bytes()
    local, central = whole.index(b"PK\x03\x04"), whole.index(b"PK\x01\x02")
    method = struct.pack("<H", 93)
    whole = whole[: local + 8] + method + whole[local + 10 : central + 10] + method + whole[central + 12 :]
    path.write_bytes(whole)
    (run,) = logs.read([path])[0].runs
    assert run.evaluations.to_dicts() == [{"benchmark": "t", "step": 5, "score": 0.25, "items": None}]


def test_logs_that_zstd_compressed_and_standard_input_are_read(capsys, tmp_path, monkeypatch):
    rows = "\n".join(json.dumps({"step": s, "reward": s / 8, "text": 'a,"b'}) for s in range(4)).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(rows)))
    run = the_run(capsys, "-")
    assert (run["run"], run["steps"], run["reward_last"]) == ("stdin", 4, 0.375)
    pyarrow = pytest.importorskip("pyarrow")
    path = tmp_path / "mine.jsonl.zst"
    with pyarrow.CompressedOutputStream(str(path), "zstd") as file:
        file.write(rows)
    assert the_run(capsys, path)["reward_last"] == 0.375


def test_a_workbook_says_what_reads_it(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(workbook, "is_readable", lambda: False)
    path = tmp_path / "runs.xlsx"
    path.write_bytes(b"PK\x03\x04")
    for command in (["import", str(path), "--dry-run"], ["fit", str(path)]):
        assert main(command) == 4
        assert "pip install 'rlaw[excel]'" in capsys.readouterr().err


def test_a_parquet_file_of_a_history_is_a_log(capsys, tmp_path):
    path = tmp_path / "history.parquet"
    pl.DataFrame(
        {"_step": [0, 16, 32], "train/global_step": [1, 2, 3], "train/reward": [0.1, None, 0.3]}
    ).write_parquet(path)
    run = the_run(capsys, path)
    assert (run["steps"], run["last_step"], run["reward_last"]) == (2, 3, 0.3)


def test_checkpoints_of_one_run_are_one_even_where_its_reward_never_moved(capsys, tmp_path):
    history = [{"step": s, "reward": 0.125, "frac_reward_zero_std": 1.0} for s in range(1, 5)]
    for step in (2, 4):
        folder = tmp_path / "run" / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        (folder / "trainer_state.json").write_text(json.dumps({"max_steps": 4, "log_history": history[:step]}))
        (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "Qwen/Qwen2.5-7B-Instruct"}')
    run = the_run(capsys, tmp_path)
    assert (run["run"], run["steps"], run["model"]) == ("run", 4, "Qwen2.5-7B-Instruct")


@pytest.mark.parametrize(
    ("row", "word"),
    [({"loss": 0.5, "learning_rate": 1e-5}, "supervised"), ({"loss": 0.5, "rewards/margins": 0.1}, "preference")],
)
def test_a_log_of_other_training_says_what_it_is(capsys, tmp_path, row, word):
    path = tmp_path / "trainer_state.json"
    path.write_text(json.dumps({"log_history": [{"step": s, **row} for s in range(1, 4)]}))
    assert main(["import", str(path), "--dry-run"]) == 4
    assert word in capsys.readouterr().err


def test_files_beside_a_log_that_hold_no_run_are_left_out(capsys, tmp_path):
    rows = [{"step": s, "env/all/reward/total": s / 8, "progress/done_frac": s / 4} for s in range(4)]
    lines(tmp_path / "metrics.jsonl", rows)
    (tmp_path / "config.json").write_text('{"model_name": "meta-llama/Llama-3.1-8B", "data": {"group_size": 8}}')
    lines(tmp_path / "train_rollout_summaries.jsonl", [{"iteration": 1, "total_reward": 0.5}] * 3)
    document = imported(capsys, tmp_path)
    assert len(document["sources"]) == 1
    assert document["sources"][0]["runs"][0]["model"] == "Llama-3.1-8B"


def test_every_name_is_shown_and_settings_are_kept_on_request_alone(capsys, tmp_path):
    path = lines(
        tmp_path / "run" / "metrics.jsonl", [{"step": s, "reward": 0.5, "zeta": 1, "alpha": 2} for s in (1, 2)]
    )
    (path.parent / "config.json").write_text(json.dumps({"model_name": "m-7b", "hf_token": "x" * 20}))
    assert main(["import", str(path), "--columns", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sources"][0]["columns"] == ["alpha", "reward", "step", "zeta"]
    table = tmp_path / "table.csv"
    table.write_text(",".join(f"c{i:02d}" for i in range(30)) + "\n" + ",".join("1" * 30) + "\n")
    assert main(["fit", str(table)]) == 4
    assert "and 10 more: rlaw import FILE --columns" in capsys.readouterr().err
    assert main(["import", str(table), "--columns"]) == 0
    assert "c29" in capsys.readouterr().out
    for store, flag in (("plain", []), ("kept", ["--keep-config"])):
        assert main(["import", str(path), "--store", str(tmp_path / store), *flag]) == 0
    (file,) = tmp_path.rglob("settings.json")
    assert file.is_relative_to(tmp_path / "kept")
    assert json.loads(file.read_text())["model_name"] == "m-7b"
    assert "x" * 20 not in file.read_text()


def test_settings_are_found_whatever_kept_them(tmp_path):
    (tmp_path / "config.yaml").write_text(
        "actor_rollout_ref:\n  value:\n    model: {path: Qwen/Qwen3-8B}\n    rollout: {n: 8}\n"
    )
    facts = settings.facts_of(settings.beside(tmp_path / "output.log"))
    assert (facts.model, facts.group_size) == ("Qwen3-8B", 8)
