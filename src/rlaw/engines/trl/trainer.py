"""TRL's trainer with the study's learning rates, decay of all weights, and a timer of its phases.

Nothing here changes what TRL computes of a rollout or a loss. The methods that are timed are TRL's own, called as they
are; under a version of TRL that calls them otherwise their seconds are missing, and nothing else.
"""

# pyright: reportMissingImports=false, reportMissingModuleSource=false

import time
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR
from trl.trainer.grpo_trainer import GRPOTrainer

from rlaw.engines.base import Timer
from rlaw.engines.trl.settings import updates
from rlaw.study.plan import Run


class Trainer(GRPOTrainer):
    """A GRPOTrainer for one run."""

    def __init__(self, run: Run, **arguments: Any) -> None:
        self.run, self.timer, self._began = run, Timer(), 0.0
        super().__init__(**arguments)

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> LambdaLR:
        """Linear warm-up over RL steps, then constant: the same rate for all updates of a step, never 0."""
        if self.lr_scheduler is None:
            warmup, per_step = max(1, self.run.rl.warmup_steps), updates(self.run)
            stepped: Any = optimizer or self.optimizer
            self.lr_scheduler = LambdaLR(stepped, lambda done: min(1.0, (done // per_step + 1) / warmup))
        return self.lr_scheduler

    def get_decay_parameter_names(self, model: torch.nn.Module) -> list[str]:
        """All of them; transformers leaves out biases and norms."""
        return [name for name, _ in model.named_parameters()]

    def start_timer(self) -> None:
        """A new RL step begins."""
        self.timer, self._began = Timer(), time.perf_counter()

    def seconds(self) -> dict[str, float]:
        """Wall seconds of the step so far; `update` is what no other phase took."""
        timed = self.timer.seconds
        return timed | {"update": time.perf_counter() - self._began - sum(timed.values())}

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        with self.timer("rollout"):
            return super()._generate(*args, **kwargs)

    def _calculate_rewards(self, *args: Any, **kwargs: Any) -> Any:
        with self.timer("grade"):
            return super()._calculate_rewards(*args, **kwargs)

    def _get_per_token_logps_and_entropies(self, model: Any, *args: Any, **kwargs: Any) -> Any:
        with self._scoring(model):
            return super()._get_per_token_logps_and_entropies(model, *args, **kwargs)

    def _scoring(self, model: Any) -> AbstractContextManager[None]:
        """Under no gradient it is the reference or the old policy that scores; else it is part of the update."""
        if torch.is_grad_enabled():
            return torch.enable_grad()
        return self.timer("reference" if model is self.ref_model else "old_logprobs")
