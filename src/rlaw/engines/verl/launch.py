"""Starting veRL: as a process of this machine, as a job of a Ray cluster, or as a command to copy.

A cluster is named as Ray itself wants it: RAY_API_SERVER_ADDRESS=http://HEAD:8265. Without it veRL runs here.
"""

import os
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from rlaw.engines.verl.paths import Paths
from rlaw.errors import EngineError
from rlaw.study.plan import Run

ADDRESS_VARIABLE = "RAY_API_SERVER_ADDRESS"
SECONDS_TO_END = 20.0
SHOWN_BYTES = 2000  # of the end of the trainer's output, when it fails


def trainer(overrides: list[str], python: str = sys.executable) -> list[str]:
    """The command that trains."""
    return [python, "-m", "verl.trainer.main_ppo", *overrides]


def commands(run: Run, paths: Paths, overrides: list[str]) -> str:
    """What to type to start this run by hand, on this machine or on a cluster."""
    plain = shlex.join(trainer(overrides, "python"))
    log = shlex.quote(f"VERL_FILE_LOGGER_PATH={paths.log}")
    if address := os.environ.get(ADDRESS_VARIABLE):
        where = f"--address {shlex.quote(address)} --submission-id {job_name(run, 1)}"
        return f"ray job submit {where} --no-wait -- env {log} {plain}"
    return f"env {log} {plain}"


def job_name(run: Run, attempt: int) -> str:
    """The submission id of an attempt."""
    return f"{run.label}-a{attempt}"


def start(run: Run, paths: Paths, attempt: int, overrides: list[str]) -> "Training":
    """Start training where the environment says."""
    paths.attempt.mkdir(parents=True, exist_ok=True)
    if address := os.environ.get(ADDRESS_VARIABLE):
        return RayJob(address, run, attempt, trainer(overrides, "python"), {"VERL_FILE_LOGGER_PATH": str(paths.log)})
    return LocalProcess(paths, trainer(overrides))


class LocalProcess:
    """The trainer as a process that ends with this one, whatever ends this one."""

    def __init__(self, paths: Paths, command: list[str]) -> None:
        self.output = paths.output
        self.process = subprocess.Popen(  # noqa: S603 - the command is ours
            [sys.executable, "-m", "rlaw.engines.verl.supervise", str(paths.output), *command],
            stdin=subprocess.PIPE,
            stdout=sys.stderr.fileno(),
            cwd=paths.attempt,
            env={**os.environ, "VERL_FILE_LOGGER_PATH": str(paths.log)},
        )

    def alive(self) -> bool:
        """Whether the supervisor, and so the trainer, still runs."""
        return self.process.poll() is None

    def fault(self) -> str:
        """The exit status and the end of the output."""
        code = self.process.wait()
        return f"exit status {code}; {self.output} ends:\n{_end_of(self.output)}" if code else ""

    def stop(self) -> None:
        """Close the supervisor's input, which ends the trainer and all it started."""
        if self.process.stdin:
            with suppress(BrokenPipeError):
                self.process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(SECONDS_TO_END)


class RayJob:
    """The trainer as a job of a Ray cluster. It outlives this process: the next attempt ends it first."""

    def __init__(self, address: str, run: Run, attempt: int, command: list[str], variables: dict[str, str]) -> None:
        from ray.job_submission import JobSubmissionClient  # pyright: ignore[reportMissingImports]

        try:
            self.client: Any = JobSubmissionClient(address)
        except (ConnectionError, RuntimeError) as error:
            raise EngineError(
                f"no Ray cluster answers at {address}: {error}\n  next: fix {ADDRESS_VARIABLE}, or unset it"
            ) from error
        for earlier in range(1, attempt):
            self._stop(job_name(run, earlier))
        self.name = job_name(run, attempt)
        self.client.submit_job(
            entrypoint=shlex.join(command), submission_id=self.name, runtime_env={"env_vars": variables}
        )

    def alive(self) -> bool:
        """Whether Ray says that the job has not ended."""
        return not self.client.get_job_status(self.name).is_terminal()

    def fault(self) -> str:
        """Ray's status and the end of the job's output."""
        status = self.client.get_job_status(self.name)
        if str(status) == "SUCCEEDED":
            return ""
        return f"Ray job {self.name} {status}; its output ends:\n{self.client.get_job_logs(self.name)[-SHOWN_BYTES:]}"

    def stop(self) -> None:
        """Ask Ray to end the job."""
        self._stop(self.name)

    def _stop(self, name: str) -> None:
        with suppress(RuntimeError):  # Ray knows no job of that name
            self.client.stop_job(name)


Training = LocalProcess | RayJob


def _end_of(path: Path) -> str:
    try:
        return path.read_bytes()[-SHOWN_BYTES:].decode(errors="replace").strip()
    except OSError as error:
        return f"(cannot be read: {error})"
