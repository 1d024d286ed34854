"""What RL does besides: other benchmarks, response length, instruct variants; the paper's findings 2, 6 and 8."""

import math

import numpy as np
import polars as pl

from rlaw.errors import RlawError
from rlaw.evidence import Evidence
from rlaw.findings.base import PAPER, Claim, Finding, in_every_pair
from rlaw.fit import fit
from rlaw.intervals import Interval

TRANSFER = Claim(
    "transfer",
    "Benchmarks of the trained domain improve, those of other domains hardly move",
    f"{PAPER}, finding 6",
    "change of the loss on each benchmark from the first to the last evaluation",
    "cannot tell until the records say which benchmarks are of the trained domain",
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


def transfer(seen: Evidence) -> Finding:
    """Finding 6."""
    variant = seen.main.rows["variant"][0]
    rows = seen.frame.main().rows.filter(pl.col("variant") == variant)
    names = rows["benchmark"].unique().sort().to_list()
    if len(names) < 2:
        return TRANSFER.not_asked("one benchmark only")
    each = rows.sort("step").group_by("benchmark", "model", "run", "seed", maintain_order=True)
    change = each.agg(change=pl.col("test_loss").last() - pl.col("test_loss").first())
    means = change.group_by("benchmark").agg(pl.col("change").mean()).sort("benchmark")
    told = ", ".join(f"{name} {value:+.3f}" for name, value in means.iter_rows())
    return TRANSFER.cannot_tell(f"mean change of the loss: {told}; the records do not say which domain each is of")


def length_grows(seen: Evidence) -> Finding:
    """Finding 8."""
    rows = seen.mean_curves.drop_nulls("response_length")
    if rows.is_empty():
        return LENGTH_GROWS.not_asked("the source tells no response lengths")
    if rows["response_length"].n_unique() == 1:
        return LENGTH_GROWS.not_asked(f"every response has {rows['response_length'][0]:g} tokens in this task")
    found = []
    for curve in rows.partition_by("model", maintain_order=True):
        if len(curve) >= 5 and curve["response_length"].n_unique() > 1:
            found.append((curve["model"][0], _rank_correlation(curve), len(curve), curve["response_length"]))
    if not found:
        return LENGTH_GROWS.cannot_tell("no size has five evaluations that tell a response length that moves")
    rises = [0.5 + 0.5 * math.erf(r * math.sqrt(n - 1) / math.sqrt(2)) for _, r, n, _ in found]
    told = ", ".join(
        f"{m} {length[0]:.0f} → {length[-1]:.0f} tokens (rank correlation {r:+.2f})" for m, r, _, length in found
    )
    return LENGTH_GROWS.found(in_every_pair(rises), told, Interval(min(r for _, r, _, _ in found)))


def _share_below(a: np.ndarray, b: np.ndarray) -> float:
    """Share of draws in which a is below b; equal ones count half."""
    return float(np.mean(a < b) + np.mean(a == b) / 2)


def _rank_correlation(curve: pl.DataFrame) -> float:
    return float(np.corrcoef(curve["step"].rank().to_numpy(), curve["response_length"].rank().to_numpy())[0, 1])


def instruct(seen: Evidence) -> Finding:
    """Finding 2, base against instruct."""
    both = {"base", "instruct"}
    rows = seen.frame.main().rows
    if not both <= set(rows["variant"]):
        return INSTRUCT.not_asked("it takes variants called base and instruct")
    benchmark, drawn, starts = seen.main.rows["benchmark"][0], {}, {}
    for name in sorted(both):
        own = seen.frame.main().where(variant=name, benchmark=benchmark)
        try:
            found = fit(
                "power", own, axis=seen.axis, window=seen.choice.window, space=seen.choice.space,
                draws=max(len(seen.power.drawn or ()), 100) if seen.power else 100,
            )  # fmt: skip
        except RlawError as error:
            return INSTRUCT.cannot_tell(f"{name}: {str(error).splitlines()[0]}")
        slopes = found.drawn.solution.theta[0][:, :, 0] if found.drawn else np.zeros((0, 0))
        drawn[name] = dict(zip(found.curves.models, slopes.T, strict=True))
        first = own.rows.filter(pl.col("step") == 0).group_by("model").agg(pl.col("test_loss").mean(), runs=pl.len())
        starts[name] = {model: (loss, runs) for model, loss, runs in first.iter_rows()}
    shared = [m for m in drawn["base"] if all(m in d[v] for d in (drawn, starts) for v in both)]
    if not shared:
        return INSTRUCT.cannot_tell("no size was measured at step 0 both as base and as instruct")
    lower = [seen.noise.probability_lower(starts["instruct"][m], starts["base"][m]) for m in shared]
    slower = [_share_below(drawn["instruct"][m], drawn["base"][m]) for m in shared]
    told = ", ".join(
        f"{m}: starts lower {a:.2f}, smaller k {b:.2f}" for m, a, b in zip(shared, lower, slower, strict=True)
    )
    return INSTRUCT.found(in_every_pair(lower + slower), told)
