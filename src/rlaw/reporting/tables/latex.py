"""Tables as LaTeX: special characters escaped, nothing wider than the text of a page."""

import re
import textwrap
from collections.abc import Sequence

_PLAIN = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"$<$", ">": r"$>$",
}  # fmt: skip
_SYMBOLS = {
    "≈": r"$\approx$", "²": r"$^2$", "∞": r"$\infty$", "−": r"$-$", "τ": r"$\tau$", "λ": r"$\lambda$",
    "α": r"$\alpha$", "β": r"$\beta$", "ε": r"$\varepsilon$", "→": r"$\to$", "·": r"$\cdot$", "√": r"$\surd$",
    "±": r"$\pm$", "≤": r"$\le$", "≥": r"$\ge$", "×": r"$\times$", "₀": r"$_0$", "…": r"\dots{}", "–": "--",
}  # fmt: skip
_SMALL = r"\footnotesize\setlength{\tabcolsep}{3pt}"
_ROWS_OF_A_PAGE = 42
_LONG_TEXT = 32  # a cell of more letters is broken into lines
_NUMBER = re.compile(r"[-+−]?[\d.∞]")


def latex(
    name: str, caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]], strong: frozenset[tuple[int, int]]
) -> str:
    """A `table` with caption and label, scaled down where it is wider than the page; a `longtable` of more than a page.

    Args:
        name: of the label.
        caption: text above the table.
        columns: what heads them.
        rows: their cells, as text.
        strong: (row, column) of cells in bold.
    """
    cells = list(zip(*rows, strict=True)) or [()] * len(columns)
    layout = "".join(_kind(c, column) for c, column in enumerate(cells))
    head = " & ".join(_heading(text, own) for text, own in zip(columns, cells, strict=True)) + r" \\"
    lines = [" & ".join(_cell(cell, (r, c) in strong) for c, cell in enumerate(row)) for r, row in enumerate(rows)]
    body = [rf"{{}}{line} \\" if line[:1] in ("[", "*") else rf"{line} \\" for line in lines]  # \\ takes both
    titled = rf"\caption{{{escape(caption)}}}", rf"\label{{tab:{name}}}"
    make = _long if len(rows) > _ROWS_OF_A_PAGE else _one_page
    return "\n".join((*make(titled, layout, [r"\toprule", head, r"\midrule"], body), ""))


def escape(text: str) -> str:
    """Text that LaTeX prints as it is; a character that no standard font has becomes a question mark."""
    mapped = _PLAIN | _SYMBOLS
    return "".join(mapped.get(c, c if " " <= c <= "~" else "?") for c in " ".join(text.split()))


def _one_page(titled: tuple[str, str], layout: str, head: list[str], body: list[str]) -> list[str]:
    return [
        r"% needs \usepackage{booktabs,graphicx}",
        r"\begin{table}",
        r"\centering",
        *titled,
        r"\par\smallskip" + _SMALL,
        rf"\sbox0{{\begin{{tabular}}{{{layout}}}",
        *head,
        *body,
        r"\bottomrule",
        r"\end{tabular}}",
        r"\ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\usebox0}\else\usebox0\fi",
        r"\end{table}",
    ]


def _long(titled: tuple[str, str], layout: str, head: list[str], body: list[str]) -> list[str]:
    return [
        r"% needs \usepackage{booktabs,longtable}",
        "{" + _SMALL,
        rf"\begin{{longtable}}{{{layout}}}",
        "".join(titled) + r"\\",
        *head,
        r"\endfirsthead",
        *head,
        r"\endhead",
        r"\bottomrule",
        r"\endfoot",
        *body,
        r"\end{longtable}}",
    ]


def _kind(index: int, cells: Sequence[str]) -> str:
    """How a column is set: text to the left, in lines where it is long; numbers to the right."""
    if not _numbers(cells) and max(map(len, cells)) > _LONG_TEXT:
        return r"p{0.4\linewidth}"
    return "r" if index and _numbers(cells) else "l"


def _heading(text: str, cells: Sequence[str]) -> str:
    """What heads a column, in lines as wide as its cells."""
    width = max([len(cell) for cell in cells] + [len(word) for word in text.split()] + [1])
    lines = [escape(line) for line in textwrap.wrap(text, width)]
    side = "r" if _numbers(cells) else "l"
    return rf"\shortstack[{side}]{{" + r"\\".join(lines) + "}" if len(lines) > 1 else "".join(lines)


def _numbers(cells: Sequence[str]) -> bool:
    return all(_NUMBER.match(cell) for cell in cells if cell)


def _cell(text: str, strong: bool) -> str:
    return rf"\textbf{{{escape(text)}}}" if strong else escape(text)
