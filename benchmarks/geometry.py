"""CPU seconds and memory of `rlaw geometry` and `rlaw merge` for checkpoints in the shapes of Qwen2.5-0.5B.

    python benchmarks/geometry.py [FOLDER]   # writes 3 GB there; prints the table and writes results/geometry.md

Three checkpoints of random bfloat16 weights: a base, and two whose every number moved. Updates without structure are
the costliest: none of their directions can be left out. The bar: 60 CPU s and 4 GB for two checkpoints.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from rlaw.analysis.geometry.weights import Tensor, write_header

RESULT = Path(__file__).parent / "results" / "geometry.md"
HIDDEN, INNER, HEADS, LAYERS, VOCABULARY = 896, 4864, 128, 24, 151_936


def shapes() -> dict[str, tuple[int, ...]]:
    made: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (VOCABULARY, HIDDEN)}
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        for name in ("q", "o"):
            made[f"{prefix}self_attn.{name}_proj.weight"] = (HIDDEN, HIDDEN)
        for name in ("k", "v"):
            made[f"{prefix}self_attn.{name}_proj.weight"] = (HEADS, HIDDEN)
        for name in ("gate", "up"):
            made[f"{prefix}mlp.{name}_proj.weight"] = (INNER, HIDDEN)
        made[f"{prefix}mlp.down_proj.weight"] = (HIDDEN, INNER)
    return made


def checkpoint(folder: Path, seed: int) -> None:
    """A base, and 1 % of noise of its own added for every other seed."""
    folder.mkdir(parents=True, exist_ok=True)
    start, moved = np.random.default_rng(0), np.random.default_rng(seed)
    tensors = [Tensor(name, folder, 0, 2 * int(np.prod(shape)), "BF16", shape) for name, shape in shapes().items()]
    with (folder / "model.safetensors").open("wb") as file:
        write_header(file, tensors)
        for tensor in tensors:
            values = 0.02 * start.standard_normal(tensor.shape, np.float32)
            values += 0.0002 * moved.standard_normal(tensor.shape, np.float32) if seed else 0
            file.write(tensor.written(values))
    (folder / "config.json").write_text('{"model_type": "qwen2"}')  # last: with it the checkpoint is whole


def measured(*command: str) -> str:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    timed = "import resource,sys\nfrom rlaw.cli import main\ncode = main(sys.argv[1:])\n"
    timed += "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\nsys.exit(code)"
    done = subprocess.run([sys.executable, "-c", timed, *command], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return f"{seconds:.0f} CPU s | {int(done.stderr.splitlines()[-1]) / 1e6:.1f} GB |"


def main(folder: Path, what: list[str]) -> None:
    for seed, name in enumerate(("base", "a", "b")):
        if not (folder / name / "config.json").exists():
            checkpoint(folder / name, seed)
    base, a, b = (str(folder / name) for name in ("base", "a", "b"))
    lines = ["| command | CPU | memory |", "|---|---|---|"]
    for name in what:
        shutil.rmtree(folder / "out", ignore_errors=True)
        merged = ("merge", base, a, b, "-o", str(folder / "out"), "--method", name)
        command = ("geometry", base, a, b) if name == "geometry" else merged
        lines.append(f"| {name} of two checkpoints | {measured(*command)}")
        print(lines[-1], flush=True)
    if len(what) > 1:
        RESULT.write_text("# Geometry and merging of 0.5B checkpoints\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as own:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else own), sys.argv[2:] or ["geometry", "mean", "ties", "gcwm"])
