"""What RL does besides: other benchmarks, response length, instruct variants; the paper's findings 2, 6 and 8."""

import math
from dataclasses import dataclass

import numpy as np
import polars as pl

from rlaw.analysis.evidence import Evidence
from rlaw.analysis.findings.base import PAPER, Claim, Finding, in_every_pair
from rlaw.errors import RlawError
from rlaw.fitting.fit import fit
from rlaw.fitting.interval import Interval, percentile

_MOVES = 0.1  # of the loss it began with: less than this is "hardly"

TRANSFER = Claim(
    "transfer",
    "Benchmarks of the trained domain improve, those of other domains hardly move",
    f"{PAPER}, finding 6",
    "change of the loss on each benchmark from the first to the last evaluation, over the first, mean over sizes",
    f"seen: every benchmark of the domain falls by more than {_MOVES:.0%} and every other one moves by less, each with "
    "probability 0.95 or more; not seen: the contrary with 0.95 or more for one; else cannot tell",
)
FORGETTING = Claim(
    "forgetting",
    "A benchmark of another domain gets worse for the largest size",
    f"{PAPER}, finding 6",
    "rise of the loss on it from the first to the last evaluation",
    "of the benchmark that rises most: seen: positive with probability 0.95 or more; not seen: with 0.05 or less; else "
    "cannot tell",
)
LENGTH_WITH_SIZE = Claim(
    "longer-for-larger",
    "Larger models give longer responses",
    f"{PAPER}, finding 8",
    "rank correlation, over the sizes, of response length at the last step with N",
    "seen: positive in 95 % of the bootstrap draws over runs or more; not seen: in 5 % or fewer; else cannot tell",
)
LENGTH_GROWS = Claim(
    "length-grows",
    "Responses get longer during training",
    f"{PAPER}, finding 8",
    "smallest rank correlation, over the sizes, of response length with step",
    "seen: positive in every size, one-sided at 0.95; not seen: negative in one, one-sided at 0.95; else cannot tell",
)
INSTRUCT = Claim(
    "instruct-lower-and-slower",
    "An instruct model starts lower than its base, and learns with a smaller k",
    f"{PAPER}, finding 2",
    "probability, per size, that instruct starts lower, and share of bootstrap draws in which its k is smaller",
    "seen: 0.95 or more for both in every size that has both; not seen: 0.05 or less in one; else cannot tell",
)


def transfer(evidence: Evidence) -> Finding:
    """Finding 6."""
    changes = _changes(evidence)
    if len(changes) < 2:
        return TRANSFER.not_tested("one benchmark only")
    text = _changes_text(changes)
    if any(not change.domain for change in changes):
        return TRANSFER.undecided(f"{text}; the records do not say which domain each benchmark is of")
    if {change.domain for change in changes} != {"in", "out"}:
        return TRANSFER.undecided(f"{text}; it takes benchmarks of both kinds")
    means = [(change.domain, change.drawn.mean(axis=1)) for change in changes]
    sure = [float(np.mean(m < -_MOVES if domain == "in" else np.abs(m) < _MOVES)) for domain, m in means]
    odds = ", ".join(f"{change.benchmark} {p:.2f}" for change, p in zip(changes, sure, strict=True))
    return TRANSFER.found(in_every_pair(sure), f"{text}; probability that each does as claimed: {odds}")


def forgetting(evidence: Evidence) -> Finding:
    """Finding 6, what other domains lose."""
    others = [change for change in _changes(evidence) if change.domain == "out"]
    if not others:
        return FORGETTING.not_tested("no benchmark is of a domain that RL does not train")
    worst = max(others, key=lambda change: change.last[-1] - change.first[-1])
    rise, drawn = worst.last[-1] - worst.first[-1], worst.drawn[:, -1] * worst.first[-1]
    text = f"{worst.benchmark}, {worst.models[-1]}: {worst.first[-1]:.3f} → {worst.last[-1]:.3f}"
    every = ", ".join(f"{m} {b - a:+.3f}" for m, a, b in zip(worst.models, worst.first, worst.last, strict=True))
    value = percentile(rise, drawn, evidence.choice.level)
    return FORGETTING.by_probability(float(np.mean(drawn > 0)), f"{text}; by size: {every}", value)


@dataclass(frozen=True, slots=True)
class _Change:
    """One benchmark of every size before and after RL: mean losses over runs.

    Attributes:
        drawn: (draws, sizes) change over the first loss, with the noise of both.
    """

    benchmark: str
    domain: str
    models: tuple[str, ...]
    first: tuple[float, ...]
    last: tuple[float, ...]
    drawn: np.ndarray


def _changes(evidence: Evidence) -> list[_Change]:
    variant = evidence.main.rows["variant"][0]
    rows = evidence.frame.main().rows.filter(pl.col("variant") == variant).sort("step")
    keys = ["benchmark", "domain", "params", "model"]
    each = rows.group_by(*keys, "run", "seed", maintain_order=True).agg(
        first=pl.col("test_loss").first(), last=pl.col("test_loss").last()
    )
    means = each.group_by(keys).agg(pl.col("first", "last").mean(), runs=pl.len()).sort(*keys, nulls_last=True)
    found = []
    for own in means.partition_by("benchmark", maintain_order=True):
        losses, runs = own.select("first", "last").to_numpy(), own["runs"].to_numpy()
        drawn = evidence.noise.draws(losses, np.stack([runs, runs], axis=1), 4000, seed=4)
        change = drawn[:, :, 1] / np.maximum(losses[:, 0], 1e-9) - drawn[:, :, 0] / np.maximum(losses[:, 0], 1e-9)
        name, domain = own["benchmark"][0], own["domain"][0]
        found.append(_Change(name, domain, tuple(own["model"]), tuple(own["first"]), tuple(own["last"]), change))
    return found


