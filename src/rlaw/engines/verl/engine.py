"""The veRL engine: what `engine: verl` in a study means."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec

from rlaw.engines.base import Engine, Workspace
from rlaw.engines.verl import settings
from rlaw.engines.verl.launch import ADDRESS_VARIABLE
from rlaw.engines.verl.paths import Paths
from rlaw.errors import EngineError
from rlaw.store.records import Record
from rlaw.study.gpus import DEFAULT_MFU, PEAK_FLOPS
from rlaw.study.plan import Run
from rlaw.tasks import of_text

SUPPORTED = "0.9"  # tested with 0.9.1
PACKAGES = ("verl", "ray", "torch", "transformers")
#: what veRL 0.9's trainer imports, and `pip install verl` leaves out (its extra verl-core has them), by module
TRAINER_PACKAGES = {"transfer_queue": "TransferQueue", "zmq": "pyzmq", "msgspec": "msgspec", "vllm": "vllm"}
SECONDS_TO_START = 300.0  # Ray, weights, the rollout engine's graphs: an assumption
ASSUMED_GPU = "H100"
SHOWN_CHARACTERS = 600  # of the end of what veRL says against a configuration
_ANSWERS: dict[str, str] = {}  # what veRL said of each set of engine.settings; nothing: it takes them


class VerlEngine(Engine):
    """RL post-trains a Hugging Face checkpoint with veRL: FSDP and vLLM on the GPUs of the size's resources."""

    name = "verl"

    def check(self, run: Run) -> None:
        """Raises EngineError when the study asks what veRL cannot do, or a package or GPUs are missing."""
        of_text(run.task)
        if run.checkpoint is None:
            raise EngineError(
                f"veRL trains checkpoints, and size {run.size.name} has none\n"
                f"  run:  {run.label}\n"
                f"  next: give the size a checkpoint, or the model a preset: {{preset: qwen2.5-math}}"
            )
        settings.check(run)
        _accepted(run)
        if lacking := [*missing(), *_devices(run)]:
            reasons = "\n        ".join(lacking)
            raise EngineError(
                f"veRL cannot train here:\n        {reasons}\n"
                f"  run:  {run.label}\n"
                f"  next: `rlaw run --dry-run` prints the commands; run them where the GPUs are, or set "
                f"{ADDRESS_VARIABLE}=http://HEAD:8265 to send them to a Ray cluster"
            )

    def estimate_seconds(self, run: Run) -> float:
        """Wall seconds on the size's GPUs, as if they were H100 at the assumed share of their peak. An estimate."""
        return SECONDS_TO_START + run.executed_flops / (
            max(1, run.resources.gpus) * PEAK_FLOPS[ASSUMED_GPU] * DEFAULT_MFU
        )

    def train(self, run: Run, workspace: Workspace) -> Iterator[Record]:
        """Yields the run's records while veRL trains; steps without a record when the iterator is closed are lost."""
        from rlaw.engines.verl import attempt

        yield from attempt.train(run, workspace)

    def command(self, run: Run, workspace: Workspace, study: str) -> str:
        """The command that writes the run's data and starts it by hand, where every node has the store."""
        from rlaw.engines.verl import launch

        settings.check(run)
        paths, model = Paths.of(workspace), (run.checkpoint or "").partition("@")[0]
        prepare = ["python", "-m", "rlaw.engines.verl.prepare", study, run.label, str(workspace.folder.absolute())]
        training = launch.commands(run, paths, settings.overrides(run, settings.places(run, paths, model, None)))
        return f"{shlex.join(prepare)} &&\n{training}"


def _accepted(run: Run) -> None:
    """Ask the installed veRL, once for each set of `engine.settings`, whether it takes the configuration.

    Raises:
        EngineError: what veRL says against it.
    """
    if not run.engine.settings or find_spec("verl") is None:
        return
    key = json.dumps(run.engine.settings, sort_keys=True, default=str)
    if key not in _ANSWERS:
        places = settings.places(run, Paths.of_nothing(), "model", None)
        ask = [sys.executable, "-m", "rlaw.engines.verl.validate"]
        overrides = json.dumps(settings.overrides(run, places))
        answer = subprocess.run(ask, input=overrides, capture_output=True, text=True, check=False)  # noqa: S603
        _ANSWERS[key] = answer.stderr.strip()[-SHOWN_CHARACTERS:] if answer.returncode else ""
    if _ANSWERS[key]:
        raise EngineError(f"veRL refuses engine.settings: {_ANSWERS[key]}\n  run:  {run.label}")


def missing() -> list[str]:
    """What this Python lacks for training with veRL, each with what to do; on a cluster the nodes need the same."""
    lacking = [f"{name} is not installed: pip install 'rlaw[verl]'" for name in PACKAGES if find_spec(name) is None]
    if lacking:
        return lacking
    version = metadata.version("verl")
    if version.split(".")[:2] != SUPPORTED.split("."):
        lacking.append(f"verl {version} is another version than {SUPPORTED}.x: pip install 'verl=={SUPPORTED}.1'")
    if ADDRESS_VARIABLE not in os.environ:
        absent = [package for module, package in TRAINER_PACKAGES.items() if find_spec(module) is None]
        lacking += [f"{package} is not installed: pip install 'verl[vllm]'" for package in absent]
        if not gpus_gb():
            lacking.append("no NVIDIA GPU: veRL does not train on CPUs")
    return lacking


def gpus_gb() -> list[float]:
    """Memory of every GPU of this machine that may be used, GB, as nvidia-smi prints it."""
    if shutil.which("nvidia-smi") is None:
        return []
    ask = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    printed = subprocess.run(ask, capture_output=True, text=True, check=False)  # noqa: S603 - no input of a user
    memory = [float(line) * 2**20 / 1e9 for line in printed.stdout.split() if line.isdigit()]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return memory if visible is None else memory[: len([one for one in visible.split(",") if one.strip()])]


def _devices(run: Run) -> list[str]:
    """What this machine's GPUs lack for the run; nothing is known of a cluster's."""
    memory, need = gpus_gb(), run.resources
    if ADDRESS_VARIABLE in os.environ or not memory:
        return []
    lacking = []
    if len(memory) < need.gpus:
        lacking.append(f"{len(memory)} GPUs here, the size needs {need.gpus}")
    if need.memory_gb and min(memory) < need.memory_gb:
        lacking.append(f"a GPU here has {min(memory):.0f} GB, the size needs {need.memory_gb:g}")
    return lacking
