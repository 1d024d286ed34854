"""Several values: between commas, in brackets, in braces, as unions of intervals, in the rows of a matrix."""

from dataclasses import replace

from rlaw.rewards.brackets import Read, Tokens, closing, is_bracketed, scalar, sign, split, split_at
from rlaw.rewards.latex import Malformed, Token
from rlaw.rewards.quantities import added
from rlaw.rewards.regions import EVERYWHERE, as_region, end_of, intersection, union, without
from rlaw.rewards.relations import condition
from rlaw.rewards.values import (
    Answer,
    Assignments,
    Equation,
    Items,
    Matrix,
    Named,
    Piece,
    Quantity,
    Region,
    Scalar,
    Verbatim,
)

_CONNECTORS = {"or": "or", "vee": "or", "and": "and", "wedge": "and"}
_SEVERAL = frozenset(["either", "both"])
_PAIRS = {"(": ")]", "[": "])", r"\{": r"\}", "langle": "rangle"}
_MATRICES = frozenset(["pmatrix", "bmatrix", "Bmatrix", "matrix", "smallmatrix", "array"])


def connects(token: Token) -> bool:
    """Whether a token is `and` or `or`, in words or as a sign."""
    return token.kind in ("word", "cmd") and token.key in _CONNECTORS


def several(ts: Tokens, read: Read) -> Answer | None:
    """Values between commas, `and`, `or`."""
    body = ts[1:] if ts[0].kind == "word" and ts[0].key in _SEVERAL else ts
    pieces, marks = split(body, lambda t: sign(t, ",", ";") or connects(t))
    if not marks:
        return None
    after_comma = [False, *(mark.text == "," for mark in marks[:-1]), False]
    pieces = [piece for piece, comma in zip(pieces, after_comma, strict=True) if piece or not comma]  # `, and`
    if not all(pieces):
        raise Malformed("nothing between two commas")
    parts: list[Answer] = []
    for piece in pieces:
        found = read(piece)
        parts += found.parts if isinstance(found, Items) and found.kind == "list" else [found]
    if any(sign(t, "ldots") for piece in pieces for t in piece):
        return Items("list", tuple(parts), open=True)
    return _combined(tuple(parts), {_CONNECTORS.get(mark.key, mark.text) for mark in marks})


def _combined(parts: tuple[Answer, ...], joined: set[str]) -> Answer:
    return _regions(parts, joined) or _sum(parts, joined) or _names(parts) or Items("list", parts)


def _regions(parts: tuple[Answer, ...], joined: set[str]) -> Answer | None:
    """`x < 1 or x > 2`; `x > 2, x < 5`, which is both."""
    regions = [part for part in parts if isinstance(part, Region)]
    if len(regions) < len(parts):
        return None
    if joined == {"or"}:
        return union(regions)
    both = intersection(regions)
    return both if joined == {"and"} or (both.variable and both.pieces) else None


def _sum(parts: tuple[Answer, ...], joined: set[str]) -> Answer | None:
    if len(parts) != 2 or "or" in joined:
        return None
    more, less = parts
    return added(more, less) if isinstance(more, Quantity) and isinstance(less, Quantity) else None


def _names(parts: tuple[Answer, ...]) -> Answer | None:
    """`x = 1, y = 2`; `x = 4 or x = 9`; `x = 1, 2, 4`."""
    named = [part for part in parts if isinstance(part, Named)]
    names = {part.name for part in named}
    if len(names) == 1 and len(named) == len(parts):
        return Named(named[0].name, Items("list", tuple(part.value for part in named)))
    if len(names) == len(parts):
        return Assignments(tuple(sorted(named, key=lambda part: part.name)))
    first = parts[0]
    if (
        len(named) == 1
        and isinstance(first, Named)
        and all(isinstance(p, Scalar | Quantity | Items) for p in parts[1:])
    ):
        return Named(first.name, Items("list", (first.value, *parts[1:])))
    return None


def bracketed(ts: Tokens, read: Read) -> Answer | None:
    """A set in braces, a tuple, an interval."""
    opening, closed = ts[0].text, ts[-1].text
    if ts[0].kind not in ("op", "cmd") or closed not in _PAIRS.get(opening, "") or not is_bracketed(ts):
        return None
    if opening == r"\{":
        return _set(ts[1:-1], read)
    pieces, marks = split_at(ts[1:-1], ",")
    if not marks:
        return None
    if not all(pieces):
        raise Malformed("nothing between two commas")
    parts = tuple(read(piece) for piece in pieces)
    square = opening == "[" or closed == "]"
    if (interval := _interval(parts, opening == "[", closed == "]", square=square)) is not None:
        return interval
    if opening + closed in ("(]", "[)"):
        return None
    return Items("tuple", parts, open=any(sign(t, "ldots") for t in ts))


def _interval(parts: tuple[Answer, ...], low_in: bool, high_in: bool, *, square: bool) -> Region | None:
    """A pair as an interval, where a square bracket or an infinite end says that it is one."""
    ends = [end_of(part) for part in parts if isinstance(part, Scalar)]
    if len(parts) != 2 or len(ends) != 2 or not (square or None in ends):
        return None
    return Region((Piece(ends[0], ends[1], low_in, high_in),))


def _set(inner: Tokens, read: Read) -> Answer | None:
    if not inner:
        return Items("set", ())
    halves, marks = split_at(inner, "mid", "|", ":")
    if len(marks) == 1:
        return condition(halves, read)
    found = read(inner)
    if isinstance(found, Items) and found.kind == "list":
        return replace(found, kind="set")
    return None if isinstance(found, Verbatim | Named | Equation | Region) else Items("set", (found,))


def united(ts: Tokens, read: Read) -> Answer | None:
    """Sets that have a name, and what is made of sets."""
    if len(ts) == 1 and ts[0].kind == "cmd":
        return {"mathbb R": EVERYWHERE, "emptyset": Items("set", ())}.get(ts[0].text)
    pieces, marks = split_at(ts, "cup", "cap", "setminus")
    kinds = {mark.text for mark in marks}
    if len(kinds) != 1:
        return None
    parts = [read(piece) for piece in pieces]
    if kinds == {"setminus"}:
        return _without(parts)
    sets = [part for part in parts if isinstance(part, Items) and part.kind == "set" and not part.open]
    if kinds == {"cup"} and len(sets) == len(parts):
        return Items("set", tuple(item for one in sets for item in one.parts))
    regions = [region for part in parts if (region := as_region(part)) is not None]
    if len(regions) < len(parts):
        return None
    return union(regions) if kinds == {"cup"} else intersection(regions)


def _without(parts: list[Answer]) -> Region | None:
    region, holes = as_region(parts[0]), parts[1]
    if len(parts) != 2 or region is None or not isinstance(holes, Items) or holes.kind != "set":
        return None
    points = [part for part in holes.parts if isinstance(part, Scalar)]
    return without(region, points) if len(points) == len(holes.parts) else None


def matrix(ts: Tokens, _: Read) -> Answer | None:
    """The rows of a matrix; those of a determinant are none."""
    if ts[0].kind != "begin" or ts[0].text not in _MATRICES or not is_bracketed(ts):
        return None
    inner = ts[1:-1]
    if ts[0].text == "array" and inner and sign(inner[0], "{"):
        inner = inner[closing(inner) + 1 :]
    rows, _marks = split_at(inner, "row")
    rows = rows if rows[-1] else rows[:-1]
    cells = tuple(tuple(scalar(cell) for cell in split_at(row, "&")[0]) for row in rows)
    return Matrix(cells) if len({len(row) for row in cells}) == 1 else None
