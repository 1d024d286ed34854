"""Whether two formulas are the same, or one a constant multiple of the other.

A formula with variables is evaluated at fixed points; two that agree at all of them, in exact numbers or to sixty
digits, are the same.
"""

import random
from collections.abc import Iterator, Sequence
from fractions import Fraction

from mpmath import mp, mpc

from rlaw.rewards.evaluate import DIGITS, SLACK, Beyond, Point, Undefined, bit_length, close, divide, is_zero, values
from rlaw.rewards.grammar import Node

ENOUGH = 3  # points at which formulas with variables have both a value


def points(names: Sequence[str]) -> Iterator[Point]:
    """Where formulas in these variables are compared: positive, of both signs, whole numbers, and far out."""
    rng = random.Random(20250928)  # noqa: S311 - the same points in every process
    if not names:
        yield {}
        return
    for signs in ((1,), (1,), (1,), (1, -1), (1, -1), (-1,)):
        yield {name: rng.choice(signs) * Fraction(rng.randint(20, 400), rng.randint(101, 140)) for name in names}
    for most in (6, 9, 12, 15, 20):
        yield {name: Fraction(rng.randint(1, most)) for name in names}
    for signs in ((1,), (-1,), (1, -1), (1, -1)):
        yield {name: rng.choice(signs) * Fraction(rng.randint(1000, 9000), rng.randint(3, 7)) for name in names}


def agree(one: Node, other: Node) -> bool:
    """Whether two formulas are the same.

    Raises:
        Beyond: it takes too much work to say.
    """
    if one == other:
        return True
    if one.names != other.names or ({"infinity"} & (one.operations | other.operations)):
        return False
    same = 0
    for point in points(sorted(one.names)):
        try:
            if not _same_at(one, other, point):
                return False
            same += 1
        except Undefined:
            continue
        except Beyond:
            if same < ENOUGH:
                raise  # a formula that is too large only far out is compared elsewhere
    return same >= (ENOUGH if one.names else 1)


def _same_at(one: Node, other: Node, point: Point) -> bool:
    (a, b), digits = values((one, other), point)
    return close(a, b, digits)


def proportional(one: Node, other: Node, *, positive: bool = False) -> bool:
    """Whether one formula is a constant multiple of the other, and neither is zero everywhere."""
    if one.names != other.names or not one.names:
        return False
    ratio, same = None, 0
    for point in points(sorted(one.names)):
        try:
            (a, b), digits = values((one, other), point)
        except Undefined:
            continue
        except Beyond:
            if same < ENOUGH:
                raise
            continue
        if is_zero(a) or is_zero(b):
            if is_zero(a) != is_zero(b):
                return False
            continue
        with mp.workdps(max(digits, int(max(bit_length(a), bit_length(b)) * 0.302) + SLACK)):
            now = divide(a, b)
        if ratio is not None and not close(now, ratio, DIGITS):
            return False
        ratio, same = now, same + 1
    if ratio is None or same < ENOUGH:
        return False
    return not positive or (not isinstance(ratio, mpc) and ratio > 0)
