"""Every rule can say seen, not seen and cannot tell, each on curves that were made so."""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from ladders import PARAMS, STEPS, power_law, saturating, table

from rlaw.analysis.evidence import Evidence, gather
from rlaw.analysis.findings import FINDINGS, behaviour, judge_all, law, recipe, size
from rlaw.analysis.findings.base import Finding

Quick = Callable[[pl.DataFrame], Evidence]


def better_base(n: float) -> float:
    """A base that is better the larger it is."""
    return 0.95 * (n / PARAMS[0]) ** -0.05


BASES = dict(zip(PARAMS, (0.95, 0.88, 0.90, 0.83, 0.86), strict=True))  # better, but not always with size
STEEPER = table(power_law(lambda n: 0.05 * (n / 1e4) ** 0.45, better_base))
STEEPEST_LAST = table(power_law(lambda n: 0.7 if n == PARAMS[-1] else 0.2))
NO_SIZE_EFFECT = table(power_law(lambda n: 0.2))
WORSE_WITH_SIZE = table(power_law(lambda n: 0.3 - 0.05 * np.log10(n / 1e4), lambda n: 0.8 * (n / PARAMS[0]) ** 0.03))
POWER_OF_SIZE = table(lambda n, step: 0.8 * (n / 1e4) ** -0.1 * max(step, 1) ** -0.1, noise=0.002)
BLURRED = table(power_law(saturating, better_base), noise=0.25, seeds=2)

CASES: list[tuple[Any, pl.DataFrame, str]] = [
    (size.larger_at_equal_compute, STEEPER, "seen"),
    (size.larger_at_equal_compute, NO_SIZE_EFFECT, "not seen"),
    (size.larger_at_equal_compute, BLURRED, "cannot tell"),
    (size.larger_at_equal_data, STEEPER, "seen"),
    (size.larger_at_equal_data, WORSE_WITH_SIZE, "not seen"),
    (size.larger_at_equal_data, BLURRED, "cannot tell"),
    (size.trade_off, STEEPEST_LAST, "seen"),
    (size.trade_off, NO_SIZE_EFFECT, "not seen"),
    (size.trade_off, BLURRED, "cannot tell"),
    (size.efficiency_rises, STEEPER, "seen"),
    (size.efficiency_rises, WORSE_WITH_SIZE, "not seen"),
    (size.efficiency_rises, NO_SIZE_EFFECT, "cannot tell"),
    (size.efficiency_saturates, table(power_law(saturating), noise=0.001), "seen"),
    (size.efficiency_saturates, table(power_law(lambda n: 0.05 + 0.05 * np.log(n / 1e4)), noise=0.001), "not seen"),
    (size.efficiency_saturates, BLURRED, "cannot tell"),
    (size.final_loss_falls, STEEPER, "seen"),
    (size.final_loss_falls, WORSE_WITH_SIZE, "not seen"),
    (size.final_loss_falls, BLURRED, "cannot tell"),
    (size.no_power_law_in_size, STEEPEST_LAST, "seen"),
    (
        size.no_power_law_in_size,
        table(lambda n, s: 0.8 * (n / 1e4) ** -0.1 * max(s, 1) ** -0.1, noise=0.002),
        "not seen",
    ),
    (size.no_power_law_in_size, BLURRED, "cannot tell"),
    (law.base_quality, table(power_law(lambda n: np.exp(9 - 12 * BASES[n]), BASES.get), noise=0.001), "seen"),
    (law.base_quality, table(power_law(lambda n: 0.05 * (n / 1e4) ** 0.4, BASES.get), noise=0.001), "not seen"),
    (law.base_quality, table(power_law(saturating, better_base), noise=0.02), "cannot tell"),
]


def named(value: object) -> str:
    return value if isinstance(value, str) else getattr(value, "__name__", "")


@pytest.mark.parametrize(("judge", "rows", "verdict"), CASES, ids=named)
def test_a_rule_says_what_the_curves_were_made_to_show(judge: Any, rows: pl.DataFrame, verdict: str, quick: Quick):
    found = judge(quick(rows))
    assert found.verdict == verdict, found.evidence
    assert found.evidence
    assert found.tested


