"""What the recipe does: reuse of data, group size and the order of problems, where a study has arms for them."""

import numpy as np
import polars as pl

from rlaw.analysis import ablations
from rlaw.analysis.ablations import End
from rlaw.analysis.evidence import Evidence
from rlaw.analysis.findings.base import PAPER, SURE, Claim, Finding
from rlaw.fitting.interval import Interval, percentile

_KEPT = 0.9  # share of the gain that "nearly unchanged" keeps
_OFTEN, _TOO_OFTEN = 25, 100
_EARLY = 0.1  # of the largest compute: the smaller of two budgets

REUSE = Claim(
    "reuse-nearly-free",
    f"Reusing data is nearly free up to {_OFTEN} times and harmful at {_TOO_OFTEN}",
    f"{PAPER}, finding 5",
    "share of the fall in loss that remains when each prompt is used tau times, at equal steps",
    f"for every kind of subset and schedule: seen: every tau up to {_OFTEN} keeps {_KEPT:.0%} or more, and "
    f"one of {_TOO_OFTEN} or more keeps less, each with probability {SURE}; not seen: the contrary of either with that "
    "probability in one kind; else cannot tell",
)
GROUP_SIZE = Claim(
    "larger-groups-at-equal-prompts",
    "At equal prompts the largest group has the lowest loss",
    f"{PAPER}, finding 7",
    "loss with the smallest group minus loss with the largest, after the same prompts, as many in each step",
    "seen: the largest group is lower with probability 0.95 or more; not seen: with 0.05 or less; else cannot tell",
)
GROUPS_AT_COMPUTE = Claim(
    "best-group-grows-with-compute",
    "At equal compute the best group size grows with the budget",
    f"{PAPER}, finding 7",
    f"group size with the lowest loss at the end and at {_EARLY:.0%} of the compute, rollouts of a step being equal",
    "seen: it is larger at the end with probability 0.95 or more; not seen: with 0.05 or less; else cannot tell",
)
CURRICULUM = Claim(
    "curriculum-ends-lower",
    "Going from easy to hard ends lower than shuffled problems do",
    "rlaw's own question: the original trained from easy to hard throughout",
    "final loss with shuffled problems minus final loss with the curriculum, mean over the sizes that have both",
    "seen: positive with probability 0.95 or more; not seen: with 0.05 or less; else cannot tell",
)


def reuse(evidence: Evidence) -> Finding:
    """Finding 5."""
    rows = ablations.as_main(evidence, ablations.comparable(evidence), "group_size", "prompts", "order")
    if rows["tau"].n_unique() < 2:
        return REUSE.not_tested("every run has the same tau")
    least, kinds = rows["tau"].min(), rows.filter(pl.col("tau") > rows["tau"].min())
    verdicts, texts = [], []
    for (subsets, schedule), own in kinds.group_by("subsets", "schedule", maintain_order=True):
        found = ablations.ends(pl.concat([rows.filter(pl.col("tau") == least), own]), "tau", at="step")
        verdict, text = _reuse_of_kind(evidence, found)
        verdicts.append(verdict)
        name = f"{subsets} subsets, {schedule}: " if subsets else ""
        texts.append(name + text)
    verdict = "not seen" if "not seen" in verdicts else "seen" if set(verdicts) == {"seen"} else "cannot tell"
    return REUSE.found(verdict, "; ".join(texts))


def _reuse_of_kind(evidence: Evidence, found: list[End]) -> tuple[str, str]:
    kept = {end.setting: _kept(evidence, found[0], end) for end in found[1:]}
    text = ", ".join(f"tau {tau:g} keeps {share:.0%} ({p:.2f})" for tau, (share, p) in kept.items())
    text += f" (in brackets: probability of {_KEPT:.0%} or more)"
    often = [p for tau, (_, p) in kept.items() if tau <= _OFTEN]
    too_often = [1 - p for tau, (_, p) in kept.items() if tau >= _TOO_OFTEN]
    if not often or not too_often:
        needed = f"it takes runs with tau up to {_OFTEN} and runs with {_TOO_OFTEN} or more"
        return "cannot tell", f"{text}; {needed}"
    contrary = any(p <= 1 - SURE for p in often) or all(p <= 1 - SURE for p in too_often)
    sure = all(p >= SURE for p in often) and any(p >= SURE for p in too_often)
    return "not seen" if contrary else "seen" if sure else "cannot tell", text


