"""A formula's tokens as a tree. What could be read in two ways, such as `2 3`, is no formula."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from rlaw.rewards.latex import Malformed, Token

DEEPEST = 60  # brackets within brackets
MOST_DIGITS = 4300
_CLOSED = {"(": ")", "[": "]", "{": "}", r"\{": r"\}", "|": "|", "lfloor": "rfloor", "lceil": "rceil"}
_TIMES = frozenset(["*", "cdot", "times"])
_OVER = frozenset(["/", "div"])
_CALLED = frozenset("fghFG")  # f(x) is a value of a function; p(x) may be a product
_UNEVALUATED = frozenset(["sum", "int", "prod", "lim", "iint", "oint", "limsup", "liminf"])
_ACCENTS = frozenset(["overline", "bar", "vec", "hat", "tilde", "overrightarrow", "widehat", "angle", "triangle"])
_SIGNED = {"+": {"+": "+", "-": "-"}, "-": {"+": "-", "-": "+"}}
_BINARY = frozenset(["+", "-", "pm", "mp"])
_CONSTANTS = frozenset(["pi", "e", "i"])


class TooDeep(Malformed):
    """Brackets nested beyond what is read."""


@dataclass(frozen=True)
class Node:
    """A formula: `number`, `name`, `infinity`, `opaque`, or an operation on its parts.

    Attributes:
        op: what it is.
        parts: what it is of.
        value: of a number.
        text: of a name or of something that is only compared; of a number as it was written.
    """

    op: str
    parts: tuple["Node", ...] = ()
    value: Fraction = Fraction(0)
    text: str = ""

    @cached_property
    def names(self) -> frozenset[str]:
        """Its variables; something that is only compared is one of its own."""
        if self.op == "name":
            return frozenset() if self.text in _CONSTANTS else frozenset([self.text])
        own = frozenset([self.text]) if self.op == "opaque" else frozenset()
        return own.union(*(part.names for part in self.parts))

    @cached_property
    def operations(self) -> frozenset[str]:
        """Every operation in it."""
        return frozenset([self.op]).union(*(part.operations for part in self.parts))

    @cached_property
    def constants(self) -> frozenset[str]:
        """Which of π, e and i stand in it."""
        own = frozenset([self.text]) if self.op == "name" and self.text in _CONSTANTS else frozenset()
        return own.union(*(part.constants for part in self.parts))


ONE, MINUS_ONE = Node("number", value=Fraction(1), text="1"), Node("number", value=Fraction(-1), text="-1")


def number(text: str) -> Node:
    """A number as written: digits, a decimal, `1.5e3`, or with a period in brackets."""
    if len(text) > MOST_DIGITS:
        raise Malformed("too many digits")
    if "(" in text:
        return Node("number", value=_periodic(text), text=text)
    mantissa, _, exponent = text.lower().partition("e")
    if exponent:
        if len(exponent) > 6 or abs(int(exponent)) > MOST_DIGITS:
            raise Malformed("too many digits")
        return Node("number", value=Fraction(mantissa) * Fraction(10) ** int(exponent), text=text)
    return Node("number", value=Fraction(text), text=text)


def _periodic(text: str) -> Fraction:
    fixed, _, period = text.rstrip(")").partition("(")
    digits = len(fixed.partition(".")[2])
    whole = Fraction(fixed if fixed.strip(".") else "0")
    return whole + Fraction(int(period), (10 ** len(period) - 1) * 10**digits)


def formula(tokens: Sequence[Token]) -> Node:
    """The tree of a formula.

    Raises:
        Malformed: it is none, or has two readings.
    """
    parser = _Parser(tokens)
    tree = parser.halves()
    if parser.at < len(tokens):
        raise Malformed(f"{tokens[parser.at].text} is not expected")
    return tree


def _mixed(whole: str, above: str, below: str) -> Node:
    if not (above.isdigit() and below.isdigit() and 0 < int(above) < int(below)):
        raise Malformed("neither a mixed number nor a product")
    return Node("number", value=int(whole) + Fraction(int(above), int(below)), text="mixed")


class _Parser:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens, self.at, self.depth, self.bars = tokens, 0, 0, 0

    def peek(self, ahead: int = 0) -> Token | None:
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else None

    def text(self, ahead: int = 0) -> str:
        token = self.peek(ahead)
        return token.text if token and token.kind in ("op", "cmd") else ""

    def take(self) -> Token:
        token = self.peek()
        if token is None:
            raise Malformed("it ends too early")
        self.at += 1
        return token

    def expect(self, text: str) -> None:
        if self.text() != text:
            raise Malformed(f"{text} is missing")
        self.at += 1

    def sum(self) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise TooDeep("nested too deeply")
        terms: list[Node] = []
        while not terms or self.text() in _BINARY:
            sign = self.take().text if self.text() in _BINARY else "+"
            if sign in _SIGNED and self.text() in ("+", "-"):  # `3 + -2`; a longer row of signs is no formula
                sign = _SIGNED[sign][self.take().text]
            term = self.product()
            terms.append(term if sign == "+" else Node({"-": "minus"}.get(sign, sign), (term,)))
        self.depth -= 1
        return terms[0] if len(terms) == 1 else Node("add", tuple(terms))

    def product(self) -> Node:
        result, over = self._first(), False
        while (token := self.peek()) is not None:
            if token.kind in ("op", "cmd") and token.text in _TIMES | _OVER:
                self.at += 1
                negative = self.text() == "-"
                self.at += negative
                right = self.power()
                right = Node("minus", (right,)) if negative else right
                result = Node("times" if token.text in _TIMES else "over", (result, right))
                over = True
            elif self._starts_factor(token):
                if token.kind == "num" or (over and self._ambiguous(token)):
                    raise Malformed("two numbers side by side")
                result, over = Node("times", (result, self.power())), False
            else:
                break
        return result

    def _ambiguous(self, token: Token) -> bool:
        """Whether a factor after `a/b` could belong to b: only a number's denominator is closed by what follows."""
        previous = self.tokens[self.at - 1]
        over = self.at >= 2 and self.tokens[self.at - 2].text == "/"
        return over and previous.kind == "name" and token.kind == "name" and not token.spaced

    def _first(self) -> Node:
        """The first factor, which may be a mixed number: `2\\frac{1}{4}`, `2 1/4`."""
        token, after, start = self.peek(), self.peek(1), self.at
        if token is None or after is None or token.kind != "num" or not token.text.isdigit():
            return self.power()
        if after.text == "frac":
            self.at += 1
            fraction = self.power()
            if fraction.op == "over" and all(part.op == "number" for part in fraction.parts):
                return _mixed(token.text, *(part.text for part in fraction.parts))
            self.at = start
        below = self.peek(3)
        if after.kind == "num" and after.spaced and self.text(2) == "/" and below is not None and below.kind == "num":
            self.at += 4
            return _mixed(token.text, after.text, below.text)
        return self.power()

    def _starts_factor(self, token: Token) -> bool:
        if token.kind in ("num", "name", "func"):
            return True
        if token.kind == "op":
            return token.text in ("(", "[", "{") or (token.text == "|" and not self.bars)
        return _begins(token)

    def power(self) -> Node:
        base = self.postfix()
        if self.text() != "^":
            return base
        self.at += 1
        if self.text() in ("circ", "degree"):
            self.at += 1
            return self._postfixed(Node("degrees", (base,)))
        if self.text() == "{" and self.text(1) in ("circ", "degree") and self.text(2) == "}":
            self.at += 3
            return self._postfixed(Node("degrees", (base,)))
        exponent = self.exponent()
        return self._postfixed(Node("power", (base, exponent)))

    def exponent(self) -> Node:
        if self.text() == "{":
            return self.group("{")
        if self.text() in ("+", "-"):
            sign = self.take().text
            inner = self.power()
            return Node("minus", (inner,)) if sign == "-" else inner
        token = self.peek()
        if token is not None and token.kind == "num":
            self.at += 1
            return number(token.text)
        inner = self.primary()
        if self.text() == "^":  # `2**3**2`; TeX allows no second raising
            self.at += 1
            return Node("power", (inner, self.exponent()))
        return inner

    def postfix(self) -> Node:
        return self._postfixed(self.primary())

    def _postfixed(self, node: Node) -> Node:
        while True:
            if self.text() == "!" and self.text(1) != "=":
                self.at += 1
                node = Node("factorial", (node,))
            elif self.text() in ("circ", "degree"):
                self.at += 1
                node = Node("degrees", (node,))
            else:
                return node

    def group(self, opening: str) -> Node:
        self.expect(opening)
        inner = self.halves() if opening == "{" else self.sum()
        self.expect(_CLOSED[opening])
        return inner

    def halves(self) -> Node:
        """A formula, or TeX's `a \\over b` and `n \\choose k`, which take all that stands in their braces."""
        above = self.sum()
        if self.text() not in ("over", "choose"):
            return above
        return Node("over" if self.take().text == "over" else "binomial", (above, self.sum()))

    def argument(self) -> Node:
        """What a command is of: a group, or as in TeX one digit or letter."""
        if self.text() == "{":
            return self.group("{")
        token = self.peek()
        if token is not None and token.kind == "num" and len(token.text) > 1 and token.text.isdigit():
            split = Token("num", token.text[1:])
            self.tokens = [*self.tokens[: self.at], Token("num", token.text[0]), split, *self.tokens[self.at + 1 :]]
        return self.primary()

    def primary(self) -> Node:
        token = self.take()
        if token.kind == "num":
            return number(token.text)
        if token.kind == "name":
            return self._name(token)
        if token.kind == "func":
            return self._function(token.text)
        if token.text in ("(", "[", "{"):
            self.at -= 1
            return self.group(token.text)
        if token.text == "|":
            self.bars += 1
            inner = self.sum()
            self.expect("|")
            self.bars -= 1
            return Node("absolute", (inner,))
        if _begins(token):
            return self._command(token.text)
        raise Malformed(f"{token.text} is not expected")

    def _name(self, token: Token) -> Node:
        text = token.text + self._subscript() + self._primes()
        if token.text in _CALLED and self.text() == "(" and (after := self.peek()) and not after.spaced:
            return Node("opaque", self._arguments(), text=f"{text}()")
        return Node("name", text=text)

    def _subscript(self) -> str:
        if self.text() != "_":
            return ""
        self.at += 1
        if self.text() != "{":
            return f"_{self.take().text}"
        return "_" + self._raw_group()

    def _raw_group(self) -> str:
        start, depth = self.at + 1, 0
        while True:
            token = self.take()
            depth += (token.text == "{") - (token.text == "}")
            if not depth:
                return " ".join(t.text for t in self.tokens[start : self.at - 1])

    def _primes(self) -> str:
        count = 0
        while self.text() == "'":
            self.at += 1
            count += 1
        return "'" * count

    def _arguments(self) -> tuple[Node, ...]:
        closing = _CLOSED[self.take().text]
        found = [self.sum()]
        while self.text() == ",":
            self.at += 1
            found.append(self.sum())
        self.expect(closing)
        return tuple(found)

    def _function(self, name: str) -> Node:
        base, exponent = None, None
        for _ in range(2):
            if self.text() == "_" and base is None:
                self.at += 1
                base = self.argument() if self.text() == "{" else self.primary()
            elif self.text() == "^" and exponent is None:
                self.at += 1
                exponent = self.exponent()
        if name in ("gcd", "lcm", "max", "min", "det"):
            if self.text() not in ("(", r"\{", "["):
                raise Malformed(f"{name} of nothing")
            node = Node(name, self._arguments())
        else:
            node = self._applied(name, base, exponent)
            if exponent == MINUS_ONE or exponent == Node("minus", (ONE,)):
                return node
        return node if exponent is None else Node("power", (node, exponent))

    def _applied(self, name: str, base: Node | None, exponent: Node | None) -> Node:
        of = self._operand()
        if exponent == Node("minus", (ONE,)):
            if name not in ("sin", "cos", "tan"):
                raise Malformed(f"{name} has no such inverse")
            return Node(f"arc{name}", (of,))
        if name == "log":
            return Node("log", (of,) if base is None else (of, base))
        if base is not None:
            raise Malformed(f"{name} has no base")
        if name == "exp":
            return Node("power", (Node("name", text="e"), of))
        return Node("log", (of, Node("number", value=Fraction(10), text="10"))) if name == "lg" else Node(name, (of,))

    def _operand(self) -> Node:
        """What a function without brackets is of: factors side by side, up to an operator or another function."""
        if self.text() in ("(", "[") or self.text() == "{":
            return self.power()
        if self.text() == "-":
            self.at += 1
            return Node("minus", (self._operand(),))
        token = self.peek()
        if token is not None and token.kind == "func":
            return self.power()
        result = self._first()
        while (token := self.peek()) is not None and token.kind != "func" and token.text not in ("(", "["):
            if token.text == "/" and not result.names:  # `\cos\pi/3`, but not `\sin x / x`
                self.at += 1
                result = Node("over", (result, self.power()))
                continue
            if not self._starts_factor(token):
                break
            if token.kind == "num":
                raise Malformed("two numbers side by side")
            result = Node("times", (result, self.power()))
        return result

    def _command(self, name: str) -> Node:
        special = {"sqrt": self._root, "lfloor": self._rounded, "lceil": self._rounded}
        if name in special:
            return special[name](name)
        if name in ("frac", "binom"):
            return Node("over" if name == "frac" else "binomial", (self.argument(), self.argument()))
        if name in _ACCENTS:
            return self._accented(name)
        if name in _UNEVALUATED:
            return self._unevaluated(name)
        return Node("infinity") if name == "infty" else Node("opaque", text=name)

    def _root(self, _: str) -> Node:
        degree = Fraction(2)
        if self.text() == "[":
            inner = self.group("[")
            if inner.op != "number" or not (inner.value.denominator == 1 and 2 <= inner.value <= 1000):
                raise Malformed("a root of this degree")
            degree = inner.value
        return Node("root", (self.group("(") if self.text() == "(" else self.argument(),), value=degree)

    def _rounded(self, name: str) -> Node:
        inner = self.sum()
        self.expect(_CLOSED[name])
        return Node("floor" if name == "lfloor" else "ceiling", (inner,))

    def _accented(self, name: str) -> Node:
        """`\\overline{AB}`, `\\angle ABC`: only compared."""
        start = self.at
        if self.text() == "{":
            self._raw_group()
        else:
            while (token := self.peek()) is not None and token.kind == "name":
                self.at += 1
        if self.at == start:
            raise Malformed(f"{name} of nothing")
        return Node("opaque", text=_written(name, self.tokens[start : self.at]))

    def _unevaluated(self, name: str) -> Node:
        """A sum, an integral, a limit: only compared. Everything up to the end of the bracket belongs to it."""
        start, depth = self.at, 0
        while (token := self.peek()) is not None:
            opening, closing = token.text in ("(", "{", "[", r"\{"), token.text in (")", "}", "]", r"\}")
            if closing and not depth and token.kind == "op":
                break
            depth += opening - closing
            self.at += 1
        return Node("opaque", text=_written(name, self.tokens[start : self.at]))


def _begins(token: Token) -> bool:
    """Whether a formula may begin with a command."""
    return token.kind == "cmd" and (token.text in _PREFIXES or token.text.startswith("mathbb "))


def _written(name: str, tokens: Sequence[Token]) -> str:
    """A command and what it is of as text, without braces around one token."""
    out = [name]
    for token in tokens:
        out.append(token.key)
        if len(out) > 3 and out[-3] == "{" and out[-1] == "}":
            out[-3:] = [out[-2]]
    return " ".join(out)


_PREFIXES = (
    frozenset(["frac", "sqrt", "binom", "infty", "lfloor", "lceil", "ell", "hbar", "partial", "nabla"])
    | _ACCENTS
    | _UNEVALUATED
)
