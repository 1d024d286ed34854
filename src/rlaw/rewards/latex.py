"""An answer as tokens: LaTeX, Unicode and plain text in one spelling. Digits are never joined across a space."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache

from rlaw.rewards.units import UNITS

MOST_TOKENS = 1200  # of one answer
MOST_NESTED = 10  # of a text within a text


class Malformed(ValueError):
    """An answer that cannot be read as mathematics."""


@dataclass(frozen=True, slots=True)
class Token:
    r"""One token.

    Attributes:
        kind: `num` (digits as written, commas left out), `name` (a letter, or `\alpha`), `func`, `cmd`, `word`, `op`.
        text: what it is; for a word as written.
        spaced: whether a space stands before it.
    """

    kind: str
    text: str
    spaced: bool = False

    @property
    def key(self) -> str:
        """What makes two tokens the same: a word's case does not, a name's does."""
        return self.text.casefold() if self.kind == "word" else self.text


_FUNCTIONS = "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh ln log lg exp gcd lcm max min det"
FUNCTIONS = frozenset(_FUNCTIONS.split())
_ALIASES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "sqrt": "sqrt", "binom": "binom"}
_GREEK_NAMES = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi rho sigma tau "
    "upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
)
_GREEK = _GREEK_NAMES.split()
_GREEK_LETTERS = {
    unicodedata.lookup(f"GREEK {'CAPITAL' if n[0].isupper() else 'SMALL'} LETTER {n.upper()}"): n
    for n in _GREEK
    if not n.startswith("var") and n.lower() not in ("lambda",)
} | {"λ": "lambda", "Λ": "Lambda", "ϕ": "phi", "ϵ": "epsilon"}
_SIGNS = {
    "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "∙": r"\cdot ",
    "÷": r"\div ", "≤": r"\le ", "≥": r"\ge ", "⩽": r"\le ", "⩾": r"\ge ", "≠": r"\ne ", "≈": r"\approx ",
    "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ", "∞": r"\infty ", "±": r"\pm ", "∓": r"\mp ", "°": r"^\circ ",
    "√": r"\sqrt ", "∛": r"\sqrt[3]", "∜": r"\sqrt[4]", "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}", "ℚ": r"\mathbb{Q}",
    "ℕ": r"\mathbb{N}", "ℂ": r"\mathbb{C}", "∅": r"\emptyset ", "∨": r"\vee ", "∧": r"\wedge ", "≡": r"\equiv ",
    "…": r"\ldots ", "⋯": r"\ldots ", "′": "'", "’": "'", "∠": r"\angle ", "→": r"\to ", "⌊": r"\lfloor ",
    "⌋": r"\rfloor ", "⌈": r"\lceil ", "⌉": r"\rceil ", "∖": r"\setminus ", "€": r"\euro ", "£": r"\gbp ",
    "¥": r"\yen ", "∣": "|", "⟨": r"\langle ", "⟩": r"\rangle ", "\u00a0": " ", "∑": r"\sum ", "∫": r"\int ",
    "¢": r"\text{ cents}", "△": r"\triangle ",
}  # fmt: skip
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱ", "0123456789+-()ni")
_LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_RUN_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱ]+")
_RUN_LOWERED = re.compile("[₀₁₂₃₄₅₆₇₈₉]+")
_FRACTION = re.compile("[¼½¾⅐-⅞]")
_CLOCK = re.compile(r"(?<![A-Za-z\\])([apAP])\. ?([mM])\b\.?")
_TEMPERATURE = re.compile(
    r"(?:\^ ?\{? ?)?\\(?:circ|degree) ?\}? ?(?:\\(?:text|mathrm|rm) ?\{? ?)?([FC])(?![A-Za-z]) ?\}?"
)
_ROOT_SIGN = re.compile(r"√ ?(\d+(?:\.\d+)?)")
_IGNORED = re.compile(  # a row of a matrix, `\\`, is no start of any of these
    r"(\\\\)|\\(?:displaystyle|textstyle|limits|nolimits|bf|rm|it|sf|Large|large|big|Big|bigg|Bigg|bigl|bigr|Bigl|Bigr"
    r"|mathstrut|strut|left|right|middle|hfill|centering)(?![A-Za-z])\.?|\\!"
)
_SPACE = re.compile(
    r"(\\\\)|(?:\\(?:[,;:> ]|q?quad(?![A-Za-z])|enspace(?![A-Za-z])|hspace\{[^{}]*\})|[\s~\u2009\u202f])+"
)
_JOINED = re.compile(r"(?<![\d.,}])[1-9]\d{0,2}(?:,\d{3})+(?!\d|,\d)(?:\.\d+)?")
_THOUSANDS = re.compile(r"(?<=\d)(?:\{,\}(?:\\!)?|\{,\\!\}|,\\! ?|\\!,)(?=\d{3}(?!\d))")
_NUMBER = re.compile(r"(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+(?![\d^_A-Za-z.(]))?")
_PERIOD = re.compile(r"(\d*\.\d*)\\overline\{(\d+)\}|(\d*\.\d*)\\(?:dot|bar)\{(\d)\}")
_TEXTS = "text textbf textit textrm textsf texttt textnormal mbox hbox operatorname operatorname*"
_STYLES = "mathrm mathbf mathit mathsf mathtt boldsymbol bm pmb mathnormal emph underline"
_TEXT, _STYLE = frozenset(_TEXTS.split()), frozenset(_STYLES.split())
_LEFT_OUT = frozenset(["tag", "label", "color", "textcolor", "phantom", "hphantom", "vspace"])
_SAME = {
    "leq": "le", "geq": "ge", "leqslant": "le", "geqslant": "ge", "neq": "ne", "lor": "vee", "land": "wedge",
    "dots": "ldots", "cdots": "ldots", "dotsc": "ldots", "dotsb": "ldots", "vdots": "ldots", "varnothing": "emptyset",
    "dfrac": "frac", "tfrac": "frac", "cfrac": "frac", "dbinom": "binom", "tbinom": "binom", "choose": "choose",
    "lbrack": "[", "rbrack": "]", "lt": "<", "gt": ">", "vert": "|", "lvert": "|", "rvert": "|", "mid": "mid",
    "degree": "degree", "ast": "*", "colon": ":", "backslash": "setminus", "arcsin": "arcsin", "rightarrow": "to",
    "Rightarrow": "to", "implies": "to", "lbrace": "{", "rbrace": "}", "R": "R", "sim": "approx", "simeq": "approx",
    "approxeq": "approx", "thickapprox": "approx", "cong": "cong", "prime": "'", "operatorname": "operatorname",
    "textdollar": "$", "euro": "euro", "pounds": "gbp", "percent": "%", "tg": "tan", "ctg": "cot", "arctg": "arctan",
}  # fmt: skip
_OPERATORS = frozenset(["[", "]", "<", ">", "|", "*", ":", "'", "%"])
_SHORT_WORDS = "and or not is yes no odd none red one two six ten mod AM PM if for all any the of to at by"
_WORDS = frozenset(_SHORT_WORDS.split())
_INFINITE = frozenset(["oo", "inf", "Inf", "infinity", "Infinity", "infty"])
_AFTER_NUMBERS = frozenset(["am", "pm", "sq", "cu", "st", "nd", "rd", "th"])
_ESCAPED = {"{": r"\{", "}": r"\}", "%": "%", "$": "$", "|": "|", "#": "#", "&": "&", "_": "_"}
_PIECE = re.compile(r"\\(?P<cmd>[A-Za-z]+\*?)|\\(?P<esc>.)|(?P<letters>[A-Za-z]+)|(?P<char>.)", re.DOTALL)


def tokens(latex: str) -> tuple[Token, ...]:
    """The tokens of an answer.

    Raises:
        Malformed: braces that do not match, or too many tokens.
    """
    return tuple(_Lexer(spelled(latex), words=False).run())


def spelled(latex: str) -> str:
    """The answer in LaTeX's own characters, without what changes nothing about its meaning."""
    text = " ".join(latex.split())  # so that no pattern below has more than one space to look for
    if not text.isascii():
        text = _ROOT_SIGN.sub(r"\\sqrt{\1}", text)
        text = "".join(_letter(c) for c in text)
        text = _RUN_RAISED.sub(lambda m: f"^{{{m[0].translate(_RAISED)}}}", text)
        text = _RUN_LOWERED.sub(lambda m: f"_{{{m[0].translate(_LOWERED)}}}", text)
        text = unicodedata.normalize("NFKC", text)
    text = _CLOCK.sub(lambda m: f"{m[1]}{m[2]}".lower() + " ", text)
    text = _TEMPERATURE.sub(r" \\degree\1 ", text.replace("...", r"\ldots "))
    text = re.sub(r"(?i)\bper cent\b", "percent", text)
    text = text.replace(r"\(", " ").replace(r"\)", " ")
    text = re.sub(r"(?<!\\)\\\[|(?<!\\)\\\](?! ?\d)", " ", text)  # not the extra space of a row, `\\[2pt]`
    text = _THOUSANDS.sub("", text)  # the thousands of TeX, before its spacing goes
    text = re.sub(r"\{:\}", ":", text)
    text = _IGNORED.sub(lambda m: m[1] or "", re.sub(r"(?<!\\)\$", "", text))
    return _SPACE.sub(lambda m: m[1] or " ", text).strip()


