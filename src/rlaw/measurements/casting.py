"""Every declared column in its declared type. Numbers are read as people write them; a cell that is neither a number
nor a word for a missing one is refused with its column, value and line.
"""

import math
import re

import polars as pl

from rlaw.errors import DataError
from rlaw.measurements.columns import ATTEMPT, COLUMNS
from rlaw.measurements.raw import ROW, Note, Raw
from rlaw.text import listed

#: what stands for a missing number
MISSING = frozenset(("", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "-", "--", "?", ".", "missing", "<na>"))
_INFINITE = {"inf": math.inf, "infinity": math.inf, "∞": math.inf}
_SCALE = {"k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12}
_OF_FLOPS = _SCALE | {"p": 1e15, "e": 1e18, "z": 1e21}
_SCALED = frozenset(("params", "data_size", "compute_flops", "step", "items", "prompts", "response_length"))
_SHARES = frozenset(("test_loss", "accuracy"))
_INPUTS = ("accuracy", "right_answers")  # what a loss can be made from
_PARTS = re.compile(r"([+-]?[0-9.,]*[0-9][0-9.,]*(?:[eE][+-]?[0-9]+)?) *([a-zA-Z]*|%)")
_PLAIN = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?(?:[0-9]*,[0-9]+|0,[0-9]+|[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+)(?:[eE][+-]?[0-9]+)?%?")
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]*)?")
_THOUSAND_POINTS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:\.[0-9]{3})+(?:,[0-9]+)?")
_SPACES = re.compile(r"(?<=\d)[ \u00a0\u202f_'](?=\d)")
_LONG = 10_000  # digits no number has


def typed(raw: Raw) -> Raw:
    """The declared columns in their types, missing cells null; a column that is not there gets its default.

    Raises:
        DataError: a cell is no number, or a whole column is of a type that cannot be one.
    """
    rows = raw.rows
    numbers = {name: kind for name, (kind, _) in COLUMNS.items() if kind in (pl.Float64, pl.Int64) and name != "seed"}
    numbers |= dict.fromkeys(_INPUTS, pl.Float64)
    present = [name for name in numbers if name in rows.columns]
    commas = any(_has_decimal_comma(rows[name]) for name in present if rows.schema[name] == pl.String)
    columns = [_seed(rows)]
    for name, (kind, default) in COLUMNS.items():
        if name == "seed":
            continue
        if name not in rows.columns:
            columns.append(pl.Series(name, [default], dtype=kind).new_from_index(0, len(rows)))
        elif name in numbers:
            columns.append(_numbers(raw, name, kind, commas))
        elif name == "correct":
            columns.append(_answers(raw))
        else:
            columns.append(_text(raw, name))
    columns += [_numbers(raw, name, pl.Float64, commas) for name in _INPUTS if name in rows.columns]
    columns += [_text(raw, ATTEMPT)] if ATTEMPT in rows.columns else []
    filled = [c.fill_null(1) if c.name in ("tau", "samples") else c for c in columns]
    notes = [Note("decimal-commas", "numbers are read with decimal commas")] if commas else []
    return raw.with_rows(rows.with_columns(filled), *notes)


def numbers(raw: Raw, name: str) -> pl.Series:
    """A column that is not declared as numbers, null where missing.

    Raises:
        DataError: a cell is no number.
    """
    column = raw.rows[name]
    return _numbers(raw, name, pl.Float64, column.dtype == pl.String and _has_decimal_comma(column))


