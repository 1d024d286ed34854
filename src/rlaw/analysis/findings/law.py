"""Whether the paper's law holds, and the question behind it: is it size, or the quality of the base?"""

import numpy as np
import polars as pl

from rlaw.analysis.base_quality import explain
from rlaw.analysis.evidence import Evidence
from rlaw.analysis.findings.base import PAPER, Claim, Finding, of_known_sizes
from rlaw.fitting.interval import Interval, percentile
from rlaw.forecasting.predictors import BASELINES

LAW_HOLDS = Claim(
    "law-holds",
    "A power law with saturating efficiency describes the loss along every curve",
    f"{PAPER}, Eq. 1, 2, 6 and 8",
    "mean absolute error on held-out points, over that of the best baseline",
    "seen: below every baseline, at most 1.1 times the best law's error, and its parameters are identified; not seen: "
    "a baseline forecasts better; else cannot tell",
)
SAME_LAW_FOR_DATA = Claim(
    "same-law-for-data",
    "The same form of law holds over compute and over data",
    f"{PAPER}, finding 2",
    "smallest R² within a size, over compute and over data",
    "seen: 0.9 or more on both axes; not seen: 0.9 or more on one axis and less than 0.5 on the other; else cannot "
    "tell",
)
BASE_QUALITY = Claim(
    "efficiency-follows-base",
    "The loss of the base L₀ describes k better than model size does",
    "rlaw's own question: does the ladder show size, or base quality?",
    "R² of ln k on L₀ minus R² of ln k on ln N",
    "seen: L₀ explains more in 95 % of the bootstrap draws or more; not seen: in 5 % or fewer; else cannot tell",
)
MATCHED = 0.03  # of the loss: bases that are no further apart count as equally good
LEAST_EXPONENT = 0.1  # k grows by a quarter when N grows tenfold: less is not worth calling an effect of size
SIZE_BEYOND_BASE = Claim(
    "size-beyond-base",
    "Among bases of equal loss, a larger model still learns faster",
    "rlaw's own question: does the ladder show size, or base quality?",
    "exponent of k in N, a straight line of ln k in ln N",
    f"tested where the bases are within {MATCHED} of each other. Seen: above {LEAST_EXPONENT} in 95 % of the bootstrap "
    "draws or more; not seen: in 5 % or fewer; else cannot tell",
)


def law_holds(evidence: Evidence) -> Finding:
    """The ladder law against baselines and other laws, on held-out points."""
    comparison = evidence.comparison
    ladder = next((fit.law.name for fit in evidence.fits.values()), None)
    if comparison is None or ladder is None or all(score.law != ladder for score in comparison.laws):
        refused = evidence.refused.get
        why = refused("held-out comparison") or refused(f"{ladder or 'saturating'} over {evidence.axis}")
        return LAW_HOLDS.undecided((why or "the law could not be fitted to a part of the curves").splitlines()[0])
    own = comparison.score(ladder)
    baseline = min((s for s in comparison.laws if s.law in BASELINES), key=lambda s: s.mae)
    best = min((s for s in comparison.laws if s.law not in BASELINES), key=lambda s: s.mae)
    identified = evidence.law is not None and evidence.law.identified
    ratio = own.mae / baseline.mae if baseline.mae > 0 else float("inf")
    verdict = "not seen" if ratio >= 1 else "seen" if own.mae <= 1.1 * best.mae and identified else "cannot tell"
    protocol = comparison.protocol.replace("->", "→")
    reason = f"{protocol}: mean absolute error {ladder} {own.mae:.4f}, {baseline.law} {baseline.mae:.4f}"
    if best.law != ladder:
        reason += f"; {best.law} does better, {best.mae:.4f}"
    if not identified:
        reason += "; its parameters are not identified"
    return LAW_HOLDS.found(verdict, reason, Interval(ratio))


