"""What size does: the paper's findings 1 to 4."""

import itertools
import math

import numpy as np

from rlaw import units
from rlaw.analysis.evidence import Evidence
from rlaw.analysis.findings.base import PAPER, SURE, Claim, Finding, in_every_pair, of_known_sizes
from rlaw.analysis.ranking import Placing, shared_end
from rlaw.fitting.interval import percentile
from rlaw.text import round_number, short_names

_NEAR = 0.05  # of the loss: what a power law may miss and still describe it
_PAIRS = (
    "seen: in every pair with probability 0.95 or more; not seen: the contrary with 0.95 or more in one pair; "
    "else cannot tell"
)
_PROBABILITY = "seen: in 95 % of the bootstrap draws or more; not seen: in 5 % or fewer; else cannot tell"

LARGER_AT_EQUAL_COMPUTE = Claim(
    "larger-at-equal-compute",
    "At equal compute the larger of two sizes ends lower, all but the largest pair",
    f"{PAPER}, finding 1",
    "probability, per pair of neighbouring sizes, that the larger is lower at the largest compute both reached",
    _PAIRS,
)
TRADE_OFF = Claim(
    "largest-pair-trade-off",
    "Between the two largest sizes the smaller wins at small compute and the larger later",
    f"{PAPER}, finding 1",
    "probability that the smaller is lower where both have begun, and that the larger is lower where the smaller ends",
    _PAIRS.replace("pair", "place"),
)
LARGER_AT_EQUAL_DATA = Claim(
    "larger-at-equal-data",
    "After the same data the larger model always has the lower loss",
    f"{PAPER}, finding 2",
    "probability, per pair of neighbouring sizes, that the larger is lower at the most data both consumed",
    _PAIRS,
)
EFFICIENCY_RISES = Claim(
    "efficiency-rises",
    "Learning efficiency k rises with model size",
    f"{PAPER}, finding 3",
    "rank correlation of k with N, k from each size's own straight line",
    _PROBABILITY.replace("in 95 %", "positive in 95 %"),
)
EFFICIENCY_SATURATES = Claim(
    "efficiency-saturates",
    "k saturates: K_max / (1 + N₀/N) describes it better than a + b ln N and than a power of N",
    f"{PAPER}, finding 3",
    "share of bootstrap draws in which that form leaves the least, with N₀ below the largest size",
    _PROBABILITY,
)
FINAL_LOSS_FALLS = Claim(
    "final-loss-falls",
    "The final loss falls monotonically with model size",
    f"{PAPER}, finding 4",
    "probability, per pair of neighbouring sizes, that the larger ends lower at its last step",
    _PAIRS,
)
NO_POWER_LAW_IN_SIZE = Claim(
    "no-power-law-in-size",
    "The final loss is not a power law in N",
    f"{PAPER}, finding 4",
    "curvature of ln L(final) in ln N; 0 for a power law",
    "seen: the curvature has one sign in 95 % of the draws or more, and the best power law misses the curved fit by "
    "more than 5 % somewhere; not seen: it misses by 5 % or less everywhere in 95 % of the draws; else cannot tell",
)


@of_known_sizes(LARGER_AT_EQUAL_COMPUTE)
def larger_at_equal_compute(evidence: Evidence) -> Finding:
    """Finding 1, all pairs of neighbours but the largest."""
    return _pairs_at_shared_end(evidence, LARGER_AT_EQUAL_COMPUTE, "compute", leave_out_largest=True)


@of_known_sizes(LARGER_AT_EQUAL_DATA)
def larger_at_equal_data(evidence: Evidence) -> Finding:
    """Finding 2, all pairs of neighbours."""
    return _pairs_at_shared_end(evidence, LARGER_AT_EQUAL_DATA, "data", leave_out_largest=False)


@of_known_sizes(TRADE_OFF)
def trade_off(evidence: Evidence) -> Finding:
    """Finding 1, the two largest sizes: who wins early, who late."""
    if len(evidence.sizes) < 2 or "compute" not in evidence.axes:
        return TRADE_OFF.undecided("it takes two sizes and the compute of every evaluation")
    smaller, larger = (size.model for size in evidence.sizes[-2:])
    early, late = (shared_end(evidence, "compute", smaller, larger, first=first) for first in (True, False))
    if early is None or late is None:
        return TRADE_OFF.undecided("the two largest sizes were never measured at the same compute")
    smaller_early = _larger_lower(evidence, early[2], early[1])
    larger_late = _larger_lower(evidence, late[1], late[2])
    names = short_names([size.model for size in evidence.sizes])[-2:]
    texts = [
        f"at {round_number(at)} FLOPs {names[0]} {a.loss:.3f}, {names[1]} {b.loss:.3f}" for at, a, b in (early, late)
    ]
    early_text = f"{texts[0]} (probability that {names[0]} is lower {smaller_early:.2f})"
    reason = f"{early_text}; {texts[1]} (that {names[1]} is lower {larger_late:.2f})"
    return TRADE_OFF.found(in_every_pair([smaller_early, larger_late]), reason)


