"""Tables and names as plain text: columns as wide as their widest cell, numbers to the right."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

_NAME_LENGTH = 22

_SHOWN = 64  # characters of a name or value in a message

Cell = str | int | float | None

#: what no name may bring into a terminal or a page: control characters (tabs and ends of lines are not), marks that
#: turn the direction of text, line separators, halves of surrogate pairs
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_SECRETS = re.compile(
    r"(?:(?<=://)|(?<=:/)(?!/))[^/@\s]+@"  # a path has one slash of a URL's two
    r"|\b(?:hf_|sk-|gh[pousr]_|github_pat_|glpat-|xox[abp]-|AKIA)[A-Za-z0-9_-]{12,}"
    r"|(?<=[?&])((?:access_|auth_|api_?)?(?:token|key)|password|secret|signature|sig)=[^&\s\"'#]+",
    re.IGNORECASE,
)
_SECRET_KEY = re.compile(
    r"(?i)(?:^|[._-])(?:api_?key|secret(?:_key)?|passw(?:or)?d|credentials?|(?:access|auth|hub|hf)_token)$"
)
MASK = "***"


def clean(text: str) -> str:
    """The text without characters that drive a terminal or hide what it says."""
    return UNSEEN.sub("", text)


def masked(text: str) -> str:
    """The text with the credentials of URLs, and what looks like a token, blanked."""
    return _SECRETS.sub(
        lambda found: f"{MASK}@" if found[0].endswith("@") else f"{found[1]}={MASK}" if found[1] else MASK, text
    )


def without_secrets(plain: Any) -> Any:
    """Plain data with every credential blanked: in its texts, and whatever stands under a key such as api_key."""
    if isinstance(plain, dict):
        return {
            key: MASK if isinstance(value, str) and _SECRET_KEY.search(str(key)) else without_secrets(value)
            for key, value in plain.items()
        }
    if isinstance(plain, list | tuple):
        return [without_secrets(one) for one in plain]
    return masked(plain) if isinstance(plain, str) else plain


def table(headings: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """The rows under their headings; a heading that starts with ">" belongs to a column of numbers."""
    right = [heading.startswith(">") for heading in headings]
    lines = [[heading.lstrip(">") for heading in headings], *([_cell(cell) for cell in row] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(headings))]
    laid = (
        "  ".join(
            cell.rjust(width) if r else cell.ljust(width) for cell, width, r in zip(line, widths, right, strict=True)
        )
        for line in lines
    )
    return "\n".join(line.rstrip() for line in laid)


def _cell(value: Cell) -> str:
    return "" if value is None else f"{value:.4f}" if isinstance(value, float) else one_line(str(value))


def one_line(text: str) -> str:
    """The text on one line, without characters that cannot be shown."""
    return clean(re.sub(r"[\n\r\t\x0b\x0c\x85\u2028\u2029]+", " ", text))


def listed(names: Sequence[object], at_most: int = 20) -> str:
    """The first names or values, and how many more there are; the longest of them cut short."""
    texts = [text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…" for text in map(str, names[:at_most])]
    return ", ".join(texts) + (f" and {len(names) - at_most:,} more" if len(names) > at_most else "")


def columns_listed(names: Sequence[str]) -> str:
    """The first columns of a table in their order in the alphabet, and where all of them are shown."""
    return listed(sorted(names)) + (": rlaw import FILE --columns" if len(names) > 20 else "")


def short_names(models: Sequence[str]) -> list[str]:
    """Names without what all of them begin with, up to a dash or a slash: Qwen2.5-7B, Qwen2.5-14B -> 7B, 14B."""
    shortest = min(models, key=len)
    same = next((i for i, c in enumerate(shortest) if any(m[i] != c for m in models)), len(shortest))
    cut = max((shortest[:same].rfind(mark) for mark in "-/_ "), default=-1) + 1
    kept = [m[cut:] if len(models) > 1 else m for m in models]
    return [shortened(name) for name in (kept if all(kept) else models)]


def round_number(value: float) -> str:
    """A round number as short as it goes: 3e+19 -> '3e19'."""
    mantissa, _, exponent = f"{value:.3g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa


def shortened(text: str) -> str:
    """The text on one line, cut to a label's length."""
    line = " ".join(text.split())
    return line if len(line) <= _NAME_LENGTH else line[: _NAME_LENGTH - 1] + "…"


class Readable:
    """A result that people read: `print` gives its text, `repr` one line, a notebook a table, `to_frame` polars."""

    def documents(self) -> list[dict[str, Any]]:
        """Its table as plain data, a document for each row."""
        return []

    def to_frame(self) -> "pl.DataFrame":
        """Its table as a polars frame; a value with an interval is three columns: NAME, NAME_low, NAME_high."""
        import polars as pl

        return pl.DataFrame([_flat(row) for row in self.documents()], infer_schema_length=None)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {str(self).partition(chr(10))[0]}>"

    def _repr_html_(self) -> str:
        from html import escape

        rows = [_flat(row) for row in self.documents()]
        if not rows:
            return f"<pre>{escape(str(self))}</pre>"
        heads = "".join(f"<th>{escape(name)}</th>" for name in rows[0])
        body = "".join(f"<tr>{''.join(f'<td>{escape(_short(v))}</td>' for v in row.values())}</tr>" for row in rows)
        return f"<p>{escape(repr(self))}</p><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _flat(document: dict[str, Any]) -> dict[str, Any]:
    """The document with `{"value": …, "low": …, "high": …}` spread over three keys; other nested parts left out."""
    row = {}
    for name, value in document.items():
        if isinstance(value, dict) and {"value", "low", "high"} <= set(value):
            row |= {name: value["value"], f"{name}_low": value["low"], f"{name}_high": value["high"]}
        elif not isinstance(value, dict | list):
            row[name] = value
    return row


def _short(value: Cell) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


_EXCLUDED = {
    "axis_negative": "with a negative value on an axis",
    "axis_not_finite": "with an infinite value on an axis",
    "axis_not_positive": "at step 0",
    "bad_params": "with an impossible size",
    "collapsed_run": "of runs that broke down",
    "diverged": "of runs that diverged",
    "nan_loss": "without a loss",
    "no_axis_value": "without a value on the axis",
    "no_model": "without a size",
    "no_params": "without a number of parameters",
    "no_step": "without a step",
    "other_arm": "of other arms",
    "outside_window": "outside the window",
    "repeated_row": "given twice",
    "short_curve": "of curves that are too short",
}


def excluded_rows(dropped: Mapping[str, int]) -> str:
    """How many rows were excluded, by reason: `27 rows of other arms, 14 rows at step 0`."""
    return ", ".join(f"{n} row{'s' * (n != 1)} {_EXCLUDED.get(reason, reason)}" for reason, n in dropped.items())
