"""The local engine: what `engine: local` in a study means."""

from collections.abc import Iterator
from importlib.util import find_spec

from rlaw.engines.base import Workspace
from rlaw.errors import EngineError
from rlaw.plan import Run
from rlaw.records import Record

PACKAGES = ("jax", "optax", "safetensors")


class LocalEngine:
    """Pretrains and RL post-trains tiny Qwen2 models on this machine, one thread per process."""

    name = "local"

    def check(self, run: Run) -> None:
        """Raises EngineError when a package is missing."""
        missing = [name for name in PACKAGES if find_spec(name) is None]
        if missing:
            raise EngineError(
                f"the local engine needs {', '.join(missing)}, which this Python does not have\n"
                f"  run:  {run.label}\n"
                f"  next: pip install 'rlaw[local]'"
            )

    def estimate_seconds(self, run: Run) -> float:
        return 0.0

    def train(self, run: Run, workspace: Workspace) -> Iterator[Record]:
        """Yields the run's records; the process is held to one thread when jax has not been imported before."""
        from rlaw.engines.local import process

        process.prepare(workspace.cache)
        from rlaw.engines.local import attempt

        yield from attempt.train(run, workspace)