def _pairs_at_shared_end(evidence: Evidence, claim: Claim, axis: str, *, leave_out_largest: bool) -> Finding:
    models = [size.model for size in evidence.sizes]
    pairs = list(itertools.pairwise(models))[: -1 if leave_out_largest and len(models) > 2 else None]
    if not pairs or axis not in evidence.axes:
        return claim.undecided(f"it takes two sizes and the {axis} of every evaluation")
    names, found = dict(zip(models, short_names(models), strict=True)), []
    for smaller, larger in pairs:
        if end := shared_end(evidence, axis, smaller, larger):
            _, a, b = end
            found.append((names[smaller], names[larger], a.loss, b.loss, _larger_lower(evidence, a, b)))
    if not found:
        return claim.undecided(f"no two neighbouring sizes were measured at the same {axis}")
    return claim.found(in_every_pair([f[-1] for f in found]), _pairs_text(evidence, found))


@of_known_sizes(FINAL_LOSS_FALLS)
def final_loss_falls(evidence: Evidence) -> Finding:
    """Finding 4, first half."""
    if len(evidence.sizes) < 2:
        return FINAL_LOSS_FALLS.undecided("it takes two sizes")
    names, found = short_names([size.model for size in evidence.sizes]), []
    for i, (small, large) in enumerate(itertools.pairwise(evidence.sizes)):
        p = evidence.noise.probability_lower((large.final_loss, large.runs), (small.final_loss, small.runs))
        found.append((names[i], names[i + 1], small.final_loss, large.final_loss, p))
    return FINAL_LOSS_FALLS.found(in_every_pair([f[-1] for f in found]), _pairs_text(evidence, found))


@of_known_sizes(NO_POWER_LAW_IN_SIZE)
def no_power_law_in_size(evidence: Evidence) -> Finding:
    """Finding 4, second half."""
    claim = NO_POWER_LAW_IN_SIZE
    sizes = [size for size in evidence.sizes if math.isfinite(size.params) and size.final_loss > 0]
    if len({size.params for size in sizes}) < 4:
        return claim.undecided(f"a curvature takes four sizes; there are {len(sizes)}")
    log_n = np.log([size.params for size in sizes])
    loss = np.array([size.final_loss for size in sizes])
    drawn = evidence.noise.draws(loss, np.array([size.runs for size in sizes]), 2000, seed=2)
    curvature, departure = _curved(log_n, np.log(np.maximum(drawn, 1e-6)))
    estimate, misses = (float(found[0]) for found in _curved(log_n, np.log(loss)[None]))
    one_sign = max(float(np.mean(curvature > 0)), float(np.mean(curvature < 0)))
    near = float(np.mean(departure <= _NEAR))
    verdict = "not seen" if near >= SURE else "seen" if one_sign >= SURE and misses > _NEAR else "cannot tell"
    reason = (
        f"a power law misses the curved fit by {misses:.0%} at most over {len(sizes)} sizes (by 5 % or less in "
        f"{near:.0%} of the draws); the curvature has one sign in {one_sign:.0%} of the draws"
    )
    return claim.found(verdict, reason, percentile(estimate, curvature, evidence.choice.level))


