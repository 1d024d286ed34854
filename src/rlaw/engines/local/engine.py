"""The local engine: what `engine: local` in a study means."""

from collections.abc import Iterator

import numpy as np

from rlaw.engines.base import Workspace, require
from rlaw.engines.local.settings import DTYPES, PACKAGES, dtype
from rlaw.errors import EngineError
from rlaw.store.records import Record
from rlaw.study.plan import Run, base_key
from rlaw.tasks import of_tokens

#: seconds of whole runs of examples/micro, programs cached, on both of two cores of a 2023 server (AVX-512), by size
MEASURED_PARAMS = (9_424, 37_280, 148_288, 591_488)
SECONDS_PER_PRETRAINED_TOKEN = (2.6e-6, 6.2e-6, 1.65e-5, 4.7e-5)
SECONDS_PER_RL_TOKEN = (1.8e-6, 2.8e-6, 6.2e-6, 2.0e-5)  # rollout and update; four groups in five have no advantage
SECONDS_PER_EVALUATED_TOKEN = (1.4e-6, 2.1e-6, 4.2e-6, 1.2e-5)
SECONDS_TO_COMPILE = 7.0


class LocalEngine:
    """Pretrains and RL post-trains tiny Qwen2 models on this machine, one thread per process."""

    name = "local"

    def check(self, run: Run) -> None:
        """Raises EngineError when a package is missing, a setting is unknown, or the task's problems are words."""
        of_tokens(run.task)
        if set(run.engine.settings) - {"dtype"} or dtype(run) not in DTYPES:
            raise EngineError(
                f"the local engine has one setting, dtype, which is {' or '.join(DTYPES)}, and this is "
                f"{run.engine.settings}\n"
                f"  run:  {run.label}\n"
                f"  next: engine: {{name: local, settings: {{dtype: bfloat16}}}} in the study file, or none"
            )
        if run.checkpoint is not None or run.family != "qwen2":
            raise EngineError(
                f"the local engine trains Qwen2 models that it pretrains itself, and this is "
                f"{run.checkpoint or run.family}\n"
                f"  run:  {run.label}\n"
                f"  next: engine: trl or engine: verl in the study file, or a ladder of widths without checkpoints"
            )
        require(run, "local", PACKAGES)

    def estimate_seconds(self, run: Run) -> float:
        """Seconds on one core of several at work, nothing cached: base, programs, RL, evaluations. An estimate."""
        evaluations = len(run.evaluation.schedule(run.rl.steps)) * len(run.evaluation.benchmarks)
        evaluated = evaluations * run.evaluation.items * run.evaluation.samples * run.sequence_tokens
        return sum(self.shared_seconds(run).values()) + (
            run.rl_tokens * _at(run.params, SECONDS_PER_RL_TOKEN) * run.rl.num_iterations
            + evaluated * _at(run.params, SECONDS_PER_EVALUATED_TOKEN)
        )

    def shared_seconds(self, run: Run) -> dict[str, float]:
        """Of the base, and of compiling the programs."""
        pretrained = run.base.documents * run.sequence_tokens * _at(run.params, SECONDS_PER_PRETRAINED_TOKEN)
        return {base_key(run): pretrained, run.programs: SECONDS_TO_COMPILE}

    def train(self, run: Run, workspace: Workspace) -> Iterator[Record]:
        """Yields the run's records; the process is held to one thread when jax has not been imported before."""
        from rlaw.engines.local import process

        process.prepare(workspace.cache)
        from rlaw.engines.local import attempt

        yield from attempt.train(run, workspace)


def _at(params: int, seconds: tuple[float, ...]) -> float:
    """Interpolated between the measured sizes on log axes; beyond the largest in proportion to the parameters."""
    beyond = max(1.0, params / MEASURED_PARAMS[-1])
    return beyond * float(np.exp(np.interp(np.log(params), np.log(MEASURED_PARAMS), np.log(seconds))))
