"""What training looked like: test loss and training reward step by step."""

from typing import Any

import polars as pl

from rlaw.analysis.evidence import Evidence
from rlaw.reporting.figures import captions
from rlaw.reporting.figures.base import Figure, new_canvas
from rlaw.reporting.figures.marks import SPAN, centred_mean, curve, single_runs
from rlaw.reporting.figures.style import WIDTH_INCHES, end_labels, styles

_MOST_MARKERS = 40  # of a curve; a longer one is a bare line
_CAVEAT = "Reward is measured on training problems at the training temperature; it is not 1 - L."


def draw(evidence: Evidence) -> Figure:
    """Test loss against step; beside it the training reward, where the source has it."""
    rewards = _rewards(evidence)
    canvas = new_canvas(WIDTH_INCHES, 3.6)
    panels = canvas.subplots(1, 2 if len(rewards) else 1, squeeze=False)[0]
    _losses(panels[0], evidence)
    if len(rewards):
        _reward_panel(panels[1], evidence, rewards)
    return Figure("steps", "Training, step by step", _caption(evidence, bool(len(rewards))), _CAVEAT, canvas)


def _rewards(evidence: Evidence) -> pl.DataFrame:
    if evidence.steps.is_empty():
        return evidence.steps
    runs = evidence.main.rows["run"].unique().to_list()
    kept = evidence.steps.filter(pl.col("run").is_in(runs)).drop_nulls("reward_mean")
    return kept.group_by("params", "model", "step").agg(pl.col("reward_mean").mean()).sort("params", "model", "step")


def _losses(axes: Any, evidence: Evidence) -> None:
    ends = []
    for model, style in styles(evidence).items():
        own = evidence.mean_curves.filter(pl.col("model") == model)
        single_runs(axes, evidence.main.rows.filter(pl.col("model") == model), "step", style)
        marker = style.marker if len(own) <= _MOST_MARKERS else ""
        curve(axes, own["step"], own["test_loss"], style, linewidth=1.2, markersize=3, marker=marker)
        ends.append((own["step"][-1], own["test_loss"][-1], style))
    axes.set_xlabel("RL step")
    axes.set_ylabel("test loss L")
    end_labels(axes, ends)


def _reward_panel(axes: Any, evidence: Evidence, rewards: pl.DataFrame) -> None:
    ends = []
    for model, style in styles(evidence).items():
        own = rewards.filter(pl.col("model") == model)
        if own.is_empty():
            continue
        smooth = centred_mean(own["reward_mean"].to_numpy())
        axes.plot(own["step"], own["reward_mean"], color=style.color, linewidth=0.5, alpha=0.35)
        axes.plot(own["step"], smooth, color=style.color, linewidth=1.2)
        ends.append((own["step"][-1], smooth[-1], style))
    axes.set_xlabel("RL step")
    axes.set_ylabel("mean training reward")
    end_labels(axes, ends)


def _caption(evidence: Evidence, with_reward: bool) -> str:
    thin = " Thin lines: single runs." if any(size.runs > 1 for size in evidence.sizes) else ""
    left = f"Test loss on held-out problems, {captions.runs(evidence)}.{thin}"
    if not with_reward:
        return f"{left} The source has no training rewards."
    return (
        f"Left: {left} Right: mean reward of the training rollouts, thin as recorded, thick the centred mean of "
        f"{SPAN} steps."
    )