@cache
def _letter(char: str) -> str:
    if char.isascii():
        return char
    if char in _SIGNS:
        return _SIGNS[char]
    if char in _GREEK_LETTERS:
        return f"\\{_GREEK_LETTERS[char]} "
    if _FRACTION.match(char):
        above, below = unicodedata.normalize("NFKD", char).split("⁄")
        return f"\\frac{{{above}}}{{{below}}}" if below else char
    return char


class _Lexer:
    """Reads one piece of text from left to right.

    Args:
        text: what `spelled` gave.
        words: whether runs of letters are words, as inside a `\\text`.
        depth: how deep in brackets it is: there a comma parts, and never groups digits.
    """

    def __init__(self, text: str, *, words: bool, depth: int = 0) -> None:
        self.text, self.words, self.depth, self.at, self.spaced = text, words, depth, 0, False
        self.after_value, self.nesting = False, 0
        self.out: list[Token] = []

    def run(self) -> list[Token]:
        while self.at < len(self.text):
            if len(self.out) > MOST_TOKENS:
                raise Malformed("too many tokens")
            if self.text[self.at].isspace():
                self.at, self.spaced = self.at + 1, True
                continue
            if not self._number():
                self._piece()
        return self.out

    def put(self, kind: str, text: str) -> None:
        self.out.append(Token(kind, text, self.spaced))
        self.spaced = False

    def _number(self) -> bool:
        if period := _PERIOD.match(self.text, self.at):
            whole, again = period[1] or period[3], period[2] or period[4]
            self.put("num", f"{whole}({again})")
            self.at = period.end()
            return True
        found = (_JOINED.match(self.text, self.at) if not self.depth else None) or _NUMBER.match(self.text, self.at)
        if not found:
            return False
        self.put("num", found[0].replace(",", ""))
        self.at = found.end()
        return True

    def _piece(self) -> None:
        found = _PIECE.match(self.text, self.at)
        assert found is not None  # noqa: S101 - any character is a piece
        self.at = found.end()
        if found["letters"]:
            self._letters(found["letters"])
        elif found["cmd"]:
            self._command(found["cmd"])
        elif found["esc"]:
            self._escaped(found["esc"])
        else:
            self._character(found["char"])

    def _character(self, char: str) -> None:
        self.depth += (char in "([") - (char in ")]")
        if char == "*" and self.text.startswith("*", self.at):
            self.at += 1
            char = "^"
        self.put("op", char)

    def _escaped(self, char: str) -> None:
        if char == "\\":
            return self.put("cmd", "row")
        if char not in _ESCAPED:
            raise Malformed(f"\\{char}")
        self.depth += (char == "{") - (char == "}")
        return self.put("op", _ESCAPED[char])

    def _letters(self, run: str) -> None:
        whole = self._whole(run)
        if whole is not None:
            return self.put(*whole)
        head = next((f for f in _BY_LENGTH if run.startswith(f)), None)
        if head and len(run) - len(head) <= 2:  # `cosx`
            self.put("cmd" if head == "sqrt" else "func", head)
            run = run[len(head) :]
        for letter in run:
            self.put("name", letter)
        return None

    def _whole(self, run: str) -> tuple[str, str] | None:
        """What a run of letters is as a whole; None where it is a product of its letters."""
        known = _ALIASES.get(run, run)
        is_text = self.words and run not in _INFINITE
        rules = (
            (is_text, "word" if len(run) > 1 or self._unit_follows(run) else "name", run),
            (run in _INFINITE, "cmd", "infty"),
            (known in FUNCTIONS and not self._is_unit(run), "func", known),
            (run in _ALIASES, "cmd", known),
            (run in _GREEK, "name", _greek(run)),
            (len(run) > 1 and self._is_word(run), "word", run),
        )
        return next(((kind, text) for holds, kind, text in rules if holds), None)

    def _is_unit(self, run: str) -> bool:
        """Whether several letters are a unit, or something else that follows a number."""
        before = self.out[-1] if self.out else None
        after_number = before is not None and (before.kind in ("num", "word") or before.text in ("}", ")"))
        return after_number and (run in UNITS or run in _AFTER_NUMBERS)

    def _is_word(self, run: str) -> bool:
        """Whether letters without `\\text` are a word: known, or too many for a product; capitals name a segment."""
        if self._is_unit(run):
            return True
        if run in _WORDS or (run.istitle() and run.lower() in _WORDS):
            return True
        return len(run) > 3 and not run.isupper()

    def _unit_follows(self, letter: str) -> bool:
        """Whether a letter in a text is a unit: after a number, or after another unit."""
        return letter in UNITS and bool(self.out or self.after_value)

    def _command(self, name: str) -> None:
        same = _SAME.get(name, name)
        if name in _TEXT or name in _STYLE:
            self._group_of(name)
        elif name in ("begin", "end"):
            self.put(name, self._argument().strip("*"))
        elif name == "mathbb":
            self.put("cmd", f"mathbb {self._argument()}")
        elif name in _LEFT_OUT:
            self._argument()
        elif same in ("{", "}"):
            self._escaped(same)
        else:
            self._symbol(same)

    def _symbol(self, name: str) -> None:
        head = next((f for f in _BY_LENGTH if name.startswith(f) and len(name) - len(f) <= 2), name)
        if name in FUNCTIONS:
            self.put("func", name)
        elif name in _GREEK:
            self.put("name", _greek(name))
        elif head in FUNCTIONS and name not in _LIKE_FUNCTIONS:  # `\\cosx`
            self.put("func", head)
            for letter in name[len(head) :]:
                self.put("name", letter)
        else:
            self.put("op" if name in _OPERATORS or name == "$" else "cmd", name)

    def _group_of(self, name: str) -> None:
        inner = self._argument()
        known = _ALIASES.get(inner.strip(), inner.strip())
        if known in FUNCTIONS and not self._is_unit(known):
            return self.put("func", known)
        nested = _Lexer(inner, words=name in _TEXT or bool(re.search("[A-Za-z]{2}", inner)), depth=self.depth)
        nested.nesting = self.nesting + 1
        if nested.nesting > MOST_NESTED:
            raise Malformed("texts within texts")
        nested.after_value = bool(self.out) and self.out[-1].text not in ("(", ",", "[", r"\{", "=")
        nested.spaced = self.spaced
        self.out += nested.run()
        self.spaced = nested.spaced
        return None

    def _argument(self) -> str:
        """What stands in the braces that follow, or the one token without."""
        while self.at < len(self.text) and self.text[self.at] == " ":
            self.at += 1
        if not self.text.startswith("{", self.at):
            found = _PIECE.match(self.text, self.at)
            if not found:
                raise Malformed("an argument is missing")
            self.at += 1 if found["letters"] else len(found[0])
            return found[0][:1] if found["letters"] else found[0]
        depth = 0
        for place in range(self.at, len(self.text)):
            if self.text[place] in "{}" and self.text[place - 1 : place] != "\\":
                depth += 1 if self.text[place] == "{" else -1
                if not depth:
                    inner, self.at = self.text[self.at + 1 : place], place + 1
                    return inner
        raise Malformed("a brace is not closed")


def _greek(name: str) -> str:
    return name if name == "pi" else f"\\{name}"


_BY_LENGTH = sorted(FUNCTIONS | {"sqrt"}, key=len, reverse=True)
_LIKE_FUNCTIONS = frozenset(["sqrt", "sech", "csch", "coth", "minus"])