def _curved(log_n: np.ndarray, log_loss: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Curvature (draws,) of (draws, sizes) log losses in ln N, and how far a straight fit is from a curved one."""
    at = log_n - log_n.mean()
    curved, straight = np.polyfit(at, log_loss.T, 2), np.polyfit(at, log_loss.T, 1)
    return curved[0], np.abs(np.vander(at, 3) @ curved - np.vander(at, 2) @ straight).max(axis=0)


@of_known_sizes(EFFICIENCY_RISES)
def efficiency_rises(evidence: Evidence) -> Finding:
    """Finding 3, first half."""
    claim, power = EFFICIENCY_RISES, evidence.power
    if power is None or power.drawn is None or len(power.sizes) < 3:
        return claim.undecided("it takes three sizes with a slope each")
    estimate, drawn = power.slopes(), power.slope_draws()
    correlation = _rank_correlation(drawn)
    value = percentile(float(_rank_correlation(estimate[None])[0]), correlation, power.level)
    share = float(np.mean(correlation > 0))
    names = short_names([size.model for size in power.sizes])
    slopes = ", ".join(f"{n} {k:.3f}" for n, k in zip(names, estimate, strict=True))
    return claim.by_probability(share, f"k by size: {slopes}; positive in {share:.0%} of the draws", value)


@of_known_sizes(EFFICIENCY_SATURATES)
def efficiency_saturates(evidence: Evidence) -> Finding:
    """Finding 3, second half: three forms of two parameters each, judged by what they leave."""
    claim, power = EFFICIENCY_SATURATES, evidence.power
    if power is None or power.drawn is None or len(power.sizes) < 4:
        return claim.undecided("three forms of k(N) take four sizes to be distinguished")
    params = np.array([size.params for size in power.sizes])
    drawn = power.slope_draws()
    weight = 1 / np.maximum(drawn.std(axis=0), 1e-9) ** 2
    left, n_0 = _left_by_forms(drawn, params, weight)
    estimate, _ = _left_by_forms(power.slopes()[None], params, weight)
    best = left.argmin(axis=1)
    share = float(np.mean((best == 0) & (n_0 < params.max())))
    total = np.sum(weight * (drawn.mean(axis=0) - np.average(drawn.mean(axis=0), weights=weight)) ** 2)
    forms = ("saturating", "a + b ln N", "power of N")
    explained = ", ".join(f"{name} {1 - s / total:.3f}" for name, s in zip(forms, estimate[0], strict=True))
    wins = ", ".join(f"{name} {np.mean(best == j):.0%}" for j, name in enumerate(forms))
    n_0_inside = f"N₀ below {units.count(params.max())} too: {share:.0%}"
    reason = f"R² of k (weighted): {explained}; least left over, share of draws: {wins}; {n_0_inside}"
    return claim.by_probability(share, reason)


def _left_by_forms(k: np.ndarray, params: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(draws, 3) weighted squares that each form leaves of (draws, sizes) k, and (draws,) N_0 of the first form."""
    n_0 = np.geomspace(params.min() / 100, params.max() * 100, 240)
    left, found = _best_scale(k, 1 / (1 + n_0[:, None] / params), weight)
    slope = np.polynomial.polynomial.polyvander(np.log(params), 1) * np.sqrt(weight)[:, None]
    weighted = (k * np.sqrt(weight)).T
    line = weighted - slope @ np.linalg.lstsq(slope, weighted, rcond=None)[0]
    exponents = np.linspace(-1, 3, 240)
    powers, _ = _best_scale(k, (params / params.mean()) ** exponents[:, None], weight)
    return np.stack([left, np.sum(line**2, axis=0), powers], axis=1), n_0[found]


def _best_scale(k: np.ndarray, shapes: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least weighted squares over (shapes, sizes) curves, each scaled to fit; and which shape it was."""
    along = (k * weight) @ shapes.T
    left = np.sum(weight * k**2, axis=1)[:, None] - along**2 / np.sum(weight * shapes**2, axis=1)
    found = left.argmin(axis=1)
    return left[np.arange(len(k)), found], found


def _rank_correlation(values: np.ndarray) -> np.ndarray:
    """(draws,) Spearman's rank correlation of (draws, sizes) values with the order of the sizes."""
    ranks = values.argsort(axis=1).argsort(axis=1)
    order = np.arange(values.shape[1])
    n = len(order)
    return 1 - 6 * np.sum((ranks - order) ** 2, axis=1) / (n * (n**2 - 1))


def _larger_lower(evidence: Evidence, smaller: Placing, larger: Placing) -> float:
    return evidence.noise.probability_lower((larger.loss, larger.weight), (smaller.loss, smaller.weight))


def _pairs_text(evidence: Evidence, found: list[tuple[str, str, float, float, float]]) -> str:
    text = "; ".join(f"{a} {x:.3f} → {b} {y:.3f} (probability {p:.2f})" for a, b, x, y, p in found)
    return (
        text if evidence.noise.freedom else f"{text}. Nothing was repeated: how another seed would differ is left out"
    )
