"""Whether an answer is the reference, kind by kind. What no rule makes equal is not equal.

A name, a unit or a base that both give must agree; one that the answer leaves out is forgiven. Exact values are equal
or not; a decimal reference is also met by what rounds to it. A set is no tuple, and repetitions count.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from rlaw.rewards.agreement import agree, proportional
from rlaw.rewards.grammar import Node
from rlaw.rewards.quantities import of_letters
from rlaw.rewards.regions import as_region, same_region
from rlaw.rewards.units import MONEY
from rlaw.rewards.values import (
    EXACT,
    Answer,
    Assignments,
    Based,
    Choice,
    Clock,
    Congruence,
    Decimal,
    Equation,
    Inequality,
    Items,
    Matrix,
    Named,
    Quantity,
    Ratio,
    Region,
    Scalar,
    Untrue,
    Verbatim,
    exactly,
    number_of,
)

MOST_ITEMS = 300  # of lists that are compared in any order
_EXACT_DIGITS, _LOOSE_DIGITS = (
    (3, 4),
    (2, 3),
)  # significant digits of a decimal that may round: with two places, without


def same(answer: Answer, wanted: Answer) -> bool:
    """Whether an answer is the reference.

    Raises:
        Beyond: it takes too much work to say.
    """
    for kind, compare in _COMPARED:
        if isinstance(answer, kind) or isinstance(wanted, kind):
            return compare(answer, wanted)
    return False


def _alike(kind: type, compare: Callable[[Any, Any], bool]) -> tuple[type, Callable[[Answer, Answer], bool]]:
    """A kind that equals nothing of another kind."""
    return (
        kind,
        lambda answer, wanted: isinstance(answer, kind) and isinstance(wanted, kind) and compare(answer, wanted),
    )


def _same_equation(answer: Equation, wanted: Equation) -> bool:
    return proportional(answer.node, wanted.node)


def _same_inequality(answer: Inequality, wanted: Inequality) -> bool:
    return answer.strict == wanted.strict and proportional(answer.node, wanted.node, positive=True)


def _same_matrix(answer: Matrix, wanted: Matrix) -> bool:
    if [len(row) for row in answer.rows] != [len(row) for row in wanted.rows]:
        return False
    cells = [[cell for row in matrix.rows for cell in row] for matrix in (answer, wanted)]
    return all(map(same_number, *cells))


def _same_words(answer: Verbatim, wanted: Verbatim) -> bool:
    return [t.key for t in answer.tokens] == [t.key for t in wanted.tokens]


def _in_region(answer: Answer, wanted: Answer) -> bool:
    one, other = as_region(answer), as_region(wanted)
    return one is not None and other is not None and same_region(one, other)


def same_number(answer: Scalar, wanted: Scalar, *, exact: bool = False) -> bool:
    """Whether two formulas are the same, or a number rounds to a decimal reference.

    One of three digits with two of them after the point, or of four, is met by what rounds to it and is not less
    precise; a value that no decimal has, such as 1/3, also meets one of three digits, or of two after the point.
    `exact`: no rounding, as for sums of money.
    """
    if agree(answer.node, wanted.node):
        return True
    if "infinity" in answer.node.operations | wanted.node.operations:
        return False
    decimal = wanted.decimal
    if decimal is None or answer.names or exact:
        return False
    value = number_of(answer)
    return value is not None and abs(value - decimal.value) <= decimal.last / 2 and _may_round(answer, value, decimal)


def _may_round(answer: Scalar, value: Fraction, decimal: Decimal) -> bool:
    if answer.decimal is not None and answer.decimal.last >= decimal.last:
        return False
    denominator = value.denominator
    for prime in (2, 5):
        while denominator % prime == 0 and denominator < 1 << 64:
            denominator //= prime
    needed = _EXACT_DIGITS if answer.decimal is not None or denominator == 1 else _LOOSE_DIGITS
    return decimal.digits >= needed[decimal.places < 2]


def _same_choice(answer: Answer, wanted: Answer) -> bool:
    if isinstance(answer, Choice) and isinstance(wanted, Choice):
        if answer.value is not None and wanted.value is not None and not same(answer.value, wanted.value):
            return False
        return answer.letter.upper() == wanted.letter.upper()
    choice, other = (answer, wanted) if isinstance(answer, Choice) else (wanted, answer)
    if not isinstance(choice, Choice):
        return False
    if isinstance(other, Scalar) and other.letter:
        return other.letter == choice.letter
    return choice.value is not None and (same(choice.value, other) if choice is answer else same(other, choice.value))


def _same_named(answer: Answer, wanted: Answer) -> bool:
    if isinstance(answer, Named) and isinstance(wanted, Named) and answer.name == wanted.name:
        return same(answer.value, wanted.value)
    if isinstance(answer, Named | Equation) and isinstance(wanted, Named | Equation):
        one, other = _equation(answer), _equation(wanted)
        return one is not None and other is not None and proportional(one, other)
    if isinstance(answer, Assignments) or isinstance(wanted, Assignments):
        return False
    if isinstance(wanted, Named):
        return same(answer, wanted.value)
    is_letter = isinstance(answer, Named) and isinstance(answer.value, Scalar) and bool(answer.value.letter)
    return isinstance(answer, Named) and not is_letter and same(answer.value, wanted)  # `A = B` is no B


def _equation(answer: Named | Equation) -> Node | None:
    """What is zero. `y = 2x + 1` is an equation of a curve; `x = 5` says what x is, and is none."""
    if isinstance(answer, Equation):
        return answer.node
    if not isinstance(answer.value, Scalar) or not answer.value.names:
        return None
    return Node("add", (Node("name", text=answer.name), Node("minus", (answer.value.node,))))


def _same_quantity(answer: Answer, wanted: Answer) -> bool:
    if isinstance(answer, Scalar) and answer.names:
        answer = of_letters(answer) or answer
    if isinstance(wanted, Scalar) and wanted.names:
        wanted = of_letters(wanted) or wanted
    if isinstance(answer, Quantity) and isinstance(wanted, Quantity):
        return _same_amount(answer, wanted)
    if isinstance(answer, Quantity):
        return isinstance(wanted, Scalar) and _with_a_unit(answer, wanted)
    return isinstance(answer, Scalar) and isinstance(wanted, Quantity) and _unit_left_out(answer, wanted)


def _same_amount(answer: Quantity, wanted: Quantity) -> bool:
    if {answer.unit.only, wanted.unit.only} == {"degree", "radian"}:
        return agree(_in_radians(answer), _in_radians(wanted))
    if not answer.unit.measures(wanted.unit):
        return False
    factor = Fraction(1) if answer.unit.noun else answer.unit.factor / wanted.unit.factor
    exact = factor != 1 or answer.number.node.text == EXACT or wanted.unit.only in MONEY  # only what is written rounds
    return same_number(answer.number if factor == 1 else _times(answer.number, factor), wanted.number, exact=exact)


def _in_radians(quantity: Quantity) -> Node:
    return Node("degrees", (quantity.number.node,)) if quantity.unit.only == "degree" else quantity.number.node


def _times(number: Scalar, factor: Fraction) -> Scalar:
    decimal = number.decimal
    if decimal is not None:
        return exactly(decimal.value * factor)
    return Scalar(Node("times", (number.node, exactly(factor).node)))


def _with_a_unit(answer: Quantity, wanted: Scalar) -> bool:
    """An answer with a unit where the reference is a number."""
    unit = answer.unit
    if unit.noun and not unit.counted and number_of(answer.number) != 1:
        return False
    if unit.only == "percent" and same_number(_times(answer.number, Fraction(1, 100)), wanted):
        return True
    if unit.only == "degree" and "pi" in wanted.node.constants:
        return agree(_in_radians(answer), wanted.node)
    return _is_whole(answer) and same_number(answer.number, wanted, exact=unit.only in MONEY)


def _unit_left_out(answer: Scalar, wanted: Quantity) -> bool:
    """An answer without a unit where the reference has one."""
    unit = wanted.unit
    if unit.only == "percent" and same_number(_times(answer, Fraction(100)), wanted.number):
        return True
    if unit.only == "degree" and "pi" in answer.node.constants:
        return agree(answer.node, _in_radians(wanted))
    return _is_whole(wanted) and same_number(answer, wanted.number, exact=unit.only in MONEY)


def _is_whole(quantity: Quantity) -> bool:
    """Whether the number stands for itself without its unit: 50 % may be called 50, but 0.5 % not 0.5."""
    value = number_of(quantity.number)
    return quantity.unit.only != "percent" or (value is not None and abs(value) >= 1)


def _same_digits(answer: Answer, wanted: Answer) -> bool:
    """Digits in a base: of the same base, or without one; where the reference has none, by their value."""
    if isinstance(answer, Based):
        if isinstance(wanted, Based):
            return answer.base == wanted.base and answer.value == wanted.value
        return isinstance(wanted, Scalar) and number_of(wanted) == answer.value
    is_number = isinstance(answer, Scalar) and answer.node.op == "number"
    return is_number and isinstance(answer, Scalar) and isinstance(wanted, Based) and answer.node.text == wanted.digits


def _congruent(answer: Answer, wanted: Answer) -> bool:
    if isinstance(answer, Congruence) and isinstance(wanted, Congruence):
        if answer.name and wanted.name and answer.name != wanted.name:
            return False
        return agree(answer.modulus.node, wanted.modulus.node) and _same_class(answer, wanted)
    if isinstance(answer, Congruence) and not _is_reduced(answer):
        return False  # `7 mod 4` may be a class, or 3
    one, other = (side.value if isinstance(side, Congruence) else side for side in (answer, wanted))
    return isinstance(one, Scalar) and isinstance(other, Scalar) and same_number(one, other)


def _is_reduced(answer: Congruence) -> bool:
    value, modulus = number_of(answer.value), number_of(answer.modulus)
    return value is None or modulus is None or 0 <= value < modulus


def _same_class(answer: Congruence, wanted: Congruence) -> bool:
    if agree(answer.value.node, wanted.value.node):
        return True
    values = [number_of(scalar) for scalar in (answer.value, wanted.value, wanted.modulus)]
    whole = [int(value) for value in values if value is not None and value.denominator == 1]
    return len(whole) == 3 and whole[2] > 0 and (whole[0] - whole[1]) % whole[2] == 0


def _same_time(answer: Clock, wanted: Clock) -> bool:
    """Half of the day forgotten in one: its hour may be of either clock."""
    one, other = _hours(answer), _hours(wanted)
    if answer.half and wanted.half:
        return answer.minute == wanted.minute and one == other
    return answer.minute == wanted.minute and bool(one & other)


def _hours(clock: Clock) -> set[int]:
    if not clock.half:
        return {clock.hour}
    whole = clock.hour % 12 + (12 if clock.half == "pm" else 0)
    return {whole, clock.hour}


def _same_ratio(answer: Ratio, wanted: Ratio) -> bool:
    (one, *ones), (other, *others) = answer.parts, wanted.parts
    return len(ones) == len(others) and all(
        agree(Node("times", (a.node, other.node)), Node("times", (b.node, one.node)))
        for a, b in zip(ones, others, strict=True)
    )


def _same_assignments(answer: Answer, wanted: Answer) -> bool:
    """Values by name; where one side has no names, in the order of the alphabet."""
    if isinstance(answer, Assignments) and isinstance(wanted, Assignments):
        return _in_order(answer.values, wanted.values)
    sides = [_values(side) for side in (answer, wanted)]
    return None not in sides and _in_order(*sides)  # type: ignore[arg-type]


def _values(answer: Answer) -> Sequence[Answer] | None:
    if isinstance(answer, Assignments):
        return [named.value for named in answer.values]
    return answer.parts if isinstance(answer, Items) and answer.kind != "set" else None


def _in_order(parts: Sequence[Answer], wanted: Sequence[Answer]) -> bool:
    return len(parts) == len(wanted) and all(map(same, parts, wanted))


def _same_items(answer: Items, wanted: Items) -> bool:
    kinds = {answer.kind, wanted.kind}
    if answer.open != wanted.open or kinds == {"tuple", "set"}:
        return False
    if kinds == {"tuple", "list"} and _could_be_interval(answer if answer.kind == "tuple" else wanted):
        return False
    if "tuple" in kinds or answer.open or len(wanted.parts) > MOST_ITEMS:
        return _in_order(answer.parts, wanted.parts)
    return len(answer.parts) == len(wanted.parts) and _in_any_order(answer.parts, wanted.parts)


def _could_be_interval(pair: Items) -> bool:
    """Whether a tuple may be an open interval, which a list of two numbers is not."""
    ends = [number_of(part) if isinstance(part, Scalar) else None for part in pair.parts]
    return len(ends) == 2 and ends[0] is not None and ends[1] is not None and ends[0] < ends[1]


def _in_any_order(parts: Sequence[Answer], wanted: Sequence[Answer]) -> bool:
    units = {part.unit for part in wanted if isinstance(part, Quantity)}
    if len(units) > 1 and not all(isinstance(part, Quantity) for part in parts):
        return False  # which is of which cannot be left out
    left = list(wanted)
    for part in parts:
        place = next((place for place, one in enumerate(left) if same(part, one)), None)
        if place is None:
            return False
        left.pop(place)
    return True


_COMPARED: tuple[tuple[type, Callable[[Answer, Answer], bool]], ...] = (
    (Untrue, lambda answer, wanted: False),
    (Choice, _same_choice),
    (Named, _same_named),
    (Quantity, _same_quantity),
    (Region, _in_region),
    (Based, _same_digits),
    (Congruence, _congruent),
    (Assignments, _same_assignments),
    _alike(Scalar, same_number),
    _alike(Items, _same_items),
    _alike(Equation, _same_equation),
    _alike(Inequality, _same_inequality),
    _alike(Clock, _same_time),
    _alike(Ratio, _same_ratio),
    _alike(Matrix, _same_matrix),
    _alike(Verbatim, _same_words),
)