def number(text: str, *, decimal_comma: bool = False, scaled: bool = True, share: bool = False) -> float | None:
    """A number as people write it: `10.0`, `7B`, `1.5b`, `8,000,000,000`, `8 000`, `7e9`; None when it is none.

    Args:
        text: the cell; words for missing numbers are nan.
        decimal_comma: a comma separates the decimals, and points the thousands.
        scaled: letters such as k, M, B may follow.
        share: a percent sign may follow.
    """
    text = text.strip().strip("\"'").strip()
    if text.casefold() in MISSING:
        return math.nan
    if (infinite := _INFINITE.get(text.casefold().lstrip("+-"))) is not None:
        return -infinite if text.startswith("-") else infinite
    if len(text) > _LONG:
        return None
    text = _SPACES.sub("", text).replace("\u2212", "-")
    parts = _PARTS.fullmatch(text)
    if parts is None:
        return None
    digits, unit = parts.groups()
    if decimal_comma and (_DECIMAL_COMMA.fullmatch(digits) or _THOUSAND_POINTS.fullmatch(digits)):
        digits = digits.replace(".", "").replace(",", ".")
    elif _THOUSANDS.fullmatch(digits):
        digits = digits.replace(",", "")
    scale = _scale(unit, scaled, share)
    return None if scale is None or not _PLAIN.fullmatch(digits) else float(digits) * scale


def _scale(unit: str, scaled: bool, share: bool) -> float | None:
    if not unit:
        return 1.0
    if unit == "%":
        return 0.01 if share else None
    if not scaled:
        return None
    short = re.sub(r"(?i)(flops?|params|parameters|tokens|prompts|steps)$", "", unit)
    return (_OF_FLOPS if "flop" in unit.casefold() else _SCALE).get(short.casefold()) if short else 1.0


def _has_decimal_comma(column: pl.Series) -> bool:
    """Whether a text column has a comma that can only separate decimals, such as 0,65 or 1234,5."""
    with_comma = column.filter(column.str.contains(",", literal=True).fill_null(value=False)).unique()
    cells = (text.strip().strip("\"'") for text in with_comma)
    return any(_DECIMAL_COMMA.fullmatch(text) and not _THOUSANDS.fullmatch(text) for text in cells)


def _numbers(raw: Raw, name: str, kind: type[pl.DataType], commas: bool) -> pl.Series:
    """A column of numbers in its type, null where missing."""
    column = raw.rows[name]
    dtype = column.dtype
    if column.null_count() == len(column):
        return pl.Series(name, [None] * len(column), dtype=kind)
    if isinstance(dtype, pl.Categorical | pl.Enum):
        column = column.cast(pl.String)
    if column.dtype == pl.String:
        column = _read(raw, name, column, commas)
    elif not (dtype.is_numeric() or isinstance(dtype, pl.Decimal)):
        first = column.is_not_null().arg_max() or 0
        cell = column[first].to_list() if isinstance(column[first], pl.Series) else column[first]
        what = f"{listed([cell])!r} is of type {dtype}, and a number was expected"
        raise raw.refuse(name, int(raw.rows[ROW][first]), what, "write a number, or leave it empty")
    if kind == pl.Float64:
        return column.cast(pl.Float64).fill_nan(None).rename(name)
    return _whole(raw, name, column).rename(name)


def _read(raw: Raw, name: str, column: pl.Series, commas: bool) -> pl.Series:
    """Text as numbers."""
    plain = column.str.strip_chars()
    values = plain.cast(pl.Float64, strict=False)
    strange = plain.is_not_null() & values.is_null()
    if commas:
        strange |= plain.str.contains(r"^[+-]?[1-9]\d{0,2}(\.\d{3})+$").fill_null(value=False)
    if not strange.any():
        return values
    how = {"decimal_comma": commas, "scaled": name in _SCALED, "share": name in _SHARES}
    cells = plain.filter(strange).unique()
    known = {text: number(text, **how) for text in cells}
    if unread := {text for text, value in known.items() if value is None}:
        index = int(plain.is_in(list(unread)).arg_max() or 0)
        what = f"{listed([plain[index]])!r} is no number"
        then = "correct it, or leave it empty where nothing was measured"
        raise raw.refuse(name, int(raw.rows[ROW][index]), what, then)
    replaced = plain.replace_strict(known, default=None, return_dtype=pl.Float64)
    return pl.select(pl.when(strange).then(replaced).otherwise(values)).to_series()


