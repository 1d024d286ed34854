"""The veRL engine up to the launch, where veRL itself need not be installed. `test_verl_package.py` asks veRL."""

import json
import os
import shlex
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from verl_runs import RESOURCES, planned, study, write_problems

from rlaw import engines
from rlaw.cli import main
from rlaw.engines.base import Workspace
from rlaw.engines.data import check_lengths, distinct_so_far, training_texts
from rlaw.engines.progress import Progress
from rlaw.engines.verl import checkpoint, engine, launch, log, prepare, settings
from rlaw.engines.verl.paths import Paths
from rlaw.engines.verl.reward import compute_score
from rlaw.errors import EngineError, SpecError


@pytest.fixture
def folder(tmp_path):
    return write_problems(tmp_path / "problems")


@pytest.fixture
def run(folder):
    return planned(folder).runs[0]


def paths_in(tmp_path, attempt=1):
    return Paths.of(Workspace(tmp_path / "run", tmp_path / "cache", attempt))


def test_every_setting_of_the_recipe_is_told_to_verl_in_its_own_words(run):
    told = settings.recipe(run)
    assert told["algorithm.adv_estimator"] == "grpo"
    assert told["actor_rollout_ref.actor.ppo_mini_batch_size"] == 2
    assert told["actor_rollout_ref.actor.kl_loss_coef"] == 0.001
    assert told["actor_rollout_ref.actor.loss_agg_mode"] == "token-mean"
    assert told["trainer.n_gpus_per_node"] == 2
    assert told["trainer.test_freq"] == 2
    assert told["actor_rollout_ref.actor.ppo_max_token_len_per_gpu"] == 2 * (128 + 64)


def test_an_experiment_is_called_after_the_run_s_id_so_that_no_other_run_s_checkpoints_are_taken_up(run, tmp_path):
    told = settings.places(run, paths_in(tmp_path), "model", None)
    assert told["trainer.experiment_name"].endswith(run.id)
    assert told["trainer.resume_mode"] == "disable"
    again = settings.places(run, paths_in(tmp_path, 2), "model", (2, "/x/global_step_2"))
    assert again["trainer.resume_mode"] == "resume_path"
    assert again["+ray_kwargs.ray_init.runtime_env.env_vars"] != told["+ray_kwargs.ray_init.runtime_env.env_vars"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"evaluation": {"at": [1, 3], "items": 3}}, r"evaluates every so many steps.*every: 1"),
        ({"engine": {"name": "verl", "settings": {"data.shuffle": True}}}, r"data\.shuffle follow from the study"),
        ({"engine": {"name": "verl", "settings": {"+data.shuffle": True}}}, r"data\.shuffle follow from the study"),
        ({"rl": {"steps": 4, "prompts": 3, "num_generations": 3, "minibatches": 3}}, r"a minibatch has 3 answers"),
        ({"model": {"ladder": [{"checkpoint": "Qwen/Qwen2.5-0.5B"}]}}, r"no GPUs"),
        (
            {
                "model": {
                    "ladder": [{"checkpoint": "Qwen/Qwen2.5-0.5B", "resources": {"gpus": 4, "tensor_parallel": 4}}]
                }
            },
            r"14 heads do not part by 4",
        ),
        ({"model": {"ladder": [{"hidden": 16, "layers": 2, "resources": RESOURCES}]}}, r"size .* has none"),
    ],
)
def test_what_verl_cannot_do_is_refused_before_anything_is_spent(folder, changes, told):
    with pytest.raises(EngineError, match=f"(?s){told}"):
        engines.get("verl").check(planned(folder, **changes).runs[0])


@pytest.mark.skipif(bool(engine.gpus_gb()), reason="this machine has a GPU")
def test_without_a_gpu_a_run_is_refused_with_what_is_missing(run, monkeypatch):
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS", raising=False)
    with pytest.raises(EngineError, match=r"(?s)veRL cannot train here:.*(no NVIDIA GPU|rlaw\[verl\]).*--dry-run"):
        engines.get("verl").check(run)


