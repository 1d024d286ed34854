"""What an answer can be: a number with its digits, a tuple, a region, a time of day … Each knows only what it is."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from rlaw.rewards.evaluate import Undefined, constant, fraction
from rlaw.rewards.grammar import Node
from rlaw.rewards.latex import Token
from rlaw.rewards.units import Unit

EXACT = "exact"  # the text of a number that was computed


@dataclass(frozen=True, slots=True)
class Decimal:
    """A decimal as written.

    Attributes:
        value: its value.
        last: the value of a unit in its last place.
        digits: its significant digits.
        places: its digits after the point.
    """

    value: Fraction
    last: Fraction
    digits: int
    places: int


@dataclass(frozen=True)
class Scalar:
    """A formula; a number where it has no variables."""

    node: Node

    @property
    def names(self) -> frozenset[str]:
        """Its variables."""
        return self.node.names

    @cached_property
    def decimal(self) -> Decimal | None:
        """The decimal that it is; None for whatever is exact."""
        node, sign, scale = self.node, 1, Fraction(1)
        if node.op == "minus":
            node, sign = node.parts[0], -1
        if node.op == "times" and _power_of_ten(node.parts[1]) is not None:
            scale = _power_of_ten(node.parts[1]) or scale
            node = node.parts[0]
        if node.op != "number" or "(" in node.text:
            return None
        mantissa, _, exponent = node.text.lower().partition("e")
        whole, point, after = mantissa.partition(".")
        if not point or not after:
            return None
        digits = len((whole + after).lstrip("0"))
        last = Fraction(1, 10 ** len(after)) * scale * (Fraction(10) ** int(exponent) if exponent else 1)
        return Decimal(sign * node.value * scale, last, digits, len(after))

    @property
    def letter(self) -> str:
        """The one Latin letter that it is; empty otherwise."""
        return self.node.text if self.node.op == "name" and len(self.node.text) == 1 else ""


def _power_of_ten(node: Node) -> Fraction | None:
    if node.op != "power" or node.parts[0] != Node("number", value=Fraction(10), text="10"):
        return None
    exponent = node.parts[1]
    sign, exponent = (-1, exponent.parts[0]) if exponent.op == "minus" else (1, exponent)
    if exponent.op != "number" or exponent.value.denominator != 1 or exponent.value > 4000:
        return None
    return Fraction(10) ** (sign * int(exponent.value))


@dataclass(frozen=True)
class Quantity:
    """A number of something."""

    number: Scalar
    unit: Unit


@dataclass(frozen=True)
class Items:
    """Several values.

    Attributes:
        kind: `list` (as they stand), `set` (in braces), `tuple` (in brackets: their order counts).
        parts: the values, repetitions included.
        open: whether an ellipsis stands among them, which is then a part of it: they are compared in order.
    """

    kind: str
    parts: tuple["Answer", ...]
    open: bool = False


@dataclass(frozen=True)
class Piece:
    """An interval; an end that is None is infinite."""

    low: Scalar | None
    high: Scalar | None
    low_in: bool = False
    high_in: bool = False


@dataclass(frozen=True)
class Region:
    """A set of real numbers, made of intervals. `variable`: the name that was given to what lies in it."""

    pieces: tuple[Piece, ...]
    variable: str = ""


@dataclass(frozen=True)
class Named:
    """A value with its name: `x = 5`."""

    name: str
    value: "Answer"


@dataclass(frozen=True)
class Assignments:
    """Several names with their values, sorted by name."""

    values: tuple[Named, ...]


@dataclass(frozen=True)
class Equation:
    """A formula that is zero."""

    node: Node


@dataclass(frozen=True)
class Inequality:
    """A formula that is positive, or where it is not strict, not negative."""

    node: Node
    strict: bool


@dataclass(frozen=True)
class Congruence:
    """A value modulo another."""

    value: Scalar
    modulus: Scalar
    name: str = ""


@dataclass(frozen=True)
class Based:
    """Digits in a base."""

    digits: str
    base: int

    @property
    def value(self) -> int:
        """The number that they are."""
        return int(self.digits, self.base)


@dataclass(frozen=True)
class Clock:
    """A time of day, minutes after its hour; `half`: am, pm or nothing."""

    hour: int
    minute: int
    half: str = ""


@dataclass(frozen=True)
class Ratio:
    """Numbers with colons between them."""

    parts: tuple[Scalar, ...]


@dataclass(frozen=True)
class Matrix:
    """Formulas in rows of one length."""

    rows: tuple[tuple[Scalar, ...], ...]


@dataclass(frozen=True)
class Choice:
    """A letter that stands for one of several answers, with that answer where it was given."""

    letter: str
    value: "Answer | None" = None


@dataclass(frozen=True)
class Verbatim:
    """Something that is compared as it is written. `words`: whether there are any words in it."""

    tokens: tuple[Token, ...]
    words: bool


@dataclass(frozen=True)
class Untrue:
    """A statement about numbers that does not hold, such as `5 = 12`. It equals nothing."""


Answer = (
    Scalar | Quantity | Items | Region | Named | Assignments | Equation | Inequality | Congruence | Based | Clock
    | Ratio | Matrix | Choice | Verbatim | Untrue
)  # fmt: skip


def number_of(scalar: Scalar) -> Fraction | None:
    """The value of a real number as a fraction, to its digits; None for anything else."""
    if scalar.names:
        return None
    try:
        return fraction(constant(scalar.node))
    except Undefined:
        return None


def exactly(value: Fraction) -> Scalar:
    """A rational number as an exact value, which was not written as a decimal."""
    return Scalar(Node("number", value=value, text=EXACT))


def is_defined(scalar: Scalar) -> bool:
    """Whether a formula has a value; one with variables is taken to."""
    of = scalar.node.parts[0] if scalar.node.op == "minus" else scalar.node
    if of.op == "infinity":
        return True
    if "infinity" in of.operations:
        return False
    if scalar.names:
        return True
    try:
        constant(scalar.node)
    except Undefined:
        return False
    return True
