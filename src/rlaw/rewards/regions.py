"""Sets of real numbers, made of intervals: their unions, intersections, and what makes two of them the same."""

from collections.abc import Sequence
from fractions import Fraction

from rlaw.rewards.agreement import agree
from rlaw.rewards.latex import Malformed
from rlaw.rewards.values import Answer, Items, Piece, Region, Scalar, number_of

EVERYWHERE = Region((Piece(None, None),))
_End = tuple[Fraction | None, int]  # a number (None: infinite) and which side of it


def end_of(bound: Scalar) -> Scalar | None:
    """The end of an interval; None where it is infinite."""
    node = bound.node.parts[0] if bound.node.op == "minus" else bound.node
    return None if node.op == "infinity" else bound


def as_region(answer: Answer) -> Region | None:
    """A region, or a pair in round brackets as an open interval; None for anything else."""
    if isinstance(answer, Region):
        return answer
    if not isinstance(answer, Items) or answer.kind != "tuple" or len(answer.parts) != 2:
        return None
    ends = [end_of(part) for part in answer.parts if isinstance(part, Scalar)]
    return Region((Piece(ends[0], ends[1]),)) if len(ends) == 2 else None


def union(regions: Sequence[Region]) -> Region:
    """What lies in one of them."""
    return Region(tuple(piece for region in regions for piece in region.pieces), _variable(regions))


def intersection(regions: Sequence[Region]) -> Region:
    """What lies in all of them.

    Raises:
        Malformed: one has an end that is no number.
    """
    first, *others = regions
    pieces = first.pieces
    for other in others:
        pieces = tuple(both for a in pieces for b in other.pieces if (both := _overlap(a, b)) is not None)
    return Region(pieces, _variable(regions))


def without(region: Region, holes: Sequence[Scalar]) -> Region:
    """The region without some points."""
    parts = [region, *(Region((Piece(None, hole), Piece(hole, None))) for hole in holes)]
    return intersection(parts)


def same_region(one: Region, other: Region) -> bool:
    """Whether two regions hold the same numbers; a variable that both name is the same one."""
    if one.variable and other.variable and one.variable != other.variable:
        return False
    merged, others = _merged(one), _merged(other)
    if merged is None or others is None:  # an end is a formula: piece by piece
        return len(one.pieces) == len(other.pieces) and all(map(_same_piece, one.pieces, other.pieces))
    return merged == others


def _variable(regions: Sequence[Region]) -> str:
    names = {region.variable for region in regions if region.variable}
    if len(names) > 1:
        raise Malformed("intervals of different variables")
    return names.pop() if names else ""


def _same_piece(one: Piece, other: Piece) -> bool:
    def same(a: Scalar | None, b: Scalar | None) -> bool:
        return a is b or (a is not None and b is not None and agree(a.node, b.node))

    closed = (one.low_in, one.high_in) == (other.low_in, other.high_in)
    return closed and same(one.low, other.low) and same(one.high, other.high)


def _ends(piece: Piece) -> tuple[_End, _End] | None:
    """Both ends as numbers; a side of 1 is just above its number, of -1 just below."""
    low, high = (None if end is None else number_of(end) for end in (piece.low, piece.high))
    if (piece.low is not None and low is None) or (piece.high is not None and high is None):
        return None
    return (low, 0 if piece.low_in else 1), (high, 0 if piece.high_in else -1)


def _merged(region: Region) -> list[tuple[_End, _End]] | None:
    """The intervals in order, those that touch as one, empty ones left out; None where an end is a formula."""
    found = [_ends(piece) for piece in region.pieces]
    if any(ends is None for ends in found):
        return None
    full = [ends for ends in found if ends is not None and not _empty(*ends)]
    out: list[tuple[_End, _End]] = []
    for low, high in sorted(full, key=lambda ends: _low_key(ends[0])):
        if out and _reaches(out[-1][1], low):
            out[-1] = (out[-1][0], max(out[-1][1], high, key=_high_key))
        else:
            out.append((low, high))
    return out


def _low_key(end: _End) -> tuple[int, Fraction, int]:
    return (0, Fraction(0), 0) if end[0] is None else (1, end[0], end[1])


def _high_key(end: _End) -> tuple[int, Fraction, int]:
    return (2, Fraction(0), 0) if end[0] is None else (1, end[0], end[1])


def _empty(low: _End, high: _End) -> bool:
    return low[0] is not None and high[0] is not None and (low[0], low[1]) > (high[0], high[1])


def _reaches(high: _End, low: _End) -> bool:
    """Whether no number lies between an interval's end and the next one's start."""
    if high[0] is None or low[0] is None:
        return True
    return (high[0], high[1]) >= (low[0], low[1]) or (high[0] == low[0] and low[1] - high[1] < 2)


def _overlap(a: Piece, b: Piece) -> Piece | None:
    ends, others = _ends(a), _ends(b)
    if ends is None or others is None:
        raise Malformed("an end that is no number")
    low = a if _low_key(ends[0]) >= _low_key(others[0]) else b
    high = a if _high_key(ends[1]) <= _high_key(others[1]) else b
    piece = Piece(low.low, high.high, low.low_in, high.high_in)
    both = _ends(piece)
    return None if both is None or _empty(*both) else piece
