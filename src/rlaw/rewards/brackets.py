"""Tokens and the brackets around them: where they close, and where a row of tokens may be cut."""

from collections.abc import Callable, Iterator, Sequence

from rlaw.rewards.grammar import formula
from rlaw.rewards.latex import Token
from rlaw.rewards.values import Answer, Scalar

Tokens = Sequence[Token]
Read = Callable[[Tokens], Answer]  # reads a part of an answer
OPEN = frozenset(["(", "[", "{", r"\{", "begin", "langle"])
CLOSE = frozenset([")", "]", "}", r"\}", "end", "rangle"])


def trimmed(ts: Tokens) -> Tokens:
    """The tokens without a full stop or comma at their end, and without braces around all of them."""
    while ts and ts[-1].kind == "op" and ts[-1].text in (".", ",", ";"):
        ts = ts[:-1]
    while len(ts) > 1 and ts[0].text == "{" and closing(ts) == len(ts) - 1:
        ts = ts[1:-1]
    return ts


def closing(ts: Tokens, start: int = 0) -> int:
    """Where the bracket that opens at `start` is closed; -1 when it is not."""
    depth = 0
    for place in range(start, len(ts)):
        depth += step(ts[place])
        if not depth:
            return place
    return -1


def is_bracketed(ts: Tokens) -> bool:
    """Whether one pair of brackets is around all of the tokens."""
    return len(ts) > 1 and step(ts[0]) == 1 and closing(ts) == len(ts) - 1


def step(token: Token) -> int:
    """1 for a bracket that opens, -1 for one that closes."""
    if token.kind in ("num", "name", "word", "func"):
        return 0
    kind = token.kind if token.kind in ("begin", "end") else token.text
    return (kind in OPEN) - (kind in CLOSE)


def outside(ts: Tokens) -> Iterator[tuple[int, Token]]:
    """The tokens that stand in no bracket, with their places."""
    depth = 0
    for place, token in enumerate(ts):
        change = step(token)
        if not depth and not change:
            yield place, token
        depth += change


def split(ts: Tokens, separates: Callable[[Token], bool]) -> tuple[list[Tokens], list[Token]]:
    """The pieces between separators that stand in no bracket, and the separators."""
    parts: list[Tokens] = []
    marks, start = [], 0
    for place, token in outside(ts):
        if separates(token):
            parts.append(ts[start:place])
            marks.append(token)
            start = place + 1
    return [*parts, ts[start:]], marks


def split_at(ts: Tokens, *texts: str) -> tuple[list[Tokens], list[Token]]:
    """The pieces between operators or commands, and these."""
    return split(ts, lambda token: sign(token, *texts))


def sign(token: Token, *texts: str) -> bool:
    """Whether a token is one of these operators or commands."""
    return token.kind in ("op", "cmd") and token.text in texts


def letter(token: Token, letters: str) -> bool:
    """Whether a token is one of these letters."""
    return token.kind in ("name", "word") and len(token.text) == 1 and token.text in letters


def scalar(ts: Tokens) -> Scalar:
    """The tokens as a formula.

    Raises:
        Malformed: they are none.
    """
    return Scalar(formula(trimmed(ts)))
