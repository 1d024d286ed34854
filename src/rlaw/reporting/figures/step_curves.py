"""What training looked like: test loss and training reward step by step."""

from typing import Any

import numpy as np
import polars as pl

from rlaw.analysis.evidence import Evidence
from rlaw.reporting.figures import captions
from rlaw.reporting.figures.base import Figure, new_canvas
from rlaw.reporting.figures.style import WIDTH_INCHES, Style, end_labels, styles

_SMOOTHED = 9  # steps of the centred mean of the reward

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
        curve = evidence.mean_curves.filter(pl.col("model") == model)
        every = evidence.main.rows.filter(pl.col("model") == model).partition_by("run", "seed", maintain_order=True)
        for run in every if len(every) > 1 else ():
            axes.plot(run["step"], run["test_loss"], color=style.color, linewidth=0.5, alpha=0.45)
        _line(axes, curve["step"], curve["test_loss"], style)
        ends.append((curve["step"][-1], curve["test_loss"][-1], style))
    axes.set_xlabel("RL step")
    axes.set_ylabel("test loss L")
    end_labels(axes, ends)


def _reward_panel(axes: Any, evidence: Evidence, rewards: pl.DataFrame) -> None:
    ends = []
    for model, style in styles(evidence).items():
        curve = rewards.filter(pl.col("model") == model)
        if curve.is_empty():
            continue
        smooth = _centred_mean(curve["reward_mean"].to_numpy())
        axes.plot(curve["step"], curve["reward_mean"], color=style.color, linewidth=0.5, alpha=0.35)
        axes.plot(curve["step"], smooth, color=style.color, linewidth=1.2)
        ends.append((curve["step"][-1], smooth[-1], style))
    axes.set_xlabel("RL step")
    axes.set_ylabel("mean training reward")
    end_labels(axes, ends)


def _line(axes: Any, x: pl.Series, y: pl.Series, style: Style) -> None:
    markers = style.marker if len(x) <= 40 else ""
    axes.plot(
        x,
        y,
        color=style.color,
        linewidth=1.2,
        marker=markers,
        markersize=3,
        markeredgecolor="white",
        markeredgewidth=0.3,
    )


def _centred_mean(values: np.ndarray) -> np.ndarray:
    """The mean of up to nine steps around each; fewer towards the ends, so that nothing is shifted."""
    half = _SMOOTHED // 2
    return np.array([values[max(0, i - half) : i + half + 1].mean() for i in range(len(values))])


def _caption(evidence: Evidence, with_reward: bool) -> str:
    thin = " Thin lines: single runs." if any(size.runs > 1 for size in evidence.sizes) else ""
    left = f"Test loss on held-out problems, {captions.runs(evidence)}.{thin}"
    if not with_reward:
        return f"{left} The source has no training rewards."
    return (
        f"Left: {left} Right: mean reward of the training rollouts, thin as recorded, thick the centred mean of "
        f"{_SMOOTHED} steps."
    )
