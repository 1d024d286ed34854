"""How the local engine's cost grows with steps, prompts, group size, seeds and parameters.

    python benchmarks/engine_cost.py       # writes benchmarks/results/engine_cost.md and .svg; about five minutes

CPU seconds of whole RL steps of the engine on one thread (rollout, reward, update), the first step of every run, which
compiles, not counted. The reward is right about every second time, so that no group is skipped. A cost that grows in
proportion has the exponent 1: the slope of log seconds against log size; `last` is the slope between the two largest.
"""

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

from rlaw.engines.local import process
from rlaw.study.plan import Run, plan
from rlaw.study.study import Study
from rlaw.tasks.modular_chains import ModularChains

RESULT = Path(__file__).parent / "results" / "engine_cost.md"
REPEATS = 3
VARIED = {
    "steps": (4, 8, 16, 32, 64),
    "prompts": (32, 64, 128, 256, 512),
    "group size": (2, 4, 8, 16, 32),
    "seeds": (1, 2, 4, 8),
    "parameters": (16, 24, 32, 48, 64, 96, 128, 192),  # by width
}


class Half(ModularChains):
    """Right when the last token is one of the first half: from random weights, about every second time."""

    def grade(self, problems, completions_IT):
        return (completions_IT[:, -1] < len(self.vocabulary) // 2).astype(np.float32)


def main() -> None:
    with tempfile.TemporaryDirectory() as cache:
        process.prepare(Path(cache))
        told = {varied: [point(varied, size) for size in sizes] for varied, sizes in VARIED.items()}
    lines = [
        "# How the cost of the local engine grows",
        "",
        f"`python benchmarks/engine_cost.py`: 37,280 parameters, 64 prompts x 4, answers of 4 tokens, 8 steps, where "
        f"not varied; CPU seconds, medians of {REPEATS}.",
        "",
        "![cost](engine_cost.svg)",
        "",
        "| varied | sizes | CPU seconds | exponent | last |",
        "|---|---|---|---|---|",
    ]
    for varied, points in told.items():
        x, y = np.log(points).T
        sizes = ", ".join(f"{size:,}" for size, _ in points)
        seconds = ", ".join(f"{one:.3g}" for _, one in points)
        slopes = f"{np.polyfit(x, y, 1)[0]:.2f} | {(y[-1] - y[-2]) / (x[-1] - x[-2]):.2f}"
        lines.append(f"| {varied} | {sizes} | {seconds} | {slopes} |")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text("\n".join(lines) + "\n")
    draw(told)
    print("\n".join(lines))


def point(varied: str, size: int) -> tuple[int, float]:
    """A size, and CPU seconds there."""
    steps, seeds = (size if varied == name else usual for name, usual in (("steps", 8), ("seeds", 1)))
    run = run_of(
        hidden=size if varied == "parameters" else 32,
        prompts=size if varied == "prompts" else 64,
        group=size if varied == "group size" else 4,
    )
    seconds = median(sum(cost(replace(run, seed=seed), steps) for seed in range(seeds)) for _ in range(REPEATS))
    print(varied, size, f"{seconds:.3f}", file=sys.stderr)
    return run.params if varied == "parameters" else size, seconds


def run_of(hidden: int, prompts: int, group: int) -> Run:
    study = Study.model_validate(
        {
            "name": "cost",
            "model": {"ladder": [{"hidden": hidden, "layers": 3}]},
            "task": {"name": "modular-chains"},
            "rl": {"steps": 65, "prompts": prompts, "num_generations": group, "learning_rate": 1e-5},
            "evaluation": {"items": 16},
            "fit": {"laws": ["power"]},
        }
    )
    (run,) = plan(study)
    return replace(run, task=Half())


def cost(run: Run, steps: int) -> float:
    """CPU seconds of so many steps, after a first one."""
    import jax

    from rlaw.engines.local import model, optimizer
    from rlaw.engines.local.grpo import GRPO
    from rlaw.engines.local.state import TrainState
    from rlaw.engines.rng import generator

    base = model.init(run.architecture, generator(run.seed, "init"))
    recipe, at = GRPO(run, base, 1), TrainState(policy=optimizer.start(base, run.rl))
    at = recipe.step(at)
    began = time.process_time()
    for _ in range(steps):
        at = recipe.step(at)
    jax.block_until_ready(at.policy.params)
    return time.process_time() - began


def draw(told: dict[str, list[tuple[int, float]]]) -> None:
    """CPU seconds against each size, beside a line in proportion through the last point."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "rlaw"
    import matplotlib.pyplot as plt
    from matplotlib.ticker import NullFormatter

    figure, axes = plt.subplots(1, len(told), figsize=(2.8 * len(told), 2.6), layout="constrained")
    for axis, (varied, points) in zip(axes, told.items(), strict=True):
        x, y = np.array(points).T
        axis.loglog(x, y, "o-", label="measured")
        axis.loglog(x, y[-1] * x / x[-1], ":", color="grey", label="in proportion")
        axis.set(xlabel=varied, ylabel="CPU seconds" if axis is axes[0] else None)
        shown = x[::2] if len(x) > 5 else x
        axis.set_xticks(shown, [f"{one / 1e3:.0f}k" if one >= 1e4 else f"{one:.0f}" for one in shown])
        axis.xaxis.minorticks_off()
        axis.yaxis.set_minor_formatter(NullFormatter())
    axes[0].legend(frameon=False)
    figure.savefig(RESULT.with_suffix(".svg"), metadata={"Date": None})


if __name__ == "__main__":
    main()
