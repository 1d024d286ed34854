"""Values of formulas: exact where they are rational, else to so many digits that no difference is overlooked.

Work is counted, and refused beyond a limit: an answer costs no more than its share.
"""

import hashlib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from math import comb, factorial, gcd, isqrt, lcm
from typing import Any

from mpmath import mp, mpc, mpf

from rlaw.rewards.grammar import Node

DIGITS = 60
MOST_DIGITS = 2500  # of a value that is not rational
MOST_BITS = 120_000  # of a rational one
MOST_WORK = 40_000  # operations on numbers of a thousand bits
SLACK = 15  # digits lost to rounding

Value = Any  # Fraction, mpf or mpc


class Undefined(ArithmeticError):
    """The formula has no value there, or none that is told apart from others."""


class Beyond(ArithmeticError):
    """Evaluating it would take more than its share of work."""


class _MoreDigits(ArithmeticError):
    def __init__(self, digits: int) -> None:
        super().__init__(digits)
        self.digits = digits


Point = Mapping[str, Fraction]


def values(nodes: Sequence[Node], point: Point) -> tuple[list[Value], int]:
    """The values of formulas at one point, and the number of digits of those that are not rational.

    Raises:
        Undefined: one has none.
        Beyond: it takes too much work.
    """
    is_complex = any("i" in node.constants for node in nodes) or not point
    digits = DIGITS
    while digits <= MOST_DIGITS:
        with mp.workdps(digits):
            try:
                return [_Evaluator(point, is_complex).value(node) for node in nodes], digits
            except _MoreDigits as error:
                digits = max(2 * digits, error.digits + DIGITS)
            except ZeroDivisionError as error:
                raise Undefined from error
            except (ValueError, OverflowError) as error:
                raise Beyond from error
    raise Beyond("digits")


def constant(node: Node) -> Value:
    """The value of a formula without variables."""
    return values((node,), {})[0][0]


def close(a: Value, b: Value, digits: int) -> bool:
    """Whether two values are the same number, as far as their digits go; rational ones exactly."""
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return a == b
    if is_zero(a) or is_zero(b):
        return is_zero(a) and is_zero(b)
    bits = max(bit_length(value) for value in (a, b))
    with mp.workdps(max(digits, int(bits * 0.302) + SLACK)):
        a, b = _mp(a), _mp(b)
        return bool(abs(a - b) <= mpf(10) ** (SLACK - digits) * max(abs(a), abs(b)))


def real(value: Value) -> Value:
    """The value as a real number.

    Raises:
        Undefined: it is complex.
    """
    if isinstance(value, mpc):
        if value.imag:
            raise Undefined
        return value.real
    return value


def fraction(value: Value) -> Fraction:
    """A real value as a rational number, to its digits."""
    value = real(value)
    if isinstance(value, Fraction):
        return value
    sign, mantissa, exponent, _ = value._mpf_
    return (-1) ** sign * Fraction(int(mantissa)) * Fraction(2) ** exponent


def is_zero(value: Value) -> bool:
    """Whether a value is zero."""
    return value == 0


def _mp(value: Value) -> Any:
    """The value in so many digits that it is told apart from any rational number of its size."""
    if not isinstance(value, Fraction):
        return value
    needed = int(bit_length(value) * 0.302) + SLACK
    if needed > mp.dps:
        raise _MoreDigits(needed)
    return mpf(value.numerator) / value.denominator


def divide(a: Value, b: Value) -> Value:
    """One value over another, exact where both are."""
    return a / b if isinstance(a, Fraction) and isinstance(b, Fraction) else _mp(a) / _mp(b)


def _magnitude(value: Value) -> int:
    """The binary logarithm of a value that is not zero, rounded."""
    if isinstance(value, Fraction):
        return value.numerator.bit_length() - value.denominator.bit_length()
    return int(mp.mag(value))


def bit_length(value: Value) -> int:
    """Bits of the numbers that a value is written with."""
    return value.numerator.bit_length() + value.denominator.bit_length() if isinstance(value, Fraction) else 0


