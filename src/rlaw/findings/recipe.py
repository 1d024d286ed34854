"""What the recipe does: reuse of data and group size, where a study has arms for them; findings 5 and 7."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from rlaw.evidence import Evidence
from rlaw.findings.base import PAPER, SURE, Claim, Finding, by_probability
from rlaw.intervals import Interval

_KEPT = 0.9  # share of the gain that "nearly unchanged" keeps
_OFTEN, _TOO_OFTEN = 25, 100

REUSE = Claim(
    "reuse-nearly-free",
    f"Reusing data is nearly free up to {_OFTEN} times and harmful at {_TOO_OFTEN}",
    f"{PAPER}, finding 5",
    "share of the fall in loss that remains when each prompt is seen tau times, at equal steps",
    f"seen: every tau up to {_OFTEN} keeps {_KEPT:.0%} or more, and one of {_TOO_OFTEN} or more keeps less, each with "
    f"probability {SURE}; not seen: the contrary of either with that probability; else cannot tell",
)
GROUP_SIZE = Claim(
    "larger-groups-at-equal-prompts",
    "At equal prompts the largest group has the lowest loss",
    f"{PAPER}, finding 7",
    "loss with the smallest group minus loss with the largest, after the same prompts",
    "seen: the largest group is lower with probability 0.95 or more; not seen: with 0.05 or less; else cannot tell",
)


@dataclass(frozen=True, slots=True)
class _End:
    """Where the runs of one setting stand after the same data."""

    setting: float
    base: float
    loss: float
    runs: int


def reuse(seen: Evidence) -> Finding:
    """Finding 5."""
    ends = _ends(seen, "tau", at="step")
    if len(ends) < 2:
        return REUSE.not_asked("every run has the same tau")
    least = ends[0]
    kept = {end.setting: _kept(seen, least, end) for end in ends[1:]}
    told = ", ".join(
        f"tau {tau:g} keeps {share:.0%} (probability {p:.2f} of {_KEPT:.0%} or more)"
        for tau, (share, p) in kept.items()
    )
    often = [p for tau, (_, p) in kept.items() if tau <= _OFTEN]
    too_often = [1 - p for tau, (_, p) in kept.items() if tau >= _TOO_OFTEN]
    if not often or not too_often:
        return REUSE.cannot_tell(f"{told}; it takes runs with tau up to {_OFTEN} and runs with {_TOO_OFTEN} or more")
    contrary = any(p <= 1 - SURE for p in often) or all(p <= 1 - SURE for p in too_often)
    sure = all(p >= SURE for p in often) and any(p >= SURE for p in too_often)
    return REUSE.found("not seen" if contrary else "seen" if sure else "cannot tell", told)


def group_size(seen: Evidence) -> Finding:
    """Finding 7, at equal prompts."""
    ends = _ends(seen, "group_size", at="data_size")
    if len(ends) < 2:
        return GROUP_SIZE.not_asked("every run has the same group size")
    small, large = ends[0], ends[-1]
    p = seen.noise.probability_lower((large.loss, large.runs), (small.loss, small.runs))
    told = ", ".join(f"G {end.setting:g} {end.loss:.3f}" for end in ends)
    return GROUP_SIZE.found(
        by_probability(p), f"{told}; largest lower with probability {p:.2f}", Interval(small.loss - large.loss)
    )


def _ends(seen: Evidence, setting: str, *, at: str) -> list[_End]:
    """Mean loss of each value of a setting at the last place all of them reached, for the size with most values."""
    same = seen.main.rows.select("variant", "benchmark").unique()
    rows = seen.frame.rows.join(same, on=["variant", "benchmark"]).drop_nulls([setting, at])
    other = "group_size" if setting == "tau" else "tau"
    own = seen.main.rows[other].drop_nulls()
    rows = rows.filter((pl.col(other) == own[0]).fill_null(value=True)) if len(own) else rows
    counts = (
        rows.group_by("model", maintain_order=True)
        .agg(values=pl.col(setting).n_unique())
        .sort("values", descending=True)
    )
    if counts.is_empty() or counts["values"][0] < 2:
        return []
    rows = rows.filter(pl.col("model") == counts["model"][0])
    runs = rows.group_by(setting, "arm", "run", "seed").agg(end=pl.col(at).max())
    end = runs["end"].min()
    reached = rows.filter(pl.col(at) <= end).sort(at)
    each = reached.group_by(setting, "arm", "run", "seed", maintain_order=True).agg(
        base=pl.col("test_loss").first(), loss=pl.col("test_loss").last()
    )
    means = each.group_by(setting).agg(pl.col("base", "loss").mean(), runs=pl.len()).sort(setting)
    return [_End(*row) for row in means.iter_rows()]


def _kept(seen: Evidence, least: _End, end: _End) -> tuple[float, float]:
    """Share of the fall in loss that a setting keeps, and the probability that it keeps nine tenths."""
    losses, runs = np.array([least.loss, end.loss]), np.array([least.runs, end.runs])
    drawn = seen.noise.draws(losses, runs, 4000, seed=3)
    fall = least.base - drawn[:, 0]
    share = np.where(fall > 0, (least.base - drawn[:, 1]) / np.where(fall > 0, fall, 1.0), np.nan)
    estimate = (least.base - end.loss) / (least.base - least.loss) if least.base > least.loss else float("nan")
    return estimate, float(np.mean(share >= _KEPT))
