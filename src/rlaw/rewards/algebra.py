"""Whether two answers are the same mathematics: read, then compared kind by kind. Runs in a worker.

Nothing here runs what an answer says, and all of it counts its work: an answer beyond its share is a timeout.
"""

import json
from collections.abc import Sequence
from itertools import pairwise

from rlaw.rewards.brackets import step
from rlaw.rewards.evaluate import Beyond
from rlaw.rewards.grammar import TooDeep
from rlaw.rewards.latex import Malformed, Token
from rlaw.rewards.reading import read
from rlaw.rewards.same import same
from rlaw.rewards.values import Answer, Scalar, Verbatim, is_defined

PAIRS = (  # one of each kind of answer: what is imported and learnt at first use is then there
    ("\\sqrt{12}", "2\\sqrt{3}"),
    ("x^2 + 2x + 1", "(x+1)^2"),
    ("[1, 2) \\cup (3, \\infty)", "x > 3"),
    ("\\sin(\\pi/6) + \\log_2 8", "3.5"),
    ("3 \\text{ hours}", "180 \\text{ minutes}"),
)


def check(answer: str, wanted: str) -> tuple[str, str]:
    """Verdict and reason of an answer against a reference, both without a box."""
    try:
        alternatives = _alternatives(wanted)
        return _check(answer, wanted) if alternatives is None else _check_any(answer, alternatives)
    except Beyond:
        return "timeout", "time"
    except MemoryError:
        return "timeout", "memory"
    except (RecursionError, TooDeep):
        return "timeout", "nested too deeply"
    except Exception as error:  # what cannot be compared is not shown to be right
        return "wrong", type(error).__name__


def _check(answer: str, wanted: str) -> tuple[str, str]:
    try:
        tokens, reference = read(wanted)
    except Malformed:
        return "wrong", "reference"
    try:
        found, value = read(answer)
    except Malformed:
        return "unparsed", "not mathematics"
    if spelling(found) == spelling(tokens):
        return "right", "exact"
    if isinstance(value, Scalar) and not is_defined(value):  # first of all, so that a tower of powers is a timeout
        return "wrong", "undefined"
    if same(value, reference):
        return "right", "algebra"
    words = isinstance(value, Verbatim) and not isinstance(reference, Verbatim)
    return ("unparsed", "not mathematics") if words else ("wrong", "algebra")


def readable(wanted: str) -> bool:
    """Whether a reference is something that an answer can be compared with: mathematics with a value, or words."""
    try:
        alternatives = _alternatives(wanted)
        return all(_is_readable(read(text)[1]) for text in alternatives or [wanted])
    except Beyond:
        return True  # nobody evaluates 9^{9^9}, but the same text is right
    except (Malformed, RecursionError):
        return False


def _is_readable(value: Answer) -> bool:
    if isinstance(value, Verbatim):
        return value.words or _is_whole(value.tokens)
    return is_defined(value) if isinstance(value, Scalar) else True


def _is_whole(tokens: Sequence[Token]) -> bool:
    """Whether what is only compared as it is written is at least about something, and cut off nowhere."""
    ends = (tokens[0].text, tokens[-1].text)
    groups = [(a.text, b.text) for a, b in pairwise(tokens)]
    depth = [sum(step(token) for token in tokens[: place + 1]) for place in range(len(tokens))]
    cut_off = ("{", "}") in groups or min(depth) < 0 or depth[-1] or set(ends) & set("+*/^_=<>&,")
    return not cut_off and any(token.kind in ("num", "name") for token in tokens)


def spelling(tokens: Sequence[Token]) -> list[tuple[str, str]]:
    """The tokens as they are told apart: letters side by side are one, a word's case does not count."""
    out: list[tuple[str, str]] = []
    for token in tokens:
        name = token.kind == "name" and token.text.isascii() and token.text.isalpha()
        if name and not token.spaced and out and out[-1][0] == "name":
            out[-1] = ("name", out[-1][1] + token.text)
        elif token.kind == "word":
            out.append(("word", token.key))
        else:
            out.append(("name" if name else "", token.text))
    return out


def _alternatives(wanted: str) -> list[str] | None:
    """The texts of a reference that is a JSON list of texts; None for any other."""
    if not (wanted.startswith("[") and wanted.endswith("]")) or not set(wanted) & {'"'}:
        return None
    try:
        found = json.loads(wanted)
    except (ValueError, RecursionError):
        return None
    return found if found and isinstance(found, list) and all(isinstance(text, str) for text in found) else None


def _check_any(answer: str, texts: list[str]) -> tuple[str, str]:
    """Against a list: forms of one answer, any of which will do; or else several answers, all of which are asked."""
    if all(_check(text, texts[0])[0] == "right" for text in texts[1:]):
        found = [_check(answer, text) for text in texts]
        return next((one for one in found if one[0] == "right"), found[0])
    return _check(answer, ", ".join(texts))


def warm_up() -> str:
    """Check one answer of each kind; returns the version of what numbers are evaluated with."""
    from importlib.metadata import version

    for answer, wanted in PAIRS:
        check(answer, wanted)
    return version("mpmath")
