"""Executors: where attempts at runs are made. One file each."""

from contextlib import closing
from pathlib import Path
from typing import Any, Literal

from rlaw.execution.base import Executor

Name = Literal["local", "ray", "slurm"]
JOBS = 16  # of a Slurm study at a time, unless set otherwise


def opened(
    name: Name,
    store: Path,
    workers: int | None = None,
    *,
    address: str | None = None,
    slurm: dict[str, Any] | None = None,
) -> closing[Executor]:
    """An executor for as long as the `with` block runs.

    Args:
        name: local (processes of this machine), ray or slurm.
        store: the store's folder, for files that driver and jobs share.
        workers: most runs side by side; the executor's own choice when None.
        address: of the Ray cluster.
        slurm: parameters of the jobs, as submitit names them.

    Raises:
        EngineError: the executor's package or its cluster is not there.
    """
    if name == "ray":
        from rlaw.execution.ray import RayExecutor

        return closing(RayExecutor(address, workers))
    if name == "slurm":
        from rlaw.execution.slurm import SlurmExecutor

        return closing(SlurmExecutor(store, workers or JOBS, slurm or {}))
    from rlaw.execution.local import LocalExecutor

    return closing(LocalExecutor(workers))