def full(rows: pl.DataFrame) -> Evidence:
    return gather(rows, draws=100, seed=0)


def test_the_law_is_seen_where_it_made_the_curves():
    found = law.law_holds(full(table(power_law(saturating), noise=0.002)))
    assert found.verdict == "seen", found.evidence


def test_the_law_is_not_seen_where_learning_stops_early():
    stops = table(lambda n, step: 0.9 - 0.1 * np.log10(n / 1e3) * min(step, 6) / 6, noise=0.002)
    found = law.law_holds(full(stops))
    assert found.verdict == "not seen", found.evidence


def test_the_law_cannot_be_told_where_another_forecasts_better():
    uneven = dict(zip(PARAMS, (0.05, 0.2, 0.16, 0.3, 0.28), strict=True))
    found = law.law_holds(full(table(power_law(uneven.get), noise=0.002)))
    assert found.verdict == "cannot tell", found.evidence
    assert "does better" in found.evidence


def test_one_law_for_both_axes_is_told_to_be_one_axis_where_every_step_costs_the_same():
    found = law.same_law_for_data(full(table(power_law(saturating), noise=0.001)))
    assert found.verdict == "seen", found.evidence
    assert "the two axes are one up to a factor" in found.evidence


def test_the_law_is_not_one_for_both_axes_where_compute_hardly_moves():
    rows = table(power_law(saturating), noise=0.001, compute=lambda n, step: n * (1 + 1e-4 * step) * (step > 0))
    found = law.same_law_for_data(full(rows))
    assert found.verdict == "not seen", found.evidence


def reused(kept: dict[int, float]) -> pl.DataFrame:
    """One size at several tau, each with its own share of the fall in loss."""
    parts = [
        table(
            lambda n, step, share=share: 0.9 - share * 0.5 * np.log1p(step) / np.log1p(64),
            params=PARAMS[:1], seeds=3, tau=float(tau), arm="main" if tau == 1 else f"tau{tau}",
        )
        for tau, share in kept.items()
    ]  # fmt: skip
    return pl.concat(parts)


@pytest.mark.parametrize(
    ("kept", "verdict"),
    [
        ({1: 1.0, 5: 0.99, 25: 0.98, 100: 0.6}, "seen"),
        ({1: 1.0, 5: 0.97, 25: 0.7, 100: 0.5}, "not seen"),
        ({1: 1.0, 25: 0.9, 100: 0.9}, "cannot tell"),
        ({1: 1.0, 25: 0.99}, "cannot tell"),
    ],
)
def test_reuse_is_judged_by_the_share_of_the_fall_that_remains(kept: dict[int, float], verdict: str, quick: Quick):
    found = recipe.reuse(quick(reused(kept)))
    assert found.verdict == verdict, found.evidence
    assert found.tested


@pytest.mark.parametrize(("slope", "verdict"), [(0.03, "seen"), (-0.03, "not seen"), (0.0, "cannot tell")])
def test_the_largest_group_is_compared_with_the_smallest_after_equal_prompts(slope: float, verdict: str, quick: Quick):
    parts = [
        table(power_law(lambda n, g=g: 0.1 + slope * np.log2(g / 4)), params=PARAMS[:1], group_size=g,
              arm="main" if g == 4 else f"G{g}")
        for g in (4, 16)
    ]  # fmt: skip
    found = recipe.group_size(quick(pl.concat(parts)))
    assert found.verdict == verdict, found.evidence


@pytest.mark.parametrize(("growth", "verdict"), [(2.0, "seen"), (-2.0, "not seen")])
def test_response_length_is_judged_by_its_rank_correlation_with_step(growth: float, verdict: str, quick: Quick):
    rows = table(power_law(saturating), response_length=lambda n, step: 200 + growth * step)
    assert behaviour.length_grows(quick(rows)).verdict == verdict


def test_response_length_that_rises_and_falls_cannot_be_told(quick: Quick):
    rows = table(power_law(saturating), response_length=lambda n, step: 200.0 - (STEPS.index(step) - 6) ** 2)
    found = behaviour.length_grows(quick(rows))
    assert found.verdict == "cannot tell"
    assert found.tested


