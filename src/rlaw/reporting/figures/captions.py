"""Sentences that several captions share: how a law was fitted."""

from collections.abc import Iterable

from rlaw import units
from rlaw.analysis.evidence import Evidence
from rlaw.fitting.fit import Fit
from rlaw.fitting.interval import three_digits

_WEIGHTS = {"equal": "every size has the same total weight", "binomial": "points weigh by inverse binomial variance"}
_SPACE = {"loss": "squared errors of the loss", "log": "squared errors of the log loss"}


def how_fitted(fit: Fit) -> str:
    """Law, window, weights and intervals of a fit."""
    settings = fit.settings
    how = f"{_SPACE[settings['space']]}, {_WEIGHTS[settings['noise']]}"
    return f"Law: {fit.law.title}, {fit.law.formula}. Fitted to {window(settings['window'])}; {how}. {how_sure(fit)}"


def how_sure(fit: Fit) -> str:
    """What the intervals of a fit are, and what they leave out."""
    drawn = fit.drawn
    if drawn is None:
        return "No intervals."
    words = {"runs": f"whole runs ({drawn.freedom} degrees of freedom)", "drift": "the drift of runs about the law"}
    sources = " and ".join(words.get(noise, noise) for noise in drawn.noise)
    text = f"Intervals and bands: {fit.level:.0%}, {len(drawn)} bootstrap draws over {sources}."
    return text if "runs" in drawn.noise else f"{text} How another seed would differ is judged by that drift."


def parameter(fit: Fit, name: str) -> str:
    """A shared parameter of a fit with its interval."""
    unit = next(p.unit for p in fit.law.shared if p.name == name)
    return fit.parameters[name].text(units.count if unit == "params" else three_digits)


def window(text: str) -> str:
    """The window in words."""
    first, _, last = text.partition(":")
    if first and last:
        return f"steps {first} to {last}"
    return f"steps from {first} on" if first else f"steps up to {last}" if last else "all steps from 1 on"


def runs(evidence: Evidence) -> str:
    """What a point of a size is: one run, or the mean of several."""
    several = any(size.runs > 1 for size in evidence.sizes)
    return f"means of {how_many(size.runs for size in evidence.sizes)}" if several else "one run per size"


def how_many(runs: Iterable[int]) -> str:
    """Their number, or the least and the most of them."""
    least, most = min(counts := set(runs)), max(counts)
    return f"{least} to {most} runs" if most > least else f"{most} run{'s' * (most > 1)}"
