"""What a response answers: its last \\boxed{}; and the cheap comparison that decides most answers without algebra."""

import re
from fractions import Fraction

LONGEST = 4096  # characters of an answer that is still read
_BOX = re.compile(r"\\(?:boxed|fbox)\s*(?=\{)")
_SPACES = re.compile(r"\\[,;:! ]|\\q?quad(?![A-Za-z])|[\s~]")
_SAME = ((r"\left", ""), (r"\right", ""), (r"\dfrac", r"\frac"), (r"\tfrac", r"\frac"), (r"\cfrac", r"\frac"))
_INTEGER = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:,\d{3})+)")
_NUMBER = re.compile(r"[+-]?(?:(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d*)?|\.\d+)")
_RATIO = re.compile(r"([+-]?\d+)/(\d+)|([+-]?)\\frac\{(\d+)\}\{(\d+)\}")
_ONE_BACKSLASH = re.compile(r"(?<!\\)\\(?!\\)")


def boxed(response: str) -> str | None:
    """What stands in the last \\boxed{} of a response; None when there is none, it is empty, or it is cut short.

    Earlier boxes do not count: a response that answers twice means its last word. Linear in the response's length.
    """
    last = None
    for last in _BOX.finditer(response):  # noqa: B007 - the last one is wanted
        pass
    if last is None:
        return None
    depth, start = 0, last.end()
    for at in range(start, len(response)):
        escaped = at > 0 and response[at - 1] == "\\" and (at < 2 or response[at - 2] != "\\")
        if response[at] in "{}" and not escaped:
            depth += 1 if response[at] == "{" else -1
            if depth == 0:
                return response[start + 1 : at].strip() or None
    return None


def reference(text: str) -> str:
    """A reference answer as LaTeX: without a box around it; where every backslash is doubled, that is undone."""
    if "\\\\" in text and not _ONE_BACKSLASH.search(text):
        text = text.replace("\\\\", "\\")
    return boxed(text) or text.strip()


def plain(latex: str) -> str:
    """The answer without what changes nothing: spaces, dollars around it, \\left, kinds of \\frac, a full stop."""
    text = latex.strip()
    while len(text) > 1 and text[0] == text[-1] == "$":
        text = text[1:-1].strip()
    for ours, theirs in _SAME:
        text = re.sub(re.escape(ours) + r"(?![A-Za-z])", lambda _, t=theirs: t, text)
    text = text.removesuffix(".")
    return _SPACES.sub("", text)


def compare(answer: str, wanted: str) -> bool | None:
    """Whether two answers are the same, where that needs no algebra; None where it does.

    The same characters after `plain`, or the same number, are right. Two different integers are wrong. Everything else
    may still be equal: 1/3 and 0.333333, 10\\% and 0.1, two forms of a polynomial.
    """
    one, other = plain(answer), plain(wanted)
    if not one or not other:
        return None
    if one == other:
        return True
    mine, theirs = _number(one), _number(other)
    if mine is None or theirs is None:
        return None
    if mine == theirs:
        return True
    return False if _INTEGER.fullmatch(one) and _INTEGER.fullmatch(other) else None


def _number(text: str) -> Fraction | None:
    if _NUMBER.fullmatch(text):
        return Fraction(text.replace(",", ""))
    if not (ratio := _RATIO.fullmatch(text)):
        return None
    above, below = ratio[1] or ratio[3] + ratio[4], int(ratio[2] or ratio[5])
    return Fraction(int(above), below) if below else None