@pytest.mark.parametrize(
    ("start", "slope", "verdict"), [(0.8, 0.6, "seen"), (1.0, 0.6, "not seen"), (0.9, 1.0, "cannot tell")]
)
def test_instruct_is_compared_with_base_size_by_size(start: float, slope: float, verdict: str, quick: Quick):
    base = table(power_law(saturating), variant="base", params=PARAMS[2:])
    other = table(power_law(lambda n: slope * saturating(n), lambda n: start), variant="instruct", params=PARAMS[2:])
    rows = pl.concat([base, other])
    found = behaviour.instruct(gather(rows, draws=100))
    assert found.verdict == verdict, found.evidence


def benchmarks(*named: tuple[str, str, float]) -> pl.DataFrame:
    """A ladder measured on benchmarks: (name, domain, by how much of itself the loss falls in all)."""
    return pl.concat(
        table(
            lambda n, step, fall=fall: 0.8 * (1 - fall * np.log1p(step) / np.log1p(64)), benchmark=name, domain=domain
        )
        for name, domain, fall in named
    )


@pytest.mark.parametrize(
    ("named", "verdict"),
    [
        ([("a-held-out", "in", 0.5), ("easier", "in", 0.6), ("far", "out", 0.02)], "seen"),
        ([("a-held-out", "in", 0.5), ("easier", "in", 0.0), ("far", "out", 0.02)], "not seen"),
        ([("a-held-out", "in", 0.5), ("far", "out", 0.4)], "not seen"),
        ([("a-held-out", "in", 0.5), ("far", "out", 0.1)], "cannot tell"),
        ([("a-held-out", "in", 0.5), ("easier", "in", 0.6)], "cannot tell"),
        ([("a-held-out", "", 0.5), ("far", "", 0.0)], "cannot tell"),
    ],
)
def test_transfer_is_judged_by_domain(named: list[Any], verdict: str, quick: Quick):
    found = behaviour.transfer(gather(benchmarks(*named), where={"benchmark": "a-held-out"}, draws=50))
    assert found.verdict == verdict, found.evidence
    assert found.tested


@pytest.mark.parametrize(("fall", "verdict"), [(-0.1, "seen"), (0.1, "not seen"), (0.0, "cannot tell")])
def test_forgetting_is_a_rise_on_a_benchmark_of_another_domain(fall: float, verdict: str):
    rows = benchmarks(("a-held-out", "in", 0.5), ("far", "out", fall))
    found = behaviour.forgetting(gather(rows, where={"benchmark": "a-held-out"}, draws=50))
    assert found.verdict == verdict, found.evidence


@pytest.mark.parametrize(
    ("longer", "verdict"),
    [(np.log, "seen"), (lambda n: -np.log(n), "not seen"), (lambda n: 0.0, "cannot tell")],
)
def test_larger_models_answer_at_more_length_or_not(longer: Any, verdict: str, quick: Quick):
    rng = np.random.default_rng(0)
    rows = table(power_law(saturating), response_length=lambda n, step: 200 + longer(n) + 0.5 * rng.standard_normal())
    found = behaviour.longer_for_larger(quick(rows))
    assert found.verdict == verdict, found.evidence


@pytest.mark.parametrize(("exponent", "verdict"), [(0.5, "seen"), (0.0, "not seen"), (0.1, "cannot tell")])
def test_with_matched_bases_size_is_judged_by_the_exponent_of_k(exponent: float, verdict: str, quick: Quick):
    found = law.size_beyond_base(quick(table(power_law(lambda n: 0.1 * (n / 1e5) ** exponent), noise=0.004)))
    assert found.verdict == verdict, found.evidence


def test_a_ladder_whose_bases_differ_is_not_asked_what_size_does_beyond_them(quick: Quick):
    found = law.size_beyond_base(quick(STEEPER))
    assert not found.tested
    assert "not matched" in found.evidence


def grouped(late: dict[int, float], early: dict[int, float]) -> pl.DataFrame:
    """One size, 256 rollouts a step in groups of several sizes: each with its loss at the end and at a tenth of it."""
    parts = [
        table(
            lambda n, step, g=g: early[g] if step <= 6 else late[g],
            params=PARAMS[:1], group_size=g, prompts=256 // g, arm="main" if g == 4 else f"G{g}",
        )
        for g in late
    ]  # fmt: skip
    return pl.concat(parts)


