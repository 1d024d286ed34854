"""What the study itself declared: a finding for each pair of a contrast."""

import math

from rlaw.analysis.contrast.declared import Declared, declared_contrasts
from rlaw.analysis.contrast.result import Contrast, Pair
from rlaw.analysis.evidence import Evidence
from rlaw.analysis.findings.base import Claim, Finding, Judgement
from rlaw.text import one_line

_JUDGED: dict[str, Judgement] = {
    "a_better": "seen",
    "b_better": "not seen",
    "equivalent": "not seen",
    "cannot_tell": "cannot tell",
}


def contrasts(evidence: Evidence) -> tuple[Finding, ...]:
    """A finding for each pair of recipes that the study declared: that the one named first is better."""
    return tuple(finding for declared in declared_contrasts(evidence) for finding in _findings(declared))


def _findings(declared: Declared) -> list[Finding]:
    found, wanted = declared.found, declared.contrast
    if found is None:
        about = f"the recipes of {wanted.between} differ"
        return [_claim(declared, f"contrast:{wanted.name}", about).not_tested(declared.refused)]
    several = len(found.pairs) > 1
    findings = []
    for pair in found.pairs:
        a, b = one_line(pair.a), one_line(pair.b)
        name = f"contrast:{wanted.name}" + (f":{a}:{b}" if several else "")
        claim = _claim(declared, name, f"{a} is better than {b}")
        findings.append(claim.found(_JUDGED[pair.verdict], _observed(pair, found), pair.delta_loss))
    return findings


def _claim(declared: Declared, name: str, claim: str) -> Claim:
    margin = declared.contrast.margin
    equivalent = f", or as the 90 % interval lies within ±{margin:g}" if margin else ""
    return Claim(
        name,
        claim,
        "declared in the study",
        "difference of the loss, mean over sizes, at the end of what all runs of a size reached",
        f"seen: lower at the 5 % level, after Holm over the pairs; not seen: higher at that level{equivalent}; else "
        "cannot tell",
    )


def _observed(pair: Pair, found: Contrast) -> str:
    each = "; ".join(f"{size.model} {size.places[-1].delta_loss.text('{:+.4f}'.format)}" for size in pair.sizes)
    p = "" if math.isnan(pair.p_holm) else f"; p {pair.p_holm:.3g}"
    ours = [c.text for c in found.warnings if c.code in ("no-replicates", "ranking-crosses", "differs-also")]
    text = f"at equal {found.axis}, {pair.runs[0]} and {pair.runs[1]} runs: {each}{p}; verdict {pair.verdict}"
    return ". ".join([text, *ours])
