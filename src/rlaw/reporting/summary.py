"""The answer in a few sentences: for the head of the page and for the terminal."""

from collections import Counter
from itertools import groupby

from rlaw import units
from rlaw.analysis.base_quality import explain
from rlaw.analysis.evidence import Evidence
from rlaw.analysis.findings import Finding
from rlaw.analysis.ranking import Ranking, rank
from rlaw.fitting.diagnostics import NOT_IDENTIFIED
from rlaw.fitting.interval import three_digits
from rlaw.forecasting.predictors import BASELINES
from rlaw.reporting.figures.captions import how_many, parameter
from rlaw.text import round_number, short_names


def what(evidence: Evidence) -> str:
    """What was measured, and by what."""
    runs = how_many(size.runs for size in evidence.sizes)
    measured = f"{len(evidence.sizes)} sizes, {runs} each, {len(evidence.main)} evaluations"
    if evidence.store is None:
        return f"{evidence.frame.source}: {measured}"
    engine = evidence.store.study.engine.name
    by = "the synthetic engine (no model was trained)" if engine == "synthetic" else f"the {engine} engine"
    states = Counter(run.state for run in evidence.cost.runs)
    done = states.pop("finished", 0)
    rest = "".join(f", {count} {state}" for state, count in sorted(states.items()))
    runs = f"{done} of {len(evidence.cost.runs)} runs finished{rest}"
    return f"study {evidence.store.study.name} by {by}: {measured}; {runs}"


def the_law(evidence: Evidence) -> str:
    """The ladder law's parameters with their intervals, or why there are none."""
    fit = evidence.law
    if fit is None:
        reason = next((text for name, text in evidence.refused.items() if name.endswith(f"over {evidence.axis}")), "")
        return f"no ladder law over {evidence.axis}: {reason.splitlines()[0] if reason else 'none was requested'}"
    largest = fit.sizes[-1]
    name = short_names([size.model for size in fit.sizes])[-1]
    k = f"k({name}) {largest.values['k'].text(three_digits)}" if "k" in largest.values else ""
    if not fit.identified:
        why = "; ".join(caution.text for caution in fit.warnings if caution.code in NOT_IDENTIFIED)
        doubt = f"these data do not identify the parameters of the {fit.law.name} law over {evidence.axis}: {why}"
        return f"{doubt}; {k}" if k else doubt
    parts = [f"{name} {parameter(fit, name)}" for name in fit.parameters]
    return f"the {fit.law.name} law over {evidence.axis}: {', '.join([*parts, k])} ({fit.level:.0%} intervals)"


def ranking(evidence: Evidence) -> Ranking | None:
    """The sizes at equal compute; None when no compute is known."""
    ranked = rank(evidence, "compute") if "compute" in evidence.axes else None
    return ranked if ranked and ranked.budgets else None


def best_sizes(evidence: Evidence) -> str:
    """Which size is best at which compute."""
    ranked = ranking(evidence)
    if ranked is None:
        return "best size at equal compute: no two sizes were measured at the same compute"
    models = [size.model for size in evidence.sizes]
    names = dict(zip(models, short_names(models), strict=True))
    best = [(budget, ranked.best(k), ranked.level_with_best(k)) for k, budget in enumerate(ranked.budgets)]
    parts = []
    for model, same in groupby(best, key=lambda b: b[1].model):
        group = list(same)
        first, last = group[0][0], group[-1][0]
        at = round_number(first) if first == last else f"{round_number(first)} to {round_number(last)}"
        level = sorted({names[p.model] for _, _, places in group for p in places})
        parts.append(f"{names[model]} at {at}{' (tied with ' + ', '.join(level) + ')' if level else ''}")
    return f"best size by RL compute (FLOPs): {'; '.join(parts)}"


def arrows(text: str) -> str:
    """The text with arrows as they are printed."""
    return text.replace("->", "→")


def held_out(evidence: Evidence) -> str:
    """Which law forecasts best."""
    comparison = evidence.comparison
    if comparison is None:
        return f"held-out comparison: {evidence.refused.get('held-out comparison', 'none')}".splitlines()[0]
    baseline = min((s for s in comparison.laws if s.law in BASELINES), key=lambda s: s.mae)
    errors = ", ".join(f"{s.law} {s.mae:.4f}" for s in comparison.laws if s.law not in BASELINES)
    return f"held-out error, {arrows(comparison.protocol)}: {errors}; best baseline {baseline.law} {baseline.mae:.4f}"


def size_or_base(evidence: Evidence) -> str:
    """Does k follow size or the base's loss?"""
    explained = explain(evidence)
    if explained is None:
        return "size or base quality: it takes four sizes with a positive slope each to ask"
    shares = f"R² of ln k {explained.by_base:.2f} on the base's loss, {explained.by_size:.2f} on ln N"
    if explained.base_ahead >= 0.95:
        return f"{shares}: ladder differences are base-quality differences as far as these data show"
    if explained.base_ahead <= 0.05:
        return f"{shares}: size describes k better than the base's loss does"
    return f"{shares}: these data do not separate size and base quality"


def verdicts(findings: tuple[Finding, ...]) -> list[str]:
    """The findings by verdict, a line each."""
    lines = []
    tested = [finding for finding in findings if finding.tested]
    for verdict in ("seen", "not seen", "cannot tell"):
        names = [finding.name for finding in tested if finding.verdict == verdict]
        if names:
            lines.append(f"{verdict} ({len(names)} of {len(tested)}): {', '.join(names)}")
    return lines


def spent(evidence: Evidence) -> str:
    """What it cost."""
    cost = evidence.cost
    rl = f"RL {units.flops(cost.compute_flops)} ({evidence.main.accounting})"
    return f"cost: {rl}, bases {units.flops(cost.base_flops)}, {units.duration(cost.seconds)} of one worker"
