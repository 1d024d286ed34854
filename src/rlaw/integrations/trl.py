"""A watch for TRL, as a callback of its trainers.

from rlaw.integrations.trl import Watch
trainer = GRPOTrainer(..., callbacks=[Watch(until="0.8", stop=True)])
"""

# pyright: reportMissingImports=false

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rlaw.integrations.job import Job, job

try:
    from transformers import TrainerCallback
except ImportError as error:  # the extra `trl` brings it
    raise ImportError("rlaw.integrations.trl needs transformers: pip install 'rlaw[trl]'") from error


class Watch(TrainerCallback):
    """Registers a forecast, judges every evaluation, raises alarms, and can stop the training.

    Every process judges the same gathered metrics, so that all of them stop together; the first one alone stores the
    forecast and calls `on_event`.

    Args:
        until: a pass rate such as "0.8", or a step.
        stop: whether training stops where the declared rule says so, or on an alarm of `stopping`.
        stopping: rules whose alarm stops it; "nan" and "reward-collapse" when not given.
        on_event: called with every event, a document of `rlaw watch --json`; nothing is printed without it.
        against: a ladder that forecasts: a store, a file, a dataset's name, a frame.
        first, benchmark, gpus, usd_per_gpu_hour, worth: as options of `rlaw watch`.
    """

    def __init__(self, **settings: Any) -> None:
        self._settings = settings
        self._job: Job | None = None

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every event so far."""
        return [] if self._job is None else self._job.events

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take up what a resumed run has logged before."""
        settings, main = dict(self._settings), state.is_world_process_zero
        if not main:
            settings["on_event"] = None
        self._job = job("trl", Path(args.output_dir).name or "run", args.output_dir if main else None, settings)
        for entry in state.log_history:
            self._take(entry, state)

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        """Judge one entry of the log."""
        if logs and self._take({"step": state.global_step, **logs}, state):
            control.should_training_stop = True

    def _take(self, entry: Mapping[str, Any], state: Any) -> bool:
        if self._job is None or "train_runtime" in entry:
            return False
        planned = state.max_steps if state.max_steps and state.max_steps > 0 else None
        return self._job.take(int(entry.get("step", state.global_step)), entry, planned=planned)