def _changes_text(changes: list[_Change]) -> str:
    def one(change: _Change) -> str:
        domain = {"in": " (trained domain)", "out": " (other domain)"}.get(change.domain, "")
        mean = float(np.mean([b / a - 1 for a, b in zip(change.first, change.last, strict=True) if a > 0]))
        return f"{change.benchmark}{domain} {mean:+.0%}"

    return "change of the loss, mean over sizes: " + ", ".join(map(one, changes))


def length_grows(evidence: Evidence) -> Finding:
    """Finding 8."""
    rows = evidence.mean_curves.drop_nulls("response_length")
    if rows.is_empty():
        return LENGTH_GROWS.not_tested("the source has no response lengths")
    if rows["response_length"].n_unique() == 1:
        return LENGTH_GROWS.not_tested(f"every response has {rows['response_length'][0]:g} tokens in this task")
    found = []
    for curve in rows.partition_by("model", maintain_order=True):
        if len(curve) >= 5 and curve["response_length"].n_unique() > 1:
            found.append((curve["model"][0], _rank_correlation(curve), len(curve), curve["response_length"]))
    if not found:
        return LENGTH_GROWS.undecided("no size has five evaluations with a response length that changes")
    rises = [0.5 + 0.5 * math.erf(r * math.sqrt(n - 1) / math.sqrt(2)) for _, r, n, _ in found]
    text = ", ".join(
        f"{m} {length[0]:.2f} → {length[-1]:.2f} tokens (rank correlation {r:+.2f})" for m, r, _, length in found
    )
    return LENGTH_GROWS.found(in_every_pair(rises), text, Interval(min(r for _, r, _, _ in found)))


def longer_for_larger(evidence: Evidence) -> Finding:
    """Finding 8, over sizes."""
    rows = evidence.main.rows.drop_nulls(["response_length", "params"]).sort("params", "step")
    if rows.is_empty() or rows["response_length"].n_unique() == 1:
        return LENGTH_WITH_SIZE.not_tested("no response length, or one length for all responses")
    ends = rows.group_by("params", "model", "run", "seed", maintain_order=True).agg(pl.col("response_length").last())
    sizes = [own["response_length"].to_numpy() for own in ends.partition_by("model", maintain_order=True)]
    if len(sizes) < 3 or min(map(len, sizes)) < 2:
        return LENGTH_WITH_SIZE.undecided("it takes three sizes, each run twice or more")
    rng = np.random.default_rng(8)
    drawn = np.stack([rng.choice(own, size=(2000, len(own))).mean(axis=1) for own in sizes], axis=1)
    order = np.arange(len(sizes))
    correlations = np.array([np.corrcoef(order, one.argsort().argsort())[0, 1] for one in drawn])
    means = np.array([own.mean() for own in sizes])
    names = ends["model"].unique(maintain_order=True)
    text = ", ".join(f"{name} {mean:.2f}" for name, mean in zip(names, means, strict=True))
    estimate = float(np.corrcoef(order, means.argsort().argsort())[0, 1])
    share = float(np.mean(correlations > 0))
    value = percentile(estimate, correlations, evidence.choice.level)
    return LENGTH_WITH_SIZE.by_probability(share, f"tokens at the last step: {text}", value)


def _rank_correlation(curve: pl.DataFrame) -> float:
    return float(np.corrcoef(curve["step"].rank().to_numpy(), curve["response_length"].rank().to_numpy())[0, 1])


def instruct(evidence: Evidence) -> Finding:
    """Finding 2, base against instruct."""
    both = {"base", "instruct"}
    rows = evidence.frame.main().rows
    if not both <= set(rows["variant"]):
        return INSTRUCT.not_tested("it takes variants called base and instruct")
    choice, power = evidence.choice, evidence.power
    draws = max(len(power.drawn), 100) if power and power.drawn else 100
    benchmark, drawn, starts = evidence.main.rows["benchmark"][0], {}, {}
    for name in sorted(both):
        own = evidence.frame.main().where(variant=name, benchmark=benchmark)
        try:
            found = fit("power", own, axis=evidence.axis, window=choice.window, space=choice.space, draws=draws)
        except RlawError as error:
            return INSTRUCT.undecided(f"{name}: {str(error).splitlines()[0]}")
        slopes = found.slope_draws() if found.drawn else np.zeros((0, 0))
        drawn[name] = dict(zip(found.curves.models, slopes.T, strict=True))
        first = own.rows.filter(pl.col("step") == 0).group_by("model").agg(pl.col("test_loss").mean(), runs=pl.len())
        starts[name] = {model: (loss, runs) for model, loss, runs in first.iter_rows()}
    shared = [m for m in drawn["base"] if all(m in d[v] for d in (drawn, starts) for v in both)]
    if not shared:
        return INSTRUCT.undecided("no size was measured at step 0 both as base and as instruct")
    lower = [evidence.noise.probability_lower(starts["instruct"][m], starts["base"][m]) for m in shared]
    pairs = [(drawn["instruct"][m], drawn["base"][m]) for m in shared]
    slower = [float(np.mean(a < b) + np.mean(a == b) / 2) for a, b in pairs]
    text = ", ".join(
        f"{m}: starts lower {a:.2f}, smaller k {b:.2f}" for m, a, b in zip(shared, lower, slower, strict=True)
    )
    return INSTRUCT.found(in_every_pair(lower + slower), text)
