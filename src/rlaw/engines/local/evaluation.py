"""Measuring the policy: every item of every benchmark answered several times, right answers counted per item."""

from typing import Any

from rlaw.engines import base
from rlaw.engines.base import Measured
from rlaw.engines.local.rollout import answer, grade
from rlaw.tasks import of_tokens


class Evaluations(base.Evaluations):
    """Those of our own policy."""

    def measure(self, step: int, model: Any, benchmark: str, problems: Any) -> Measured:
        """Answer by the weights `model`."""
        run, settings, purpose = self.run, self.run.evaluation, f"evaluation {benchmark}"
        rollout = answer(run, model, problems, settings.samples, settings.temperature, purpose, step)
        correct_I = grade(of_tokens(run.task), problems, rollout).sum(axis=1)
        return Measured(correct_I, rollout.response_length, rollout.truncated_share)