@pytest.mark.parametrize(
    ("late", "verdict"),
    [({4: 0.5, 16: 0.4}, "seen"), ({4: 0.4, 16: 0.5}, "not seen"), ({4: 0.4, 16: 0.4}, "cannot tell")],
)
def test_the_best_group_size_is_compared_early_and_late_at_equal_compute(
    late: dict[int, float], verdict: str, quick: Quick
):
    found = recipe.groups_at_compute(quick(grouped(late, {4: 0.7, 16: 0.8})))
    assert found.verdict == verdict, found.evidence


@pytest.mark.parametrize(("gain", "verdict"), [(0.03, "seen"), (-0.03, "not seen"), (0.0, "cannot tell")])
def test_a_curriculum_is_compared_with_shuffled_problems_at_the_end(gain: float, verdict: str, quick: Quick):
    parts = [
        table(
            lambda n, step, g=g: 0.8 - g - 0.1 * np.log1p(step) / np.log1p(64), params=PARAMS[:2], order=order, arm=arm
        )
        for order, arm, g in (("shuffled", "main", 0.0), ("curriculum", "curriculum", gain))
    ]
    found = recipe.curriculum(quick(pl.concat(parts)))
    assert found.verdict == verdict, found.evidence


def test_reuse_is_judged_for_every_kind_of_subset(quick: Quick):
    kinds = {"independent": 0.98, "nested": 0.6}
    parts = [reused({1: 1.0}).with_columns(subsets=pl.lit("independent"))]
    for kind, kept in kinds.items():
        own = reused({25: kept, 100: 0.5}).with_columns(subsets=pl.lit(kind), arm=kind + pl.col("arm"))
        parts.append(own)
    found = recipe.reuse(quick(pl.concat(parts)))
    assert found.verdict == "not seen"
    assert "independent subsets" in found.evidence
    assert "nested subsets" in found.evidence


def test_what_no_run_was_made_for_is_told_as_not_asked(evidence: Evidence):
    found = {finding.name: finding for finding in judge_all(evidence)}
    assert len(found) == len(FINDINGS) + 2  # the contrasts that the study declares
    assert found["contrast:groups"].claim == "main is better than groups"
    assert "contrast:reuse" in found
    for name in (
        *("instruct-lower-and-slower", "best-group-grows-with-compute", "curriculum-ends-lower", "forgetting"),
        "longer-for-larger",
    ):
        assert not found[name].tested
        assert found[name].verdict == "cannot tell"


def test_every_finding_states_its_rule_and_saves_as_json(evidence: Evidence):
    for finding in judge_all(evidence):
        assert isinstance(finding, Finding)
        told = finding.to_json()
        assert "cannot tell" in told["rule"]
        assert told["verdict"] in ("seen", "not seen", "cannot tell")


def test_one_size_is_enough_for_a_report_of_what_cannot_be_told(quick: Quick):
    evidence = quick(table(power_law(saturating), params=PARAMS[:1]))
    for judge in (size.larger_at_equal_compute, size.trade_off, size.larger_at_equal_data, size.efficiency_rises):
        assert judge(evidence).verdict == "cannot tell"
    for judge in (size.efficiency_saturates, size.final_loss_falls, size.no_power_law_in_size, law.base_quality):
        assert judge(evidence).verdict == "cannot tell"
    assert not {
        finding.name for finding in judge_all(evidence) if finding.tested
    }  # what sizes do is no question of one


def test_nothing_is_told_of_larger_and_smaller_models_whose_sizes_are_not_told():
    rows = table(power_law(saturating), steps=(0, 1, 2, 4, 8, 16)).drop("params")
    verdicts = {finding.name: finding for finding in judge_all(gather(rows, draws=20))}
    for name in ("larger-at-equal-data", "efficiency-rises", "efficiency-saturates", "final-loss-falls"):
        assert verdicts[name].verdict == "cannot tell"
        assert "no n_params is given for m-10000" in verdicts[name].evidence