def _kept(evidence: Evidence, least: End, end: End) -> tuple[float, float]:
    """Share of the fall in loss that a setting keeps, and the probability that it keeps nine tenths."""
    drawn = ablations.drawn(evidence, (least, end), seed=3)
    fall = least.base - drawn[:, 0]
    share = np.where(fall > 0, (least.base - drawn[:, 1]) / np.where(fall > 0, fall, 1.0), np.nan)
    estimate = (least.base - end.loss) / (least.base - least.loss) if least.base > least.loss else float("nan")
    return estimate, float(np.mean(share >= _KEPT))


def group_size(evidence: Evidence) -> Finding:
    """Finding 7, at equal prompts."""
    rows = ablations.as_main(evidence, ablations.comparable(evidence), "tau", "order")
    found = ablations.ends(ablations.with_most(rows, pl.col("prompts"), "group_size"), "group_size", at="data_size")
    if len(found) < 2:
        return GROUP_SIZE.not_tested("every run has the same group size")
    small, large = found[0], found[-1]
    p = evidence.noise_of_arms.probability_lower((large.loss, large.runs), (small.loss, small.runs))
    observed = f"{_losses(found)}; largest lower with probability {p:.2f}"
    return GROUP_SIZE.by_probability(p, observed, Interval(small.loss - large.loss))


def groups_at_compute(evidence: Evidence) -> Finding:
    """Finding 7, at equal compute."""
    rows = ablations.as_main(evidence, ablations.comparable(evidence), "tau", "order")
    rollouts = pl.col("prompts") * pl.col("group_size")
    rows = ablations.with_most(rows.drop_nulls(["prompts", "compute_flops"]), rollouts, "group_size")
    if rows["group_size"].n_unique() < 2:
        return GROUPS_AT_COMPUTE.not_tested("it takes several group sizes with as many rollouts in each step")
    late = ablations.ends(rows, "group_size", at="compute_flops")
    budget = float(rows["compute_flops"].max())  # pyright: ignore[reportArgumentType]
    early = ablations.ends(rows.filter(pl.col("compute_flops") <= _EARLY * budget), "group_size", at="compute_flops")
    if len(early) < len(late):
        return GROUPS_AT_COMPUTE.undecided(f"not every group size was measured by {_EARLY:.0%} of the compute")
    p = float(np.mean(_best(evidence, late, seed=6) > _best(evidence, early, seed=5)))
    text = f"at {_EARLY:.0%} of the compute: {_losses(early)}; at the end: {_losses(late)}"
    return GROUPS_AT_COMPUTE.by_probability(p, f"{text}; best one larger at the end with probability {p:.2f}")


def _losses(found: list[End]) -> str:
    return ", ".join(f"G {end.setting:g} {end.loss:.3f}" for end in found)


def _best(evidence: Evidence, found: list[End], seed: int) -> np.ndarray:
    """(draws,) the group size with the lowest loss."""
    return np.array([end.setting for end in found])[ablations.drawn(evidence, found, seed).argmin(axis=1)]


def curriculum(evidence: Evidence) -> Finding:
    """Easy to hard against shuffled."""
    rows = evidence.like_main(evidence.frame.rows, "variant", "benchmark")
    rows = ablations.as_main(evidence, rows, "tau", "group_size", "prompts")
    rows = rows.with_columns(curriculum=pl.col("order").replace_strict({"shuffled": 0, "curriculum": 1}, default=None))
    of_sizes = rows.partition_by("model", maintain_order=True)
    pairs = {own["model"][0]: found for own in of_sizes if (found := ablations.ends(own, "curriculum", at="step"))}
    if not pairs:
        return CURRICULUM.not_tested("it takes one size both with shuffled problems and with a curriculum")
    drawn = ablations.drawn(evidence, [end for pair in pairs.values() for end in pair], seed=7)
    gain = (drawn[:, 0::2] - drawn[:, 1::2]).mean(axis=1)
    estimate = float(np.mean([a.loss - b.loss for a, b in pairs.values()]))
    text = ", ".join(f"{m} shuffled {a.loss:.3f}, curriculum {b.loss:.3f}" for m, (a, b) in pairs.items())
    p = float(np.mean(gain > 0))
    value = percentile(estimate, gain, evidence.choice.level)
    return CURRICULUM.by_probability(p, f"{text}; lower with probability {p:.2f}", value)
