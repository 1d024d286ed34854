"""Numbers with a unit, a currency, or a noun: `5 km`, `$5`, `12 apples`, `5 hours 30 minutes`."""

from collections.abc import Iterator, Sequence
from fractions import Fraction

from rlaw.rewards import units
from rlaw.rewards.brackets import Read, Tokens, scalar, sign
from rlaw.rewards.grammar import Node
from rlaw.rewards.latex import Malformed, Token
from rlaw.rewards.units import Unit
from rlaw.rewards.values import Answer, Quantity, Scalar, exactly, number_of

_CURRENCIES = ("$", "euro", "gbp", "yen")
_SIGNS = ("%", "degreeC", "degreeF", *_CURRENCIES)
_ORDINALS = frozenset(["st", "nd", "rd", "th"])
_PER, _TIMES = frozenset(["/", "per"]), frozenset(["cdot", "*", "times"])
_SQUARE, _SQUARED = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}, {"squared": 2, "cubed": 3}


def quantity(ts: Tokens, _: Read) -> Answer | None:
    """A number of something, or several that add up."""
    minus = ts[:1] if sign(ts[0], "-") else []
    if len(ts) > len(minus) and sign(ts[len(minus)], *_CURRENCIES):
        return _money([*minus, *ts[len(minus) + 1 :]], ts[len(minus)].text)
    chunks = [_unit_after(chunk) for chunk in _chunks(ts)]
    if not chunks or any(chunk is None for chunk in chunks):
        return None
    found: list[Answer] = [c[0] if c[1] is None else Quantity(c[0], c[1]) for c in chunks if c is not None]
    total = found[0]
    for one in found[1:]:
        both = added(total, one) if isinstance(total, Quantity) and isinstance(one, Quantity) else None
        if both is None:
            raise Malformed("quantities side by side")
        total = both
    return total


def added(more: Quantity, less: Quantity) -> Quantity | None:
    """`5 hours and 30 minutes` as one quantity: a smaller unit of the same, and less than one of the larger."""
    if more.unit.noun or more.unit.powers != less.unit.powers or more.unit.factor <= less.unit.factor:
        return None
    value, whole = number_of(less.number), number_of(more.number)
    if value is None or whole is None or not 0 <= value < more.unit.factor / less.unit.factor:
        return None
    return Quantity(exactly(whole + value * less.unit.factor / more.unit.factor), more.unit)


def of_letters(number: Scalar) -> Quantity | None:
    """`5 m`, `9.8 m/s^2` without `\\text`: a product of a number and letters as a quantity in these units."""
    found = _measured(number.node)
    return found and Quantity(Scalar(found[0]), found[1])


def _measured(node: Node) -> tuple[Node, Unit] | None:
    """A number and a unit whose product the formula is; None where there are other letters or other operations."""
    if not node.names:
        return node, Unit()
    if node.op == "name":
        unit = units.unit(node.text)
        return unit and (exactly(Fraction(1)).node, unit)
    if node.op == "power":
        base, power = _measured(node.parts[0]), node.parts[1].value
        whole = node.parts[1].op == "number" and power.denominator == 1 and 1 <= power <= 9
        return (Node("power", (base[0], node.parts[1])), base[1] ** int(power)) if base and whole else None
    parts = [_measured(part) for part in node.parts]
    if node.op not in ("times", "over", "minus") or None in parts:
        return None
    numbers, measures = zip(*(part for part in parts if part is not None), strict=True)
    unit = measures[0] if len(measures) == 1 else measures[0] * measures[1] ** (1 if node.op == "times" else -1)
    return Node(node.op, numbers), unit


def _money(ts: Tokens, currency: str) -> Answer | None:
    number, unit = scalar_or_scaled(ts)
    known = units.unit(currency)
    if known is None or (unit is not None and unit.powers != known.powers):
        return None
    return Quantity(number, known)


