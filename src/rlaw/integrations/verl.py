"""A watch for veRL, behind its own logger.

from rlaw.integrations.verl import Watch
watch = Watch("runs/mine", until="0.8", stop=True)
watch.attach(trainer)          # a RayPPOTrainer, before trainer.fit()
"""

from collections.abc import Mapping
from functools import wraps
from pathlib import Path
from typing import Any

from rlaw.integrations.job import Job, job


class Watch:
    """Sees what veRL logs; to stop, the step after becomes the last one, so that veRL validates and saves.

    Args:
        folder: of the run, which gives it its name and beside which the forecast is stored.
        settings: as of `rlaw.integrations.trl.Watch`.
    """

    def __init__(self, folder: str | Path, **settings: Any) -> None:
        self.job: Job = job("verl", Path(folder).name, folder, dict(settings))

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every event so far."""
        return self.job.events

    def log(self, data: Mapping[str, Any], step: int, *, planned: int | None = None) -> bool:
        """Judge what veRL logs of a step; whether the run should stop."""
        return self.job.take(step, data, planned=planned)

    def attach(self, trainer: Any, tracking: Any = None) -> None:
        """Have everything that veRL logs from now on judged, and its trainer stopped where that is wanted.

        Args:
            trainer: with `global_steps` and `total_training_steps`, as RayPPOTrainer has them.
            tracking: the class whose `log(data, step)` is listened to; veRL's own when None.
        """
        if tracking is None:
            from verl.utils.tracking import Tracking as tracking  # noqa: N813 # pyright: ignore[reportMissingImports]
        log = tracking.log

        @wraps(log)
        def watched(this: Any, data: Mapping[str, Any], step: int, *args: Any, **kwargs: Any) -> Any:
            done = log(this, data, step, *args, **kwargs)
            planned = getattr(trainer, "total_training_steps", None)
            if self.log(data, step, planned=planned) and planned is not None:
                trainer.total_training_steps = min(planned, step + 1)
            return done

        tracking.log = watched
