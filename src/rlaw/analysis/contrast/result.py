"""What a contrast found: two recipes at every size and over sizes, with a verdict against the margin."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from rlaw.fitting.diagnostics import Caution
from rlaw.fitting.interval import Interval, finite, plain
from rlaw.text import Readable, one_line, round_number, short_names, shortened, table

Verdict = Literal["a_better", "b_better", "equivalent", "cannot_tell"]
Course = Literal["holds", "crosses", "fades", "cannot_tell"]
NONE = Interval(math.nan)
_SPREAD = "{:+.4f}".format


@dataclass(frozen=True, slots=True)
class Place:
    """The difference of the loss at one place of the axis; the probability is nan where nothing shows it."""

    x: float
    delta_loss: Interval
    probability_a_better: float

    def to_json(self) -> dict[str, Any]:
        """The fields by name; null where there is no number."""
        p = finite(self.probability_a_better)
        return {"x": finite(self.x), "delta_loss": plain(self.delta_loss), "probability_a_better": p}


@dataclass(frozen=True, slots=True)
class SizeContrast:
    """Two recipes at one size.

    Attributes:
        runs: of A and of B.
        places: the difference at each place that both reached; the last one is that of the verdict.
        delta_k: of the slopes of log loss against log of the axis, in the range that all runs share.
        compute_ratio: what A takes of the axis to reach the worse of the two losses at the end, over what B takes.
    """

    model: str
    params: float
    runs: tuple[int, int]
    places: tuple[Place, ...]
    delta_k: Interval
    compute_ratio: Interval

    def to_json(self) -> dict[str, Any]:
        """The difference at the last place, and at each."""
        return {
            "model": self.model,
            "params": finite(self.params),
            "runs": dict(zip("ab", self.runs, strict=True)),
            **self.places[-1].to_json(),
            "delta_k": plain(self.delta_k),
            "compute_ratio": plain(self.compute_ratio),
            "at": plain(self.places),
        }


@dataclass(frozen=True, slots=True)
class Pair:
    """Two recipes, A and B. Differences are A less B, so that a negative one of the loss is in favour of A.

    Attributes:
        paired_by: what is the same on both sides of each difference.
        runs: of A and of B that were used.
        delta_loss, delta_k: means over sizes.
        delta_asymptote: of the loss that a sigmoid levels off at; nan where the curves do not show one.
        probability: that A has the lower loss; nan where nothing shows it.
        p, p_holm: of no difference, two-sided; corrected for the number of pairs.
        interaction: change of the difference of the loss for each unit of ln N.
        ranking: what becomes of the better recipe as sizes grow.
        at_target: the difference at the target size and its probability; None without a target.
    """

    a: str
    b: str
    paired_by: tuple[str, ...]
    runs: tuple[int, int]
    sizes: tuple[SizeContrast, ...]
    delta_loss: Interval
    delta_k: Interval
    delta_asymptote: Interval
    probability: float
    p: float
    p_holm: float
    interaction: Interval
    ranking: Course
    at_target: "AtTarget | None"
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """The pair, as `rlaw contrast --json` has it."""
        target = self.at_target
        return {
            "a": self.a,
            "b": self.b,
            "paired_by": list(self.paired_by),
            "runs": dict(zip("ab", self.runs, strict=True)),
            "sizes": plain(self.sizes),
            "overall": {
                "delta_k": plain(self.delta_k),
                "delta_loss": plain(self.delta_loss),
                "delta_asymptote": plain(self.delta_asymptote),
                "probability_a_better": finite(self.probability),
                "p": finite(self.p),
                "p_holm": finite(self.p_holm),
            },
            "interaction": {**plain(self.interaction), "ranking": self.ranking},
            "at_target": None if target is None else target.to_json(),
            "verdict": self.verdict,
        }


@dataclass(frozen=True, slots=True)
class AtTarget:
    """The difference of the loss at a size that need not have been run.

    Attributes:
        factor: how far beyond the sizes that were run; 1 between them.
    """

    params: float
    delta_loss: Interval
    probability_a_better: float
    factor: float

    def to_json(self) -> dict[str, Any]:
        """The difference with its interval and probability."""
        about = {"params": finite(self.params), **plain(self.delta_loss)}
        return about | {"probability_a_better": finite(self.probability_a_better), "size_factor": finite(self.factor)}


@dataclass(frozen=True, slots=True)
class DecisionAccuracy:
    """How often a single run of each recipe at a size picks the recipe that is lower at the largest size.

    Attributes:
        accuracy: share of such picks, over all pairs of recipes.
        compute_share: compute of the runs at this size over that at the largest; nan where unknown.
    """

    model: str
    accuracy: float
    compute_flops: float
    compute_share: float

    def to_json(self) -> dict[str, Any]:
        """The fields by name; null where there is no number."""
        numbers = {name: finite(getattr(self, name)) for name in ("accuracy", "compute_flops", "compute_share")}
        return {"model": self.model, **numbers}


@dataclass(frozen=True, repr=False)
class Contrast(Readable):
    """Recipes side by side, two at a time.

    Attributes:
        factor: what distinguishes them.
        axis: what is equal where losses are compared.
        margin: of the loss, within which recipes are as good as equal; 0 when none was declared.
        level: of the intervals.
        groups: recipes that cannot be told apart, best first.
    """

    factor: str
    axis: str
    margin: float
    level: float
    source: str
    pairs: tuple[Pair, ...]
    groups: tuple[tuple[str, ...], ...]
    decision_accuracy: tuple[DecisionAccuracy, ...]
    warnings: tuple[Caution, ...]

    def to_json(self) -> dict[str, Any]:
        """The document of `rlaw contrast --json`, schema 1."""
        names = ("factor", "axis", "margin", "level", "source", "pairs", "groups", "decision_accuracy", "warnings")
        return {"schema": 1, **{name: plain(getattr(self, name)) for name in names}}

    def documents(self) -> list[dict[str, Any]]:
        """A row for each pair: what holds over sizes."""
        return [{"a": pair.a, "b": pair.b, **pair.to_json()["overall"], "verdict": pair.verdict} for pair in self.pairs]

    def __str__(self) -> str:
        parts = [_of_pair(pair, self) for pair in self.pairs]
        if len(self.pairs) > 1:
            parts.append("groups, best first: " + "; ".join(", ".join(map(one_line, g)) for g in self.groups))
        if self.decision_accuracy:
            each = ", ".join(map(_accuracy, self.decision_accuracy))
            parts.append(f"picks of the recipe that is lower at the largest size: {each}")
        cautions = "\n".join(f"caution ({w.code}): {w.text}" for w in self.warnings)
        return "\n\n".join(filter(None, [*parts, cautions]))


def sentence(pair: Pair, margin: float) -> str:
    """The verdict in words."""
    a, b = one_line(pair.a), one_line(pair.b)
    if pair.verdict in ("a_better", "b_better"):
        better, worse = (a, b) if pair.verdict == "a_better" else (b, a)
        return f"{better} is better than {worse}"
    if pair.verdict == "equivalent":
        return f"{a} and {b} are equivalent: the difference is within ±{margin:g}"
    return f"cannot tell {a} and {b} apart"


def _of_pair(pair: Pair, contrast: Contrast) -> str:
    """The table of one pair with what follows from it."""
    a, b = shortened(one_line(pair.a)), shortened(one_line(pair.b))
    head = (
        f"A = {a} ({pair.runs[0]} runs), B = {b} ({pair.runs[1]} runs); paired by {', '.join(pair.paired_by)}; "
        f"differences are A less B, {contrast.level:.0%} intervals"
    )
    names = short_names([size.model for size in pair.sizes])
    rows = [
        (name, round_number(size.places[-1].x), size.places[-1].delta_loss.text(_SPREAD), *_numbers(size))
        for name, size in zip(names, pair.sizes, strict=True)
    ]
    headings = ("size", f">at {contrast.axis}", ">loss", ">P(A lower)", ">k", f">{contrast.axis} A/B")
    over = f"over sizes: loss {pair.delta_loss.text(_SPREAD)}, k {_text(pair.delta_k)}"
    if not math.isnan(pair.delta_asymptote.value):
        over += f", asymptote {_text(pair.delta_asymptote)}"
    if not math.isnan(pair.p):
        corrected = f", {pair.p_holm:.3g} after Holm" if len(contrast.pairs) > 1 else ""
        over += f"; P(A lower) {pair.probability:.3f}, p {pair.p:.3g}{corrected}"
    lines = [head, "", table(headings, rows), "", over]
    if not math.isnan(pair.interaction.value):
        course = {"cannot_tell": "cannot tell whether it holds", "crosses": "the ranking crosses"}
        word = course.get(pair.ranking, f"the difference {pair.ranking}")
        lines.append(f"with size: {pair.interaction.text(_SPREAD)} for each unit of ln N: {word}")
    if pair.at_target is not None:
        t = pair.at_target
        beyond = f", {t.factor:.3g} times beyond the sizes" if t.factor > 1 else ""
        chance = "" if math.isnan(t.probability_a_better) else f"; P(A lower) {t.probability_a_better:.3f}"
        lines.append(f"at {t.params:.3g} parameters{beyond}: loss {t.delta_loss.text(_SPREAD)}{chance}")
    return "\n".join([*lines, f"verdict: {sentence(pair, contrast.margin)}"])


def _numbers(size: SizeContrast) -> tuple[str, str, str]:
    p = size.places[-1].probability_a_better
    ratio = "" if math.isnan(size.compute_ratio.value) else size.compute_ratio.text("{:.3g}".format)
    return "" if math.isnan(p) else f"{p:.3f}", _text(size.delta_k), ratio


def _text(value: Interval) -> str:
    return "" if math.isnan(value.value) else value.text(_SPREAD)


def _accuracy(found: DecisionAccuracy) -> str:
    cost = "" if math.isnan(found.compute_share) else f" for {found.compute_share:.2g} of its compute"
    return f"{one_line(found.model)} {found.accuracy:.0%}{cost}"