def scalar_or_scaled(ts: Tokens) -> tuple[Scalar, Unit | None]:
    """A number, where words follow it scaled by them, and the unit that they give it."""
    if not any(t.kind == "word" for t in ts):
        return scalar(ts), None
    found = _unit_after(ts)
    if found is None:
        raise Malformed("no number with a unit")
    return found


def _is_unit(token: Token) -> bool:
    return token.kind == "word" or sign(token, *_SIGNS)


def _chunks(ts: Tokens) -> Iterator[Tokens]:
    """`5 hours 30 minutes` -> `5 hours`, `30 minutes`. Nothing where there is no unit at the end."""
    if not any(_is_unit(token) for token in ts):
        return
    start, met = 0, False
    for place, token in enumerate(ts):
        power = place > 0 and (sign(ts[place - 1], "^", "{", "/") or ts[place - 1].kind == "num")
        if met and token.kind == "num" and not power:
            yield ts[start:place]
            start, met = place, False
        met = met or _is_unit(token)
    yield ts[start:]


def _unit_after(ts: Tokens) -> tuple[Scalar, Unit | None] | None:
    """The number that tokens begin with, and the unit that they end with; None when they are something else."""
    place = next((place for place, token in enumerate(ts) if _is_unit(token)), 0)
    body, rest = list(ts[:place]), list(ts[place:])
    if body and rest[0].key in _ORDINALS:  # `12^{th}`
        if len(rest) == 2 and [t.text for t in body[-2:]] == ["^", "{"]:
            body, rest = body[:-2], rest[:1]
        return (scalar(body), None) if len(rest) == 1 else None
    while body and sign(body[-1], "{", "(", "frac", "cdot"):  # `\frac{\text{m}}{\text{s}}`, `{\rm cm}`
        rest.insert(0, body.pop())
    scale = Fraction(1)
    while rest and rest[0].key in units.SCALES:
        scale *= units.SCALES[rest.pop(0).key]
    unit = _unit(rest) if rest else None
    if not body or (rest and unit is None):
        return None
    number = scalar(body)
    return (number if scale == 1 else Scalar(Node("times", (number.node, exactly(scale).node)))), unit


def _unit(ts: list[Token]) -> Unit | None:
    words = [t for t in ts if not sign(t, "{", "}", "(", ")")]
    if words and sign(words[0], "frac"):
        return _quotient(ts)
    product = _product(words)
    if product is None and all(t.kind == "word" for t in words):
        return units.noun(tuple(t.text for t in words))
    return product


def _quotient(ts: list[Token]) -> Unit | None:
    r"""`\frac{\text{m}}{\text{s}^2}`."""
    depth, halves, half = 0, [[], []], 0
    for token in ts[1:]:
        depth += sign(token, "{") - sign(token, "}")
        if not sign(token, "{", "}"):
            halves[half].append(token)
        half = min(half + (depth == 0), 1)
    top, bottom = map(_product, halves)
    return top * bottom**-1 if top and bottom else None


def _product(ts: Sequence[Token]) -> Unit | None:
    """`kg m / s^2`, `square feet`, `miles per hour`."""
    total, power, ahead, left = Unit(), 1, 1, list(ts)
    while left:
        token = left.pop(0)
        if token.text in _PER:
            power = -1
        elif token.key in _SQUARE:
            ahead = _SQUARE[token.key]
        elif token.text not in _TIMES:
            one = units.unit(token.text)
            if one is None:
                return None
            total *= one ** (power * ahead * _power(left))
            power, ahead = 1, 1
    return total if ts and power == ahead == 1 else None


def _power(left: list[Token]) -> int:
    """The power that stands before what is left, which is taken from it; 1 where there is none."""
    if left and left[0].key in _SQUARED:
        return _SQUARED[left.pop(0).key]
    if not left or not sign(left[0], "^"):
        return 1
    left.pop(0)
    minus = bool(left) and sign(left[0], "-")
    if minus:
        left.pop(0)
    if not left or not left[0].text.isdigit() or len(left[0].text) > 1:
        raise Malformed("a power of a unit")
    return int(left.pop(0).text) * (-1 if minus else 1)
