"""Tokens per second of the local engine on a GPU, by size and precision, and their share of the device's peak.

    pip install 'rlaw[local]' 'jax[cuda12]'
    python benchmarks/engine_gpu.py        # writes benchmarks/results/engine_gpu.md; exits 3 where there is no GPU

The very engine that runs on the CPU, on sizes up to 300 million parameters: rollouts and updates of one RL step,
128 prompts of 13 tokens x 8 answers of 12, no group skipped. Wall seconds, medians; compilation is not counted.
FLOPs are those of the matrix products that are needed (`benchmarks/engine.py`); the peak is the vendor's for dense
bfloat16 products (tensor cores), and beside it stands what one large product reaches in that precision.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

from engine import passes_of, timed, work_of  # the benchmark beside this one

from rlaw.study.plan import Run, plan
from rlaw.study.study import Study

RESULT = Path(__file__).parent / "results" / "engine_gpu.md"
NO_GPU = 3
SIZES = {
    "1M": {"hidden": 128, "layers": 5, "head_dim": 32},
    "9M": {"hidden": 320, "layers": 6, "head_dim": 64},
    "36M": {"hidden": 640, "layers": 7, "head_dim": 64},
    "110M": {"hidden": 1024, "layers": 9, "head_dim": 64},
    "310M": {"hidden": 1536, "layers": 11, "head_dim": 64},
}
MICRO_BATCHES = (256, 1024)
#: TFLOP/s of dense bfloat16 products with float32 sums, from the vendor's data sheets
PEAKS = {"H200": 989, "H100": 989, "A100": 312, "L40S": 362, "L4": 121, "A10": 125}


def main() -> int:
    import jax

    try:
        device = jax.devices("gpu")[0]
    except RuntimeError:
        print(f"jax {jax.__version__} sees no GPU here, nothing was measured", file=sys.stderr)
        print("  next: on a machine that has one, pip install 'jax[cuda12]'", file=sys.stderr)
        return NO_GPU
    peak = next((tflops for name, tflops in PEAKS.items() if name in device.device_kind), None)
    lines = [
        "# The local engine on a GPU",
        "",
        f"`python benchmarks/engine_gpu.py`: {device.device_kind}, jax {jax.__version__}; peak "
        f"{f'{peak} TFLOP/s' if peak else 'not known'}, one product of 8192 x 8192 reaches "
        + ", ".join(f"{product_speed(kind):.0f} TFLOP/s in {kind}" for kind in ("float32", "bfloat16"))
        + ".",
        "",
        "| N | precision | micro-batch | rollout, ms | update, ms | tokens/s | rollout, TFLOP/s | update | of peak |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in SIZES:
        for dtype in ("float32", "bfloat16"):
            best = min((measure(run_of(name, dtype, size)) for size in MICRO_BATCHES), key=lambda row: row["update"])
            share = f"{best['update_tflops'] / peak:.1%}" if peak and dtype == "bfloat16" else ""
            cells = [f"{1e3 * best['rollout']:.1f}", f"{1e3 * best['update']:.1f}", f"{best['tokens']:,.0f}"]
            speeds = [f"{best[key]:.1f}" for key in ("rollout_tflops", "update_tflops")]
            head = [f"{best['params']:,}", dtype, str(best["micro_batch"])]
            lines.append("| " + " | ".join([*head, *cells, *speeds, share]) + " |")
            print(lines[-1], file=sys.stderr)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    return 0


def run_of(name: str, dtype: str, micro_batch: int) -> Run:
    study = Study.model_validate(
        {
            "name": "gpu",
            "model": {"ladder": [SIZES[name]]},
            "task": {"name": "modular-chains", "operations": "12-12"},
            "rl": {"prompts": 128, "num_generations": 8, "minibatches": 1},
            "evaluation": {"items": 128},
            "engine": {"name": "local", "micro_batch": micro_batch, "settings": {"dtype": dtype}},
            "fit": {"laws": ["power"]},
        }
    )
    (run,) = plan(study)
    return run


def measure(run: Run) -> dict[str, Any]:
    """Wall seconds of the rollouts and the update of one RL step, and what they come to."""
    work, passes = work_of(run, None), passes_of(run)
    seconds = {phase: timed(work[phase], time.perf_counter)[1] for phase in ("rollout", "update")}
    speeds = {f"{p}_tflops": passes[p].flops(run.architecture) / s / 1e12 for p, s in seconds.items()}
    tokens = run.rl.samples * run.sequence_tokens / sum(seconds.values())
    return {"params": run.params, "micro_batch": run.engine.micro_batch, "tokens": tokens, **seconds, **speeds}


def product_speed(kind: str) -> float:
    """TFLOP/s of chained products of square matrices."""
    import jax
    import jax.numpy as jnp

    size, again = 8192, 20
    w = jnp.full((size, size), 1 / size, kind)
    chain = jax.jit(lambda x: jax.lax.fori_loop(0, again, lambda _, y: y @ w, x))
    _, seconds = timed(lambda i: chain(jnp.full((size, size), 1 + i / 8, kind)), time.perf_counter)
    return again * 2 * size**3 / seconds / 1e12


if __name__ == "__main__":
    sys.exit(main())
