"""math-verify as it comes, to compare with: a judge that trains nothing. Runs in a worker, which has the limits.

Source: math-verify (github.com/huggingface/Math-Verify).
"""

import logging


def check(answer: str, wanted: str) -> tuple[str, str]:
    """Verdict and reason of an answer or a whole response against a reference."""
    from math_verify import parse, verify

    try:
        gold, found = (parse(_in_a_box(text), parsing_timeout=None) for text in (wanted, answer))  # pyright: ignore[reportArgumentType]
        same = verify(gold, found, timeout_seconds=None, raise_on_error=True)
    except MemoryError:
        return "timeout", "memory"
    except RecursionError:
        return "timeout", "nested too deeply"
    except Exception as error:  # what it cannot compare it does not take for right
        return "wrong", type(error).__name__
    return ("right" if same else "wrong"), "math-verify"


def _in_a_box(text: str) -> str:
    return text if "\\boxed" in text else f"\\boxed{{{text}}}"


def warm_up() -> str:
    """Import it and check some answers; returns its version."""
    from importlib.metadata import version

    logging.disable(logging.CRITICAL)  # it warns that its alarm is off
    for answer, wanted in (("\\frac{3}{4}", "0.75"), ("x^2", "(x+1)^2"), ("x > 3", "(3, \\infty)"), ("10\\%", "0.1")):
        check(answer, wanted)
    return version("math-verify")