def test_training_data_have_the_study_s_order_and_every_pass_of_it(folder, tmp_path):
    run = planned(folder, data={"order": "curriculum", "reuse": 2}).runs[0]
    met, paths = training_texts(run), paths_in(tmp_path)
    prepare.write(run, paths, met)
    rows = pl.read_parquet(paths.train)
    assert len(rows) == 4 * 4
    numbers = [problem.index for problem in met]
    assert numbers == sorted(numbers[:8]) * 2
    assert distinct_so_far(problem.prompt for problem in met)[-1] == 8
    truths = rows["reward_model"].struct.field("ground_truth").to_list()
    assert truths == [str(2 * number) for number in numbers]


def test_a_benchmark_s_items_can_be_told_apart_in_what_verl_dumps(run, tmp_path):
    paths = paths_in(tmp_path)
    prepare.write(run, paths, training_texts(run))
    about = pl.read_parquet(paths.validation)["extra_info"].to_list()
    assert [(one["split"], one["index"]) for one in about] == [
        ("held-out", 0), ("held-out", 1), ("held-out", 2), ("gsm8k", 0), ("gsm8k", 1),
    ]  # fmt: skip


def test_the_reward_function_tells_score_item_and_verdict(run, tmp_path):
    paths = paths_in(tmp_path)
    prepare.write(run, paths, training_texts(run))
    about, task = {"split": "held-out", "index": 1}, str(paths.task)
    right = compute_score("sums", r"so it is \boxed{202}", "202", about, task=task)
    assert right == {"score": 1.0, "acc": 1.0, "item": "held-out/1", "verdict": "right"}
    assert compute_score("sums", r"\boxed{203}", "202", about, task=task)["verdict"] == "wrong"
    assert compute_score("sums", "no idea", "202", about, task=task)["score"] == 0


def shards(folder: Path, step: int, world: int = 2) -> Path:
    """A checkpoint with veRL's names, its shards zip files as torch writes them."""
    actor = folder / f"global_step_{step}" / "actor"
    actor.mkdir(parents=True)
    for part in checkpoint.PARTS:
        for rank in range(world):
            with zipfile.ZipFile(actor / f"{part}_world_size_{world}_rank_{rank}.pt", "w") as file:
                file.writestr("data", bytes(1000))
    (actor.parent / "data.pt").write_bytes(b"x")
    return actor.parent


def test_steps_that_an_older_version_acknowledged_count(tmp_path):
    (tmp_path / "told.jsonl").write_text('{"step": 10, "tokens": 5, "flops": 7}\n{"step": 20, "tok')
    checkpoint.acknowledge(tmp_path, Progress(30), "abc")
    assert checkpoint.acknowledged(tmp_path, "abc") == {10: Progress(10, 5, 7), 30: Progress(30)}


def test_a_run_goes_on_from_the_newest_whole_checkpoint_whose_records_are_in_the_store(tmp_path):
    for step in (10, 20, 30):
        shards(tmp_path, step)
    for step in (10, 20):  # 30 was saved, and its line never came
        checkpoint.acknowledge(tmp_path, Progress(step, step * 100, step * 1000), "abc")
    assert checkpoint.newest(tmp_path, 2, "abc") == (Progress(20, 2000, 20000), tmp_path / "global_step_20")
    torn = tmp_path / "global_step_20" / "actor" / "optim_world_size_2_rank_1.pt"
    torn.write_bytes(torn.read_bytes()[:-30])
    found = checkpoint.newest(tmp_path, 2, "abc")
    assert found is not None
    assert found[1].name == "global_step_10"
    (tmp_path / "global_step_10" / "actor" / "model_world_size_2_rank_0.pt").unlink()
    assert checkpoint.newest(tmp_path, 2, "abc") is None


def test_a_checkpoint_of_another_number_of_gpus_is_not_taken_up(tmp_path):
    shards(tmp_path, 10, world=2)
    checkpoint.acknowledge(tmp_path, Progress(10), "abc")
    with pytest.raises(EngineError, match=r"written on 2 GPUs, the size's resources say 4"):
        checkpoint.newest(tmp_path, 4, "abc")