def same_law_for_data(evidence: Evidence) -> Finding:
    """Finding 2: one form for both axes."""
    claim = SAME_LAW_FOR_DATA
    if not {"compute", "data"} <= set(evidence.fits):
        return claim.undecided("the law could not be fitted over both compute and data")
    worst = {axis: min(evidence.fits[axis].sizes, key=lambda size: size.r2) for axis in ("compute", "data")}
    shares = [size.r2 for size in worst.values()]
    verdict = (
        "seen" if min(shares) >= 0.9 else "not seen" if max(shares) >= 0.9 and min(shares) < 0.5 else "cannot tell"
    )
    reason = "; ".join(f"over {axis}: R² {size.r2:.3f} at worst ({size.model})" for axis, size in worst.items())
    if _tokens_are_constant(evidence):
        reason += ". Every step costs the same here, so the two axes are one up to a factor"
    return claim.found(verdict, reason, Interval(min(shares)))


def _tokens_are_constant(evidence: Evidence) -> bool:
    """Whether compute is proportional to data within every size, to a part in a thousand."""
    rows = evidence.main.rows.filter(evidence.main.rows["data_size"] > 0)
    per_prompt = rows.select("model", each=rows["compute_flops"] / rows["data_size"])
    spans = per_prompt.group_by("model").agg(low=pl.col("each").min(), high=pl.col("each").max())
    return bool((spans["high"] <= spans["low"] * 1.001).all())


def base_quality(evidence: Evidence) -> Finding:
    """Does k follow L0 more closely than N?"""
    claim, explained = BASE_QUALITY, explain(evidence)
    if explained is None:
        return claim.undecided("it takes four sizes with a positive slope each")
    at = "" if evidence.base_is_step_0 else " Step 0 was not measured: L₀ is the first evaluation, after RL had begun."
    out = f" Left out, without a positive slope: {', '.join(explained.left_out)}." if explained.left_out else ""
    reason = (
        f"R² of ln k over {explained.sizes} sizes: {explained.by_base:.2f} on L₀, {explained.by_size:.2f} on ln N, "
        f"{explained.by_both:.2f} on both; "
        f"L₀ is ahead in {explained.base_ahead:.0%} of the draws.{at}{out} Along one ladder this "
        "cannot tell which is the cause: that takes sizes with bases of equal loss"
    )
    return claim.by_probability(explained.base_ahead, reason, explained.difference)


@of_known_sizes(SIZE_BEYOND_BASE)
def size_beyond_base(evidence: Evidence) -> Finding:
    """The control: sizes with matched bases."""
    claim, power = SIZE_BEYOND_BASE, evidence.power
    bases = {size.model: size.base_loss for size in evidence.sizes}
    if len(bases) < 3 or not evidence.base_is_step_0:
        return claim.not_tested("it takes three sizes whose loss was measured at step 0")
    spread = max(bases.values()) - min(bases.values())
    bases_text = f"step-0 losses {min(bases.values()):.3f} to {max(bases.values()):.3f}"
    if spread > MATCHED:
        return claim.not_tested(f"the bases are not matched: {bases_text}")
    if power is None or power.drawn is None or len(power.sizes) < 3:
        return claim.undecided(f"{bases_text}; it takes three sizes with a slope each")
    log_n = np.log([size.params for size in power.sizes])
    estimate, drawn = power.slopes(), power.slope_draws()
    slopes = ", ".join(f"{r.model} {k:.3f}" for r, k in zip(power.sizes, estimate, strict=True))
    drawn = drawn[(drawn > 0).all(axis=1)]
    if (estimate <= 0).any() or len(drawn) < 20:
        return claim.undecided(f"{bases_text}; k by size {slopes}: a size without a positive slope has no logarithm")
    exponents = np.polyfit(log_n, np.log(drawn).T, 1)[0]
    value = percentile(float(np.polyfit(log_n, np.log(estimate), 1)[0]), exponents, power.level)
    share = float(np.mean(exponents > LEAST_EXPONENT))
    return claim.by_probability(share, f"{bases_text}; k by size {slopes}; above it in {share:.0%} of the draws", value)
