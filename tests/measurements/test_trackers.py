"""Files that the trackers' own writers make (`make test-trackers`): TensorBoard, W&B offline, MLflow."""

from pathlib import Path

import numpy as np
import pytest

from rlaw.measurements.importers import logs

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the trackers' own parts


def history() -> list[dict[str, float]]:
    """What TRL logs of a run: 60 steps, an evaluation every 20."""
    rng, tokens, rows = np.random.default_rng(1), 0, []
    for step in range(1, 61):
        tokens += int(rng.integers(900, 1100))
        row = {
            "step": step,
            "loss": 0.1,
            "reward": 0.3 + 0.5 * step / 60 + rng.normal(0, 0.02),
            "num_tokens": float(tokens),
        }
        rows.append(row | {"completions/mean_length": 100 + rng.random(), "frac_reward_zero_std": 0.1})
        if step % 20 == 0:
            rows.append({"step": step, "eval_reward": 0.4 + 0.3 * step / 60})
    return rows


def tag(name: str) -> str:
    return f"eval/{name[5:]}" if name.startswith("eval_") else f"train/{name}"


def tensorboard(folder: Path) -> None:
    writer = pytest.importorskip("tensorboard.summary.writer.event_file_writer", reason="tensorboard is not installed")
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    file = writer.EventFileWriter(str(folder))
    for row in history():
        for name in row.keys() - {"step"}:
            value = Summary.Value(tag=tag(name), simple_value=row[name])
            file.add_event(Event(step=int(row["step"]), summary=Summary(value=[value])))
    file.close()


def wandb(folder: Path) -> None:
    package = pytest.importorskip("wandb", reason="wandb is not installed")
    settings = package.Settings(mode="offline", silent=True, console="off")
    config = {"model_name_or_path": "Qwen/Qwen2.5-7B-Instruct"}
    run = package.init(project="p", name="mine", dir=str(folder), config=config, settings=settings)
    for row in history():
        run.log({tag(n): v for n, v in row.items() if n != "step"} | {"train/global_step": row["step"]})
    run.finish()


def mlflow(folder: Path) -> None:
    package = pytest.importorskip("mlflow", reason="mlflow is not installed")
    package.set_tracking_uri(f"sqlite:///{folder}/mlruns.db")
    with package.start_run(run_name="mine"):
        for row in history():
            package.log_metrics({n: v for n, v in row.items() if n != "step"}, step=int(row["step"]))


@pytest.mark.parametrize("write", [tensorboard, wandb, mlflow], ids=lambda f: f.__name__)
def test_a_trackers_own_file_gives_every_step_of_the_run(tmp_path, write):
    write(tmp_path)
    sources = logs.read([tmp_path])
    (run,) = [run for source in sources for run in source.runs]
    trained = [row for row in history() if "reward" in row]
    assert run.steps["step"].to_list() == [row["step"] for row in trained]
    resolution = 1e-7 if write is tensorboard else 0  # it keeps float32
    assert run.steps["reward_mean"].to_list() == pytest.approx(
        [row["reward"] for row in trained], rel=resolution, abs=0
    )
    assert run.tokens == trained[-1]["num_tokens"]
    assert run.evaluations["step"].to_list() == [20, 40, 60]
    assert run.evaluations["score"].to_list() == pytest.approx([0.5, 0.6, 0.7], rel=1e-6)


def test_a_cut_wandb_file_gives_the_part_before_the_cut(tmp_path):
    wandb(tmp_path)
    (file,) = tmp_path.rglob("*.wandb")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) * 2 // 3])
    (source,) = logs.read([file])
    assert 20 < len(source.runs[0].steps) < 60
    assert any(note.code == "damaged" for note in source.notes)
