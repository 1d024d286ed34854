"""The TRL engine: what `engine: trl` in a study means."""

from collections.abc import Iterator
from importlib import metadata

from rlaw.engines.base import Engine, Workspace, require
from rlaw.engines.local.settings import PACKAGES as LOCAL_PACKAGES
from rlaw.engines.trl import settings
from rlaw.errors import EngineError
from rlaw.store.records import Record
from rlaw.study.plan import Run

PACKAGES = ("torch", "transformers", "trl", "accelerate", "datasets")
OLDEST = (1, 16)  # the oldest TRL with all the settings that `settings.recipe` names
#: CPU seconds per token of rollout and update, one core of a 2023 server, measured by benchmarks/engine_vs_trl.py
SECONDS_PER_RL_TOKEN = 4e-5
SECONDS_PER_RL_TOKEN_AND_PARAM = 1.6e-10
SECONDS_TO_START = 12.0


class TRLEngine(Engine):
    """RL post-trains a Hugging Face checkpoint with TRL's GRPOTrainer, on the GPU where there is one."""

    name = "trl"

    def check(self, run: Run) -> None:
        """Raises EngineError when a package is missing or too old, or when TRL cannot do what the study asks."""
        needed = PACKAGES if run.checkpoint else (*PACKAGES, *LOCAL_PACKAGES)  # without one a base is pretrained
        require(run, "TRL", needed)
        version = metadata.version("trl")
        if tuple(map(int, version.split(".")[:2])) < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            raise EngineError(
                f"the TRL engine needs trl {oldest} or newer, this Python has {version}\n"
                f"  run:  {run.label}\n"
                f"  next: pip install 'trl>={oldest}'"
            )
        settings.check(run)

    def estimate_seconds(self, run: Run) -> float:
        """Seconds on one free core: start, RL, and evaluations at a third of RL's cost per token. An estimate."""
        per_token = SECONDS_PER_RL_TOKEN + SECONDS_PER_RL_TOKEN_AND_PARAM * run.params
        evaluations = len(run.evaluation.schedule(run.rl.steps)) * len(run.evaluation.benchmarks)
        evaluated = evaluations * run.evaluation.items * run.evaluation.samples * run.sequence_tokens
        return SECONDS_TO_START + per_token * (run.rl_tokens * run.rl.num_iterations + evaluated / 3)

    def train(self, run: Run, workspace: Workspace) -> Iterator[Record]:
        """Yields the run's records, nothing fetched from a hub that is not named in the study."""
        from rlaw.engines.trl import attempt

        yield from attempt.train(run, workspace)
