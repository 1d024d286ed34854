"""An answer's text as one of the kinds in `values`: the first kind whose rules it follows to the last token."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache, partial

from rlaw.rewards import units
from rlaw.rewards.brackets import Read, Tokens, letter, scalar, sign, split_at, trimmed
from rlaw.rewards.grammar import Node, TooDeep, formula
from rlaw.rewards.latex import Malformed, Token, tokens
from rlaw.rewards.lists import bracketed, connects, matrix, several, united
from rlaw.rewards.quantities import quantity
from rlaw.rewards.relations import congruence, related
from rlaw.rewards.values import Answer, Based, Choice, Clock, Items, Quantity, Ratio, Scalar, Verbatim, exactly

DEEPEST = 8  # values within values
_CHOICES, _SMALL_CHOICES = "ABCDEFGHIJ", "abcdefgh"
_HALVES = ("am", "pm")
_NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_NUMBER_WORDS = {word: n for n, word in enumerate(_NUMBERS.split())} | {
    word: 10 * n for n, word in enumerate(_TENS.split(), 2)
}


@lru_cache(maxsize=4096)  # every rollout of a group has the same reference
def read(latex: str) -> tuple[tuple[Token, ...], Answer]:
    """The tokens of an answer, and what it is.

    Raises:
        Malformed: it has no tokens that could be read.
        Beyond: it takes too much work to say.
    """
    found = tuple(trimmed(tokens(latex)))
    return found, _read(found, 0)


def _read(ts: Tokens, depth: int) -> Answer:
    ts = trimmed(ts)
    if depth > DEEPEST:
        raise TooDeep("nested too deeply")
    if not ts:
        raise Malformed("empty")
    part = partial(_read, depth=depth + 1)
    for reader in _READERS:
        try:
            if (found := reader(ts, part)) is not None:
                return found
        except TooDeep:
            raise
        except Malformed:
            continue
    return Verbatim(tuple(ts), any(t.kind == "word" for t in ts))


def _choice(ts: Tokens, read_part: Read) -> Answer | None:
    """`(C)`, `(C) 12`, `C. 12`, `Option C`."""
    if ts[0].key in ("option", "choice") and len(ts) > 1:
        return Choice(ts[1].text) if len(ts) == 2 and letter(ts[1], _CHOICES) else _choice(ts[1:], read_part)
    in_brackets = len(ts) > 2 and sign(ts[0], "(") and sign(ts[2], ")")
    rest = ts[3:] if in_brackets else ts[2:]
    if not in_brackets and not (rest and sign(ts[1], ".", ")", ":")):
        return None
    first = ts[in_brackets]
    if not rest:
        return Choice(first.text) if letter(first, _CHOICES + _SMALL_CHOICES) else None
    if not letter(first, _CHOICES) or _goes_on(rest, sign(ts[1], ":"), in_brackets):
        return None
    return Choice(first.text, read_part(rest))


def _goes_on(rest: Tokens, is_ratio: bool, in_brackets: bool) -> bool:
    """Whether what follows a letter makes a formula or a list of it: `A:B`, `(A)x`, `(A) or (B)`."""
    after = rest[0]
    if connects(after) or (is_ratio and len(rest) == 1 and after.kind == "name"):
        return True
    if after.kind == "op":
        return not after.spaced or after.text not in ("(", "[", r"\{", "-", "{", "$")
    return in_brackets and after.kind != "word" and not after.spaced and after.text != "frac"


def _clock(ts: Tokens, _: Read) -> Answer | None:
    half = ts[-1].key if ts[-1].kind == "word" and ts[-1].key in _HALVES else ""
    body = ts[:-1] if half else ts
    numbers = [t.text for t in body[::2] if t.kind == "num" and t.text.isdigit() and len(t.text) <= 2]
    if len(body) not in ((1, 3) if half else (3,)) or len(numbers) != (len(body) + 1) // 2:
        return None
    hour, minute = numbers if len(numbers) == 2 else (numbers[0], "00")
    if (len(body) == 3 and not sign(body[1], ":")) or len(minute) != 2 or int(hour) > 24 or int(minute) > 59:
        return None
    return Clock(int(hour), int(minute), half)


def _ratio(ts: Tokens, _: Read) -> Answer | None:
    pieces, marks = split_at(ts, ":")
    return Ratio(tuple(scalar(piece) for piece in pieces)) if marks else None


def _based(ts: Tokens, _: Read) -> Answer | None:
    """`1011_2`, `A3_{16}`; `x_1` and `F_{16}` are names."""
    place = next((place for place, token in enumerate(ts) if sign(token, "_")), 0)
    digits = "".join(t.text for t in ts[:place] if t.kind in ("num", "name", "word"))
    under = [t for t in ts[place + 1 :] if not sign(t, "{", "}", "(", ")")]
    if len(under) != 1 or len(digits) < (place or 1) or not digits.isalnum() or digits != digits.upper():
        return None
    base = (
        int(under[0].text) if under[0].text.isdigit() and len(under[0].text) < 3 else _NUMBER_WORDS.get(under[0].key, 0)
    )
    if not 2 <= base <= 36 or not (digits[0].isdigit() or len(digits) > 1):
        return None
    try:
        int(digits, base)
    except ValueError:
        return None
    return Based(digits, base)


def _formula(ts: Tokens, _: Read) -> Answer | None:
    node = formula(ts)
    if node.operations & {"pm", "mp"}:
        return Items("list", (Scalar(_signed(node, 1)), Scalar(_signed(node, -1))))
    angle = node.parts[0] if node.op == "minus" else node
    degree = units.unit("degree")
    if angle.op != "degrees" or degree is None:
        return Scalar(node)
    inner = angle.parts[0]
    return Quantity(Scalar(inner if angle is node else Node("minus", (inner,))), degree)


def _signed(node: Node, plus: int) -> Node:
    """The formula with every ± as + or as -."""
    parts = tuple(_signed(part, plus) for part in node.parts)
    if node.op in ("pm", "mp"):
        return parts[0] if (node.op == "pm") == (plus > 0) else Node("minus", parts)
    return replace(node, parts=parts)


def _number_words(ts: Tokens, _: Read) -> Answer | None:
    words = [t for t in ts if t.text != "-"]
    if not 1 <= len(words) <= 2 or any(t.kind != "word" or t.key not in _NUMBER_WORDS for t in words):
        return None
    numbers = [_NUMBER_WORDS[t.key] for t in words]
    if len(numbers) == 2 and not (numbers[0] >= 20 and 1 <= numbers[1] <= 9):
        return None
    return exactly(Fraction(sum(numbers)))


_READERS: Sequence[Callable[[Tokens, Read], Answer | None]] = (
    _choice, matrix, _clock, several, related, united, bracketed, _ratio, _based, congruence, quantity, _formula,
    _number_words,
)  # fmt: skip