def test_a_log_is_read_while_it_is_written_and_a_line_cut_short_is_left_out(tmp_path):
    path, done = tmp_path / "metrics.jsonl", threading.Event()

    def write():
        with path.open("ab", buffering=0) as file:
            for part in (b'{"step": 1, "da', b'ta": {"a": 0.5}}\n{"step": 2, ', b'"data": {"a": null}}\n{"step": 3'):
                file.write(part)
                time.sleep(0.05)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    told = list(log.lines(path, lambda: not done.is_set(), poll_seconds=0.01))
    writer.join()
    assert [line.step for line in told] == [1, 2]
    assert told[0].metrics == {"a": 0.5}
    assert told[1].metrics["a"] != told[1].metrics["a"]  # null: not a number


def test_a_log_that_is_not_verl_s_is_refused(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"loss": 1}\n')
    with pytest.raises(EngineError, match="not a line of veRL's file logger"):
        list(log.lines(path, lambda: False))


def test_a_trainer_ends_with_all_it_started_when_nobody_wants_it_any_more(tmp_path):
    child = tmp_path / "pid"
    script = f"sleep 600 & echo $! > {child}; wait"
    output = tmp_path / "output.log"
    command = [sys.executable, "-m", "rlaw.engines.verl.supervise", str(output), "bash", "-c", script]
    supervisor = subprocess.Popen(command, stdin=subprocess.PIPE)
    while not child.exists() or not child.read_text().strip():
        time.sleep(0.02)
    assert supervisor.stdin is not None
    supervisor.stdin.close()
    supervisor.wait(30)
    pid = int(child.read_text())
    for _ in range(500):
        if _gone(pid):
            break
        time.sleep(0.02)
    assert _gone(pid)


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_trainer_that_fails_is_told_with_its_exit_status_and_last_words(run, tmp_path):
    from rlaw.engines.verl.launch import LocalProcess

    paths = paths_in(tmp_path)
    paths.attempt.mkdir(parents=True)
    process = LocalProcess(
        paths, [sys.executable, "-c", "import os; print(os.environ['VERL_FILE_LOGGER_PATH']); exit(7)"]
    )
    while process.alive():
        time.sleep(0.02)
    process.stop()
    assert f"exit status 7; {paths.output} ends:\n{paths.log}" in process.fault()


def test_a_dry_run_prints_what_to_type_and_writes_nothing(folder, tmp_path, capsys, monkeypatch):
    from ruamel.yaml import YAML

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS", raising=False)
    with Path("study.yaml").open("w") as file:
        YAML(typ="safe", pure=True).dump(study(folder), file)
    assert main(["run", "study.yaml", "--dry-run", "--json"]) == 0
    (command,) = json.loads(capsys.readouterr().out)["commands"].values()
    prepare, train = command.split(" &&\n")
    assert "-m verl.trainer.main_ppo" in train
    assert "actor_rollout_ref.rollout.n=4" in train
    assert not Path("runs").exists()
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://head:8265")
    assert main(["run", "study.yaml", "--dry-run"]) == 0
    assert "ray job submit --address http://head:8265 --submission-id main-0.5B" in capsys.readouterr().out
    done = subprocess.run(prepare.replace("python", sys.executable, 1), shell=True, check=True, env=dict(os.environ))  # noqa: S602
    assert done.returncode == 0
    assert len(list(Path("runs").glob("sums/runs/*/verl/train.parquet"))) == 1


def test_prompts_that_are_too_long_are_told_before_the_training_starts(run):
    class Letters:
        """A tokenizer with a token for each letter."""

        def apply_chat_template(self, messages, **_):
            return {"input_ids": [ord(letter) for message in messages for letter in message["content"]]}

    met = training_texts(run)
    with pytest.raises(EngineError, match=r"16 of 16 prompts are longer than 128 tokens, the longest has"):
        check_lengths(run, [met], Letters())
    roomy = replace(run, task=run.task.model_copy(update={"max_prompt_length": 1000}))
    check_lengths(roomy, [met], Letters())


