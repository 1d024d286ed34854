"""`x = 5`, equations, inequalities, what a value lies in, what it is about."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from rlaw.rewards.agreement import agree
from rlaw.rewards.brackets import Read, Tokens, closing, scalar, sign, split, split_at, trimmed
from rlaw.rewards.grammar import Node, formula
from rlaw.rewards.latex import Malformed, Token
from rlaw.rewards.regions import as_region, end_of
from rlaw.rewards.values import (
    Answer,
    Assignments,
    Congruence,
    Equation,
    Inequality,
    Items,
    Named,
    Piece,
    Region,
    Scalar,
    Untrue,
    number_of,
)

_LESS, _TURNED = {"<": False, "le": True}, {">": "<", "ge": "le"}
_RELATIONS = frozenset(["=", *_LESS, *_TURNED, "ne", "in", "approx", "equiv", "to", "subset", "subseteq", "cong"])
_TWO_SIGNS = {"<": "le", ">": "ge", "!": "ne"}
_MODULO = frozenset(["pmod", "bmod", "mod"])
_OF_A_VALUE = (",", "^", "{", "}", "-", "(", ")", "'", "_")


def related(ts: Tokens, read: Read) -> Answer | None:
    """Two or more sides with relations between them."""
    sides, marks = split(_whole(ts), lambda t: t.kind in ("op", "cmd") and t.text in _RELATIONS)
    kinds = [mark.text for mark in marks]
    if not marks:
        return None
    if "approx" in kinds:
        return _approximated(sides, kinds, read)
    if not all(sides):
        raise Malformed("nothing on one side")
    if set(kinds) == {"="}:
        return _equal(sides, read)
    if set(kinds) <= set(_TURNED):
        sides, kinds = sides[::-1], [_TURNED[kind] for kind in reversed(kinds)]
    if set(kinds) <= set(_LESS):
        return _ordered(sides, [_LESS[kind] for kind in kinds])
    return _of_two(sides, kinds[0], read) if len(kinds) == 1 else None


def congruence(ts: Tokens, _: Read) -> Congruence | None:
    r"""`3 \pmod 7`."""
    place = next((place for place, t in enumerate(ts) if t.key in _MODULO and t.kind != "name"), 0)
    left, right = ts[:place], ts[place + 1 :]
    if left and right and sign(left[-1], "(") and sign(right[-1], ")"):
        left, right = left[:-1], right[:-1]
    return Congruence(scalar(left), scalar(right)) if left and right else None


def label(ts: Tokens) -> str:
    """The name that one side of an equation gives to the other; empty when it is none."""
    ts = trimmed(ts)
    if _is_tuple_of_names(ts) or _is_value_of(ts):
        return "".join(t.text for t in ts)
    text = " ".join(t.key for t in ts)
    if ts and all(t.kind == "word" for t in ts):
        return text
    try:
        node = formula(ts)
    except Malformed:
        return ""
    if node.op == "name" and node.names:
        return node.text
    named = node.op == "opaque" or _is_segment(node) or (node.op == "absolute" and _is_segment(node.parts[0]))
    return text if named else ""


def _whole(ts: Tokens) -> list[Token]:
    """The tokens with `<=`, `>=` and `!=` as one each."""
    out: list[Token] = []
    for token in ts:
        if token.text == "=" and not token.spaced and out and out[-1].kind == "op" and out[-1].text in _TWO_SIGNS:
            out[-1] = Token("cmd", _TWO_SIGNS[out[-1].text], out[-1].spaced)
        else:
            out.append(token)
    return out


def _is_tuple_of_names(ts: Tokens) -> bool:
    """`(x, y)`."""
    inner = ts[1:-1]
    brackets = len(ts) > 4 and sign(ts[0], "(") and sign(ts[-1], ")")
    return brackets and all(t.kind == "name" for t in inner[::2]) and all(sign(t, ",") for t in inner[1::2])


def _is_value_of(ts: Tokens) -> bool:
    """`P(x)`, `f^{-1}(x)`: a name, and what it is a function of."""
    opening = next((place for place, t in enumerate(ts) if sign(t, "(")), 0)
    if not opening or ts[0].kind != "name" or closing(ts, opening) != len(ts) - 1:
        return False
    return all(t.kind in ("name", "num") or sign(t, *_OF_A_VALUE) for t in ts)


def _is_segment(node: Node) -> bool:
    """Whether a product is of capital letters alone: AB, the segment."""
    if node.op == "times":
        return all(_is_segment(part) for part in node.parts)
    return node.op == "name" and node.text[0].isupper()


def _equal(sides: list[Tokens], read: Read) -> Answer:
    if name := label(sides[0]):
        return _named(name, sides, read)
    if len(sides) == 2 and (name := label(sides[1])):  # `5 = x`
        value = read(sides[0])
        if isinstance(value, Scalar) and name not in value.names:
            return Named(name, value)
    nodes = [scalar(side).node for side in sides]
    if not any(node.names for node in nodes):
        return Scalar(nodes[-1]) if _all_agree(nodes) else Untrue()
    if len(nodes) != 2:
        raise Malformed("a row of equations")
    return Equation(_difference(*nodes))


def _named(name: str, sides: list[Tokens], read: Read) -> Answer:
    value = read(sides[-1])
    if len(sides) == 2 and isinstance(value, Scalar) and name in value.names:
        return Equation(_difference(scalar(sides[0]).node, value.node))
    if len(sides) > 2 and not _all_agree([scalar(side).node for side in sides[1:]]):
        return Untrue()
    if name.startswith("(") and isinstance(value, Items) and value.kind == "tuple":
        names = name.strip("()").split(",")
        if len(names) == len(value.parts):
            return Assignments(tuple(sorted(map(Named, names, value.parts), key=lambda part: part.name)))
    return Named(name, value)


def _all_agree(nodes: list[Node]) -> bool:
    return all(agree(a, b) for a, b in pairwise(nodes))


def _difference(one: Node, other: Node) -> Node:
    return Node("add", (one, Node("minus", (other,))))


def _approximated(sides: list[Tokens], kinds: list[str], read: Read) -> Answer:
    r"""`\sqrt{2} \approx 1.41` is its left side where the right one is a rounding of it."""
    if kinds[-1] != "approx" or kinds.count("approx") > 1:
        raise Malformed("an approximation of an approximation")
    about = read(sides[-1])
    decimal = about.decimal if isinstance(about, Scalar) else None
    if len(sides) == 2 and (not sides[0] or label(sides[0])):
        if decimal is None:
            raise Malformed("not a decimal")
        return Named(label(sides[0]), about) if sides[0] else about
    exact = _equal(sides[:-1], read) if len(sides) > 2 else read(sides[0])
    value = exact.value if isinstance(exact, Named) else exact
    number = number_of(value) if isinstance(value, Scalar) else None
    rounds = decimal is not None and number is not None and abs(number - decimal.value) <= decimal.last / 2
    return exact if rounds else Untrue()


def _of_two(sides: list[Tokens], kind: str, read: Read) -> Answer | None:
    if kind == "ne":
        variable, bound = _variable_and_bound(*map(scalar, sides))
        return Region((Piece(None, bound), Piece(bound, None)), variable)
    name = label(sides[0])
    if not name:
        return None
    if kind == "equiv":
        found = congruence(sides[1], read)
        return found and replace(found, name=name)
    return _member(name, read(sides[1])) if kind == "in" else None


def _member(name: str, found: Answer) -> Answer | None:
    region = as_region(found)
    if region is not None:
        return replace(region, variable=name)
    return Named(name, found) if isinstance(found, Items) and found.kind == "set" else None


def _is_variable(one: Scalar, *others: Scalar) -> bool:
    return one.node.op == "name" and bool(one.names) and not any(one.names & other.names for other in others)


def _variable_and_bound(one: Scalar, other: Scalar) -> tuple[str, Scalar]:
    for name, bound in ((one, other), (other, one)):
        if _is_variable(name, bound):
            return name.node.text, bound
    raise Malformed("no variable alone on one side")


def _ordered(sides: Sequence[Tokens], closed: list[bool]) -> Answer:
    """`a < b`, `a < x <= b`: an interval of a variable, or a formula that is positive."""
    bounds = [scalar(side) for side in sides]
    if len(bounds) == 3 and _is_variable(bounds[1], bounds[0], bounds[2]):
        piece = Piece(end_of(bounds[0]), end_of(bounds[2]), *closed)
        return Region((piece,), bounds[1].node.text)
    if len(bounds) != 2:
        raise Malformed("not an inequality of one variable")
    low, high = bounds
    if _is_variable(low) and not high.names:
        return Region((Piece(None, end_of(high), False, closed[0]),), low.node.text)
    if _is_variable(high) and not low.names:
        return Region((Piece(end_of(low), None, closed[0]),), high.node.text)
    if not low.names | high.names:
        raise Malformed("an inequality of numbers")
    return Inequality(_difference(high.node, low.node), not closed[0])


def condition(halves: Sequence[Tokens], read: Read) -> Answer | None:
    r"""What fulfils a condition: `\{x \mid x > 3\}`, cut at its bar."""
    found = read(halves[1])
    variable = split_at(halves[0], "in")[0][0]
    named = isinstance(found, Region) and label(variable) == found.variable
    return replace(found, variable="") if named and isinstance(found, Region) else None
