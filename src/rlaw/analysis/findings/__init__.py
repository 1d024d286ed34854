"""The findings of the paper, and our own question, judged on a study's measurements by rules fixed beforehand.

To add one: write its claim and its judge in the file of its kind, name it below, and test that it gives each of its
verdicts.
"""

from dataclasses import replace

from rlaw.analysis.evidence import Evidence
from rlaw.analysis.findings import behaviour, declared, law, recipe, size
from rlaw.analysis.findings.base import Finding, Judge, Judgement

__all__ = ["FINDINGS", "Finding", "Judge", "Judgement", "judge_all"]

#: in the order of a report
FINDINGS: tuple[Judge, ...] = (
    law.law_holds,
    law.same_law_for_data,
    size.larger_at_equal_compute,
    size.trade_off,
    size.larger_at_equal_data,
    size.efficiency_rises,
    size.efficiency_saturates,
    law.base_quality,
    law.size_beyond_base,
    size.final_loss_falls,
    size.no_power_law_in_size,
    recipe.reuse,
    recipe.group_size,
    recipe.groups_at_compute,
    recipe.curriculum,
    behaviour.instruct,
    behaviour.transfer,
    behaviour.forgetting,
    behaviour.length_grows,
    behaviour.longer_for_larger,
)


#: what a study of a single size does not test
ABOUT_SIZES: frozenset[Judge] = frozenset(FINDINGS[: FINDINGS.index(recipe.reuse)]) | {behaviour.longer_for_larger}


def judge_all(evidence: Evidence) -> tuple[Finding, ...]:
    """Every finding with its verdict, those that the study declared last."""
    one_size = len(evidence.main.models) < 2
    findings = {judge: judge(evidence) for judge in FINDINGS}
    of_paper = (replace(f, tested=False) if one_size and judge in ABOUT_SIZES else f for judge, f in findings.items())
    return (*of_paper, *declared.contrasts(evidence))