def _whole(raw: Raw, name: str, column: pl.Series) -> pl.Series:
    """Numbers as integers; a fraction, or one beyond 64 bits, is refused."""
    if column.dtype.is_float() or isinstance(column.dtype, pl.Decimal):
        column = column.cast(pl.Float64)
        column = pl.select(pl.when(column.is_finite()).then(column)).to_series()  # else missing
        bad = (column != column.floor()) | (column.abs() >= 2**63)
    else:
        bad = column.is_not_null() & column.cast(pl.Int64, strict=False).is_null()
    if bad.fill_null(value=False).any():
        index = int(bad.arg_max() or 0)
        raise raw.refuse(name, int(raw.rows[ROW][index]), f"{column[index]!r} is no whole number", _WHOLE[name])
    return column.cast(pl.Int64)


_WHOLE = dict.fromkeys(COLUMNS, "write a whole number, or leave it empty") | {
    "step": "give whole RL steps; what counts otherwise is an axis: `mapping={'data_size': 'THEIRS'}`"
}


def _text(raw: Raw, name: str) -> pl.Series:
    """A column of names, blanks around them cut off; empty where there is none, null for the model."""
    column = raw.rows[name]
    empty = COLUMNS.get(name, (None, ""))[1]
    if column.null_count() == len(column):
        return pl.Series(name, [empty], dtype=pl.String).new_from_index(0, len(column))
    text = as_text(raw, name, column)
    return text.replace("", None) if name == "model" else text.fill_null("")


def as_text(raw: Raw, name: str, column: pl.Series) -> pl.Series:
    """Any scalar column as text: whole floats as integers, blanks around names cut off."""
    if column.dtype.is_nested() or column.dtype == pl.Binary:
        raise raw.refuse(name, 0, f"the column is of type {column.dtype}, and a name was expected", "give plain names")
    if column.dtype.is_float():
        whole = column.drop_nulls()
        if (whole.is_finite() & (whole == whole.floor()) & (whole.abs() < 2**53)).all():
            column = column.cast(pl.Int64)
    return column.cast(pl.String).str.strip_chars()


def _seed(rows: pl.DataFrame) -> pl.Series:
    """What tells replicates apart: whole numbers of 64 bits, else text; empty cells are one group."""
    if "seed" not in rows.columns or rows["seed"].null_count() == len(rows):
        return pl.Series("seed", [0], dtype=pl.Int64).new_from_index(0, len(rows))
    column = rows["seed"]
    if column.dtype.is_nested():
        raise DataError(f"column seed is of type {column.dtype}\n  next: give a number or a name for each run")
    if column.dtype.is_integer() and column.dtype != pl.UInt64 and not column.null_count():
        return column.cast(pl.Int64)
    text = as_text(Raw(rows, ""), "seed", column).fill_null("")
    words = [word for word in text.unique() if word.casefold() in MISSING]
    text = text.replace(words, [""] * len(words)) if words else text
    numbers = text.cast(pl.Int64, strict=False)
    same = (numbers.cast(pl.String) == text).fill_null(value=False).all()  # 007 is not 7
    return numbers if same else text


def _answers(raw: Raw) -> pl.Series:
    """How many answers to each item were right, a list in each row; null where the column has one number a row."""
    column = raw.rows["correct"]
    kind = pl.List(pl.Int64)
    if isinstance(column.dtype, pl.Array):
        column = column.arr.to_list()
    if not isinstance(column.dtype, pl.List):
        return pl.Series("correct", [None], dtype=kind).new_from_index(0, len(column))
    counts = column.cast(kind, strict=False)
    given, read = (c.list.eval(pl.element().is_not_null()).list.sum().fill_null(0) for c in (column, counts))
    if (given != read).any():
        index = int((given != read).arg_max() or 0)
        what = "an answer of the list is no whole number"
        raise raw.refuse("correct", int(raw.rows[ROW][index]), what, "give the right answers to each item")
    return counts
