"""Watches inside of a trainer's process."""

from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest
from runs import healthy

from rlaw.integrations.verl import Watch

needs_trl = pytest.mark.skipif(find_spec("transformers") is None, reason="transformers is not installed: rlaw[trl]")


def entries(columns):
    for i in range(len(columns["critic/rewards/mean"])):
        yield (
            i + 1,
            {name: np.float64(y[i]) for name, y in columns.items() if not (name[:3] == "val" and np.isnan(y[i]))},
        )


def test_verls_own_logger_is_listened_to_and_its_trainer_stopped_at_the_next_step(tmp_path):
    logged = []

    class Tracking:
        def log(self, data, step, backend=None):
            logged.append(step)

    trainer = SimpleNamespace(global_steps=0, total_training_steps=120)
    watch = Watch(tmp_path / "run", stop=True)
    watch.attach(trainer, Tracking)
    columns = healthy()
    columns["actor/grad_norm"][49] = np.nan
    tracking = Tracking()
    for step, data in entries({name: y[:60] for name, y in columns.items()}):
        if step > trainer.total_training_steps:
            break
        tracking.log(data=data, step=step)
    assert trainer.total_training_steps == 51
    assert logged[-1] == 51
    assert (tmp_path / "run.rlaw-watch.json").is_file()
    assert {event["event"] for event in watch.events} >= {"registered", "evaluation", "alarm"}


@needs_trl
@pytest.mark.filterwarnings("ignore")
def test_trls_trainer_stops_when_its_loss_is_no_number(tmp_path):
    from transformers import TrainerControl, TrainerState

    from rlaw.integrations.trl import Watch as TrlWatch

    watch = TrlWatch(stop=True, first=4)
    state, control = TrainerState(max_steps=100), TrainerControl()
    state.is_world_process_zero = True
    args = SimpleNamespace(output_dir=str(tmp_path / "out"))
    watch.on_train_begin(args, state, control)
    rng = np.random.default_rng(0)
    for step in range(1, 41):
        state.global_step = step
        logs = {"reward": 1 - 0.8 * step**-0.2 + rng.normal(0, 0.01), "loss": 0.1 if step < 40 else float("nan")}
        watch.on_log(args, state, control, logs=logs)
        if step % 4 == 0 and step < 40:
            watch.on_log(args, state, control, logs={"eval_reward": 1 - 0.8 * step**-0.2, "eval_loss": 0.0})
        if step < 40:
            assert not control.should_training_stop
    assert control.should_training_stop
    assert any(event.get("rule") == "nan" for event in watch.events)
    assert any(event["event"] == "registered" for event in watch.events)


@needs_trl
@pytest.mark.filterwarnings("ignore")
def test_a_real_trainer_ends_at_the_step_whose_gradient_is_no_number(tmp_path):
    import torch
    from transformers import Trainer, TrainingArguments

    from rlaw.integrations.trl import Watch as TrlWatch

    class Tiny(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.line, self.calls = torch.nn.Linear(2, 1), 0

        def forward(self, x=None, labels=None):
            self.calls += 1
            return {"loss": self.line(x).pow(2).mean() * (1.0 if self.calls <= 12 else float("nan"))}

    arguments = TrainingArguments(
        output_dir=str(tmp_path / "out"), max_steps=40, logging_steps=1, per_device_train_batch_size=2,
        report_to="none", save_strategy="no", use_cpu=True, disable_tqdm=True,
    )  # fmt: skip
    watch = TrlWatch(stop=True)
    data = [{"x": [0.1 * i, 1.0], "labels": 0.0} for i in range(100)]
    trainer = Trainer(model=Tiny(), args=arguments, train_dataset=data, callbacks=[watch])
    trainer.train()
    assert trainer.state.global_step == 13
    assert next(event for event in watch.events if event["event"] == "alarm")["rule"] == "nan"
