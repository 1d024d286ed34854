"""What a response answers: the boxes of its last word; and the cheap comparison that decides most answers."""

import re
from fractions import Fraction

LONGEST = 4096  # characters of an answer that is still read
FARTHEST = 250_000  # characters before a response's end that a box may begin
_BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])")
_UNBRACED = re.compile(r"[ \t]*([+-]?[\d.,]*\d|[A-Za-z]|\\(?!boxed|fbox)[A-Za-z]+(?:\{[^{}]*\}|\d){0,2})")
_THOUGHTS = re.compile(
    r"<(?P<close>/?)(?:think|thinking|thought|thoughts|reasoning|scratchpad)>|<\|(?:begin|(?P<end>end))_of_thought\|>"
    r"|\[(?P<shut>/?)THINK\]|◁(?P<stop>/?)think▷",
    re.IGNORECASE,
)
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_JOINED = 60  # characters between two boxes that make one answer, unless the words say otherwise
_FAR = 200
_BOXES_IN_BOXES = 4
_HEDGE = re.compile(r"\b(?:or|either|maybe|perhaps|possibly|alternatively|could|might|also)\b", re.IGNORECASE)
_TAKEN_BACK = re.compile(
    r"\b(?:no|not|wait|actually|correct(?:ion|ed|ing)|instead|mistake|error|wrong|re-?check\w*|sorry|oops|final|finally)\b",
    re.IGNORECASE,
)
_SPACES = re.compile(r"(\\\\)|(?:\\(?:[,;: ]|q?quad(?![A-Za-z]))|[\s~])+")
_BETWEEN_WORDS = re.compile(r"(?<=[\w,.]) (?=[\w,.])")
_SAME = re.compile(r"\\(?:(left|right)|[dtc](frac))(?![A-Za-z])|\\!")
_INTEGER = re.compile(r"[+-]?(?:\d+|[1-9]\d{0,2}(?:,\d{3})+)")
_NUMBER = re.compile(r"[+-]?(?:(?:\d+|[1-9]\d{0,2}(?:,\d{3})+)(?:\.\d*)?|\.\d+)")
_RATIO = re.compile(r"([+-]?\d+)/(\d+)|([+-]?)\\frac\{(\d+)\}\{(\d+)\}")
_ONE_BACKSLASH = re.compile(r"(?<!\\)\\(?!\\)")


def is_response(text: str) -> bool:
    """Whether a text is a whole response rather than an answer: it has a box or thoughts."""
    return bool(_BOX.search(text) or _THOUGHTS.search(text))


def boxed(response: str) -> str | None:
    r"""What a response answers: its last \boxed{}, outside of its thoughts. Linear in the response's length.

    Boxes that are joined (`\boxed{7} or \boxed{9}`) are one answer, with commas between them; earlier ones do not
    count. None when there is no box, the last one is empty or cut short, or it stands in the thoughts.
    """
    text = _spoken(response)[-FARTHEST:]
    boxes = _boxes(text)
    if not boxes or not boxes[-1][2]:
        return None
    contents, start = [boxes[-1][2]], boxes[-1][0]
    for begin, end, content in reversed(boxes[:-1]):
        if not content or len(contents) > LONGEST or not _are_joined(text[end:start]):
            break
        contents.insert(0, content)
        start = begin
    if len({plain(content) for content in contents}) == 1 or sum(map(len, contents)) > LONGEST:
        return contents[-1]
    return ", ".join(contents)


def _spoken(response: str) -> str:
    """The response without its thoughts: what follows the last of them, up to any that begin and do not end."""
    start, end = 0, len(response)
    for mark in _THOUGHTS.finditer(response):
        closes = any(mark[name] for name in ("close", "end", "shut", "stop"))
        if closes:
            start, end = mark.end(), len(response)
        else:
            end = min(end, mark.start()) if mark.start() >= start else end
    return response[start:end]


def _boxes(text: str) -> list[tuple[int, int, str]]:
    """Where each outermost box begins and ends, and what stands in it; one that is cut short is the last, and empty."""
    found: list[tuple[int, int, str]] = []
    at = 0
    while (mark := _BOX.search(text, at)) is not None:
        start = mark.end()
        while start < len(text) and text[start].isspace():
            start += 1
        if not text.startswith("{", start):
            bare = _UNBRACED.match(text, mark.end())
            if bare is not None:
                found.append((mark.start(), bare.end(), bare[1].strip()))
            at = bare.end() if bare else mark.end()
            continue
        end = _closing(text, start)
        if end < 0:
            return [*found, (mark.start(), len(text), "")]
        found.append((mark.start(), end + 1, _unboxed(text[start + 1 : end])))
        at = end + 1
    return found


def _closing(text: str, start: int) -> int:
    """Where the brace that opens at `start` is closed; -1 when it is not."""
    depth = 0
    for brace in _BRACE.finditer(text, start):
        if len(brace[0]) == 1:
            depth += 1 if brace[0] == "{" else -1
            if not depth:
                return brace.start()
    return -1


def _unboxed(content: str) -> str:
    """The content of a box without the boxes in it."""
    text = content.strip()
    if len(text) > LONGEST:
        return text
    for _ in range(_BOXES_IN_BOXES):
        mark = _BOX.match(text)
        if mark is None or _closing(text, mark.end()) != len(text) - 1:
            break
        text = text[mark.end() :].strip()[1:-1].strip()
    return _BOX.sub(" ", text).strip()


def _are_joined(between: str) -> bool:
    """Whether two boxes are parts of one answer, or the second takes the place of the first."""
    if len(between) > _FAR:
        return False
    if _HEDGE.search(between):
        return True
    return len(between) <= _JOINED and not _TAKEN_BACK.search(between)


def reference(text: str) -> str:
    """A reference answer as LaTeX: without a box around it; where every backslash is doubled, that is undone."""
    if "\\\\" in text and not _ONE_BACKSLASH.search(text):
        text = text.replace("\\\\", "\\")
    return boxed(text) or text.strip()


def plain(latex: str) -> str:
    r"""The answer without what changes nothing: dollars around it, \left, kinds of \frac, a full stop, needless spaces.

    A space between digits, letters or after a comma between them stays: `1, 500` is not `1,500`, and `1 2` not `12`.
    """
    text = latex.strip()
    around = min(len(text) - len(text.lstrip("$")), len(text) - len(text.rstrip("$")), len(text) // 2)
    text = text[around : len(text) - around]
    text = _SAME.sub(lambda m: r"\frac" if m[2] else "", text).strip().removesuffix(".")
    text = _SPACES.sub(lambda m: m[1] or " ", text)
    kept = _BETWEEN_WORDS.sub("\0", text)
    return kept.replace(" ", "").replace("\0", " ")


def compare(answer: str, wanted: str) -> bool | None:
    r"""Whether two answers are the same, where that needs no algebra; None where it does.

    The same characters after `plain`, or the same number, are right. Two different integers are wrong. Everything else
    may still be equal: 1/2 and 50\%, 10\% and 0.1, two forms of a polynomial.
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