class _Evaluator:
    def __init__(self, point: Point, is_complex: bool) -> None:
        self.point, self.is_complex, self.work = point, is_complex, 0.0
        self.known: dict[int, Value] = {}

    def value(self, node: Node) -> Value:
        found = self.known.get(id(node))
        if found is None:
            method = getattr(self, f"_{node.op}", None)
            if method is None:
                raise Undefined(node.op)
            found = self.known[id(node)] = self._checked(method(node))
        return found

    def _checked(self, value: Value) -> Value:
        bits = bit_length(value) if isinstance(value, Fraction) else mp.prec
        self.work += 1 + bits / 1000
        if bits > MOST_BITS or self.work > MOST_WORK:
            raise Beyond("work")
        if not isinstance(value, Fraction):
            if not mp.isfinite(value):
                raise Undefined
            if isinstance(value, mpc) and not value.imag:
                value = value.real
            if value and abs(_magnitude(value)) > 10**6:
                raise Beyond("size")
        return value

    def _number(self, node: Node) -> Value:
        return node.value

    def _name(self, node: Node) -> Value:
        if node.text == "pi":
            return +mp.pi
        if node.text == "e":
            return mp.e + 0
        if node.text == "i":
            return mpc(0, 1)
        return self.point[node.text]

    def _opaque(self, node: Node) -> Value:
        """Something that is only compared: the same number for the same text of the same values."""
        parts = [_shown(self.value(part)) for part in node.parts]
        key = hashlib.sha256("\x00".join([node.text, *parts]).encode("utf-8", "surrogatepass")).digest()
        return Fraction(int.from_bytes(key[:8], "big") + 1, 1 << 62)

    def _minus(self, node: Node) -> Value:
        return -self.value(node.parts[0])

    def _add(self, node: Node) -> Value:
        total = self.value(node.parts[0])
        for part in node.parts[1:]:
            total = self._checked(self._plus(total, self.value(part)))
        return total

    def _plus(self, a: Value, b: Value) -> Value:
        if isinstance(a, Fraction) and isinstance(b, Fraction):
            return a + b
        if is_zero(a) or is_zero(b):
            return b if is_zero(a) else a
        apart = abs(_magnitude(a) - _magnitude(b))
        if apart > mp.prec - 100:
            raise _MoreDigits(int(apart * 0.302) + 2 * SLACK)
        total = _mp(a) + _mp(b)
        size = max(_magnitude(a), _magnitude(b))
        if not total or _magnitude(total) < size - mp.prec + 50:
            return Fraction(0)
        return total

    def _times(self, node: Node) -> Value:
        a, b = (self.value(part) for part in node.parts)
        if isinstance(a, Fraction) and isinstance(b, Fraction):
            return a * b
        return Fraction(0) if is_zero(a) or is_zero(b) else _mp(a) * _mp(b)

    def _over(self, node: Node) -> Value:
        a, b = (self.value(part) for part in node.parts)
        if is_zero(b):
            raise Undefined
        return Fraction(0) if is_zero(a) else divide(a, b)

    def _power(self, node: Node) -> Value:
        base, exponent = (self.value(part) for part in node.parts)
        if is_zero(base):
            if isinstance(exponent, mpc) or exponent <= 0:
                raise Undefined
            return Fraction(0)
        if isinstance(exponent, Fraction) and exponent.denominator == 1:
            return self._whole_power(base, int(exponent))
        if isinstance(base, Fraction) and isinstance(exponent, Fraction) and base > 0:
            if exponent.denominator > 1000:
                return self._real_power(base, exponent)
            root = _exact_root(base, exponent.denominator)
            if root is not None:
                return self._whole_power(root, exponent.numerator)
        return self._real_power(base, exponent)

    def _whole_power(self, base: Value, exponent: int) -> Value:
        if base in (1, -1):
            return base if exponent % 2 else Fraction(1)
        if isinstance(base, Fraction):
            if bit_length(base) * abs(exponent) > 2 * MOST_BITS:
                raise Beyond("power")
            return base**exponent
        if abs(exponent) * (abs(_magnitude(base)) + 1) > 10**6:
            raise Beyond("power")
        if abs(exponent) > 10**4:
            raise Beyond("power")
        return base**exponent

    def _real_power(self, base: Value, exponent: Value) -> Value:
        negative = not isinstance(base, mpc) and base < 0
        if (negative or isinstance(base, mpc)) and not self.is_complex:
            raise Undefined
        if negative and isinstance(exponent, Fraction) and exponent.denominator != 2:
            raise Undefined  # a real root, or a complex one
        size = abs(_magnitude(exponent)) if exponent else 0
        if size > 64 or (abs(_mp(exponent)) * (abs(_magnitude(base)) + 2)) > 10**6:
            raise Beyond("power")
        return mp.power(_mp(base), _mp(exponent))

    def _root(self, node: Node) -> Value:
        of, degree = self.value(node.parts[0]), int(node.value)
        if is_zero(of):
            return Fraction(0)
        if isinstance(of, Fraction):
            root = _exact_root(abs(of), degree)
            if root is not None and (of > 0 or degree % 2):
                return root if of > 0 else -root
        if isinstance(of, mpc):
            return mp.root(of, degree)
        if of < 0:
            if degree % 2:
                return -mp.root(-_mp(of), degree)
            if not self.is_complex or degree != 2:
                raise Undefined
            return mpc(0, 1) * mp.sqrt(-_mp(of))
        return mp.root(_mp(of), degree)

    def _absolute(self, node: Node) -> Value:
        return abs(self.value(node.parts[0]))

    def _floor(self, node: Node) -> Value:
        return self._rounded(node, mp.floor, lambda x: x.numerator // x.denominator)

    def _ceiling(self, node: Node) -> Value:
        return self._rounded(node, mp.ceil, lambda x: -(-x.numerator // x.denominator))

    def _rounded(self, node: Node, rounded: Any, exactly: Any) -> Value:
        of = real(self.value(node.parts[0]))
        if isinstance(of, Fraction):
            return Fraction(exactly(of))
        if _magnitude(of) > mp.prec // 2:
            raise Beyond("size")
        nearest = mp.nint(of)
        if abs(of - nearest) < mpf(10) ** (SLACK - mp.dps):
            return Fraction(int(nearest))
        return Fraction(int(rounded(of)))

    def _factorial(self, node: Node) -> Value:
        of = self._whole(node.parts[0])
        if of > 8000:
            raise Beyond("factorial")
        return Fraction(factorial(of))

    def _whole(self, node: Node) -> int:
        of = self.value(node)
        if not isinstance(of, Fraction) or of.denominator != 1 or of < 0:
            raise Undefined
        return int(of)

    def _binomial(self, node: Node) -> Value:
        above, below = self.value(node.parts[0]), self._whole(node.parts[1])
        if isinstance(above, Fraction) and above.denominator == 1 and above >= 0:
            if min(below, int(above) - below) > 3000 or above > 10**6:
                raise Beyond("binomial")
            return Fraction(comb(int(above), below))
        if not isinstance(above, Fraction) or below > 200:
            raise Undefined
        product = Fraction(1)
        for k in range(below):
            product *= (above - k) / Fraction(k + 1)
        return product

    def _gcd(self, node: Node) -> Value:
        return Fraction(gcd(*(self._whole(part) for part in node.parts)))

    def _lcm(self, node: Node) -> Value:
        return Fraction(lcm(*(self._whole(part) for part in node.parts)))

    def _max(self, node: Node) -> Value:
        return max((real(self.value(part)) for part in node.parts), key=_mp)

    def _min(self, node: Node) -> Value:
        return min((real(self.value(part)) for part in node.parts), key=_mp)

    def _degrees(self, node: Node) -> Value:
        of = self.value(node.parts[0])
        return Fraction(0) if is_zero(of) else _mp(of) * mp.pi / 180

    def _log(self, node: Node) -> Value:
        """A logarithm without a base has one that nothing else has: it may be 10 or e."""
        of = self._logarithm(node.parts[0])
        if is_zero(of):
            return of
        if len(node.parts) == 1:
            return of * mpf("0.83190724152366117")
        base = self._logarithm(node.parts[1])
        if is_zero(base):
            raise Undefined
        return of / base

    def _ln(self, node: Node) -> Value:
        return self._logarithm(node.parts[0])

    def _logarithm(self, node: Node) -> Value:
        of = self.value(node)
        if isinstance(of, mpc) or of <= 0:
            raise Undefined
        return Fraction(0) if of == 1 else mp.log(_mp(of))

    def _transcendental(self, node: Node, function: Any) -> Value:
        of = self.value(node.parts[0])
        if not is_zero(of) and _magnitude(of) > 2000:
            raise Beyond("size")
        value = function(_mp(of))
        if abs(value) < mpf(10) ** (SLACK - mp.dps):
            return Fraction(0)
        return value

    def _sin(self, node: Node) -> Value:
        return self._transcendental(node, mp.sin)

    def _cos(self, node: Node) -> Value:
        return self._transcendental(node, mp.cos)

    def _ratio(self, node: Node, above: str, below: str) -> Value:
        bottom = Fraction(1) if not below else self._checked(getattr(self, f"_{below}")(node))
        if is_zero(bottom):
            raise Undefined
        top = Fraction(1) if not above else self._checked(getattr(self, f"_{above}")(node))
        return Fraction(0) if is_zero(top) else divide(top, bottom)

    def _tan(self, node: Node) -> Value:
        return self._ratio(node, "sin", "cos")

    def _cot(self, node: Node) -> Value:
        return self._ratio(node, "cos", "sin")

    def _sec(self, node: Node) -> Value:
        return self._ratio(node, "", "cos")

    def _csc(self, node: Node) -> Value:
        return self._ratio(node, "", "sin")

    def _inverse(self, node: Node, function: Any, most: int | None) -> Value:
        of = real(self.value(node.parts[0]))
        if is_zero(of) and function is not mp.acos:
            return Fraction(0)
        if most is not None and abs(_mp(of)) > most:
            raise Undefined
        value = function(_mp(of))
        return value if value else Fraction(0)

    def _arcsin(self, node: Node) -> Value:
        return self._inverse(node, mp.asin, 1)

    def _arccos(self, node: Node) -> Value:
        return self._inverse(node, mp.acos, 1)

    def _arctan(self, node: Node) -> Value:
        return self._inverse(node, mp.atan, None)

    def _hyperbolic(self, node: Node, function: Any) -> Value:
        of = self.value(node.parts[0])
        if not is_zero(of) and _magnitude(of) > 19:
            raise Beyond("size")
        return function(_mp(of)) or Fraction(0)

    def _sinh(self, node: Node) -> Value:
        return self._hyperbolic(node, mp.sinh)

    def _cosh(self, node: Node) -> Value:
        return self._hyperbolic(node, mp.cosh)

    def _tanh(self, node: Node) -> Value:
        return self._hyperbolic(node, mp.tanh)


def _exact_root(value: Fraction, degree: int) -> Fraction | None:
    """The rational root of a positive number, where it has one."""
    above, below = _whole_root(value.numerator, degree), _whole_root(value.denominator, degree)
    return None if above is None or below is None else Fraction(above, below)


def _whole_root(value: int, degree: int) -> int | None:
    if degree == 2:
        root = isqrt(value)
    else:
        low, high = 0, 1 << (value.bit_length() // degree + 1)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if middle**degree <= value else (low, middle - 1)
        root = low
    return root if root**degree == value else None


def _shown(value: Value) -> str:
    return str(value) if isinstance(value, Fraction) else str(mp.nstr(value, 30))


def rising(numbers: Sequence[Value]) -> bool:
    """Whether real numbers rise strictly."""
    return all(fraction(a) < fraction(b) for a, b in pairwise(numbers))
