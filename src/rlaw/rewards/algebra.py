"""Whether two answers are the same mathematics: math-verify, called without its own alarm. Runs in a worker only.

Source: math-verify (github.com/huggingface/Math-Verify). Its alarm works in a main thread only, takes away an alarm
that the caller had set, and does not stop every expression; so it is off, and the worker as a whole has the limits.
"""

import logging
from functools import cache, lru_cache
from typing import Any

PAIRS = (  # one of each kind of answer: what is imported and learnt at first use is then there
    ("\\frac{3}{4}", "0.75"),
    ("\\sqrt{12}", "2\\sqrt{3}"),
    ("(3, \\frac{\\pi}{2})", "(3, \\pi/2)"),
    ("[1, 2) \\cup (3, \\infty)", "(3, \\infty) \\cup [1, 2)"),
    ("\\{1, 2, 3\\}", "3, 2, 1"),
    ("x^2 + 2x + 1", "(x+1)^2"),
    ("\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}", "\\begin{pmatrix} 1 & 2 \\\\ 3 & 5 \\end{pmatrix}"),
    ("x = 5", "5"),
    ("x > 3", "3 < x"),
    ("10\\%", "0.1"),
    ("\\text{even}", "\\text{odd}"),
    ("2 + 3i", "3i + 2"),
    ("\\log_2 8 + \\sin(\\pi/6) + e^2", "3.5 + e^2"),
    ("90^\\circ", "90"),
)


def check(answer: str, wanted: str) -> tuple[str, str]:
    """Verdict and reason of an answer against a reference, both LaTeX without a box."""
    from math_verify import verify

    try:
        gold, found = _parsed(wanted), _parsed(answer)
        mathematics = not all(isinstance(reading, str) for reading in gold)
        if not gold or not found or (mathematics and all(isinstance(reading, str) for reading in found)):
            return "unparsed", "not mathematics"
        same = verify(gold, found, timeout_seconds=None, raise_on_error=True)
    except MemoryError:
        return "timeout", "memory"
    except RecursionError:
        return "timeout", "nested too deeply"
    except Exception as error:  # an expression that sympy cannot compare is not shown to be right
        return "wrong", type(error).__name__
    return ("right" if same else "wrong"), "algebra"


@lru_cache(maxsize=4096)  # every rollout of a group has the same reference
def _parsed(latex: str) -> list[Any]:
    """The readings of an answer: mathematics first, its text last; none when it cannot be read at all."""
    from math_verify import parse

    readings = parse(f"\\boxed{{{latex}}}", _configuration(), parsing_timeout=None)  # pyright: ignore[reportArgumentType]
    return [value for reading in readings if (value := _value(reading)) is not None]


def _value(reading: Any) -> Any:
    """Of an equation between numbers its right side: math-verify would take it for the same as any other such one."""
    from sympy import Equality
    from sympy.logic.boolalg import Boolean

    if not isinstance(reading, Boolean) or reading.free_symbols:
        return reading
    return reading.rhs if isinstance(reading, Equality) else None


@cache
def _configuration() -> list[Any]:
    """LaTeX in the box and nothing else: no guess at a number that stands somewhere in a text."""
    from math_verify import LatexExtractionConfig

    return [LatexExtractionConfig(boxed_match_priority=0, try_extract_without_anchor=False)]


def warm_up() -> str:
    """Import everything and check one answer of each kind; returns math-verify's version."""
    from importlib.metadata import version

    logging.disable(logging.CRITICAL)  # it warns that its alarm is off
    for answer, wanted in PAIRS:
        check(answer, wanted)
        check(wanted, answer)
    return version("math-verify")