def test_the_example_for_one_node_is_a_study_that_verl_can_do():
    from rlaw.study.plan import plan
    from rlaw.study.study import Study

    runs = plan(Study.load(Path(__file__).parents[2] / "examples" / "qwen2.5-math-node" / "study.yaml")).runs
    assert {run.variant for run in runs} == {"base", "instruct"}
    for run in runs:
        settings.check(run)
        assert run.resources.gpus == 4


HOSTILE = "a b'c\"d\n$(touch x)`y`;&|\\"


def test_what_a_study_says_reaches_the_shell_as_arguments(run, tmp_path, monkeypatch):
    overrides = [f"key={HOSTILE}", "n=1"]
    paths = Paths.of(Workspace(tmp_path / HOSTILE, tmp_path))
    for address in (None, f"http://head:8265/{HOSTILE}"):
        monkeypatch.delenv(launch.ADDRESS_VARIABLE, raising=False)
        if address:
            monkeypatch.setenv(launch.ADDRESS_VARIABLE, address)
        words = shlex.split(launch.commands(run, paths, overrides))
        assert words[-2:] == overrides
        assert f"VERL_FILE_LOGGER_PATH={paths.log}" in words
        assert address is None or words[words.index("--address") + 1] == address


def test_a_file_that_holds_the_pool_alone_is_passed_over_as_often_as_the_study_says(folder):
    run = planned(folder, data={"reuse": 4}, rl={"steps": 16, "prompts": 4, "num_generations": 4}).runs[0]
    met = [problem.prompt for problem in training_texts(run)]
    assert len(met) == 64
    assert {met.count(prompt) for prompt in met} == {4}
    nested = planned(folder, data={"reuse": 4, "subsets": "nested"}, rl={"steps": 16, "prompts": 4}).runs[0]
    with pytest.raises(SpecError, match="holds 16 problems"):
        training_texts(nested)


@pytest.mark.parametrize(
    "key",
    ["a=1 trainer.nnodes", "trainer.nnodes=2\ntrainer.x", "a b", "", "--multirun", "a,b", "${oc.env:HOME}",
     "hydra.run.dir", "+hydra.launcher", "hydra/launcher", "a" * 10_000 + " ", "~", "a..b"],
)  # fmt: skip
def test_a_key_that_hydra_would_read_as_something_else_is_refused_by_name(folder, key):
    run = planned(folder, engine={"name": "verl", "settings": {key: 1}}).runs[0]
    with pytest.raises(EngineError, match=r"(?s)^engine\.settings: .*next: write names such as") as refused:
        settings.check(run)
    assert len(str(refused.value)) < 400


def test_a_key_inside_a_mapping_is_checked_likewise(folder):
    inner = {"trainer.logger_settings": {"a": [{"b:c,d": 1}]}}
    run = planned(folder, engine={"name": "verl", "settings": inner}).runs[0]
    with pytest.raises(EngineError, match=r"'b:c,d' in a is no name of a setting"):
        settings.check(run)
    good = {"+trainer.mine": {"a_1": {"b": 2}}, "~trainer.device": None, "algorithm@x": 1}
    settings.check(planned(folder, engine={"name": "verl", "settings": good}).runs[0])


VALUES = [HOSTILE, "a\\b", "end\\", "\\'", "it's", "${oc.env:HOME}", "\\${x}'", "a=b,c", "[1,2]", "{a:b}", "null", ""]


def test_no_value_of_a_study_is_evaluated_by_hydra_or_omegaconf():
    omegaconf = pytest.importorskip("omegaconf", reason="comes with veRL")
    parser = pytest.importorskip("hydra.core.override_parser.overrides_parser").OverridesParser.create()
    for value in [*VALUES, VALUES, {"a": VALUES}]:
        read = parser.parse_override(f"k={settings._hydra(value)}").value()
        text = read if isinstance(read, str | list | dict) else read.text
        assert omegaconf.OmegaConf.to_container(omegaconf.OmegaConf.create({"k": text}), resolve=True)["k"] == value


def test_values_are_quoted_as_hydra_unquotes_them():
    assert settings._hydra("a\\b it's ${x} \\") == r"'a\b it\'s \${x} \\'"
