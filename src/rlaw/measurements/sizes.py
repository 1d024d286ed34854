"""The sizes of a ladder: numbers of parameters that were given, that a known model's name gives, or that are asked."""

import re

import polars as pl

from rlaw import units
from rlaw.measurements.raw import ROW, Note, Raw
from rlaw.study.presets import size_named
from rlaw.text import listed

_LEAST = 1_000.0  # no language model has fewer parameters
_OFF = 100.0  # a name and a number this many times apart do not belong together
_LARGEST = 1e300
_IN_NAME = re.compile(r"(?<![A-Za-z0-9.])(?:\d+x)?(\d+(?:\.\d+)?) ?([KkMmBbTt])(?![A-Za-z0-9])")
_SCALE = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}


def sized(raw: Raw) -> Raw:
    """The source with `params` and `model` filled in for each other, as far as they are known.

    Raises:
        DataError: a number of parameters that cannot be meant.
    """
    rows, notes = raw.rows, []
    if not raw.recorded:
        rows, notes = _by_known_names(rows)
        _question(raw.with_rows(rows))
    known = rows["params"].drop_nulls().unique()
    names = {value: units.count(value) for value in known}
    named = rows["params"].replace_strict(names, default="", return_dtype=pl.String).fill_null("")
    filled = rows.with_columns(pl.col("model").fill_null(named))
    return raw.with_rows(filled, *notes)


def same_size(rows: pl.DataFrame) -> Note | None:
    """A note on sizes that go by several names; None when each has one."""
    sizes = rows.select("params", "model").drop_nulls().unique().group_by("params").agg(pl.col("model").sort())
    several = sizes.filter(pl.col("model").list.len() > 1).sort("params")
    if several.is_empty():
        return None
    each = [f"{units.count(params)} ({listed(names, at_most=6)})" for params, names in several.iter_rows()]
    text = (
        f"the same number of parameters under several names: {listed(each, at_most=6)}; each name is taken for a size "
        "of its own: give one name to each size, or `mapping={'run': 'model'}` where the names are of runs"
    )
    return Note("same-size", text)


def _by_known_names(rows: pl.DataFrame) -> tuple[pl.DataFrame, list[Note]]:
    """The rows with the parameters of published models, by their names, where the source has none."""
    models = rows.filter(pl.col("params").is_null())["model"].drop_nulls().unique().sort()
    found = {model: size.nominal for model in models if (size := size_named(model)) is not None}
    if not found:
        return rows, []
    given = pl.col("model").replace_strict(found, default=None, return_dtype=pl.Float64)
    sizes = listed([f"{model} {units.count(params)}" for model, params in found.items()], at_most=8)
    text = f"n_params is not in the data; the nominal sizes of rlaw's presets are taken, by the models' names: {sizes}"
    return rows.with_columns(pl.col("params").fill_null(given)), [Note("size-from-name", text)]


def _question(raw: Raw) -> None:
    """Ask about numbers of parameters that no model has, or that are not those in the model's name."""
    sizes = raw.rows.select("model", "params").with_row_index(ROW).drop_nulls("params").group_by("model", "params")
    for model, params, first in sizes.agg(pl.col(ROW).min()).sort(ROW).iter_rows():
        if not 0 < params < _LARGEST:
            continue  # dropped with its rows, and counted
        row = int(raw.rows[ROW][first])
        called = f" of {listed([model])}" if model else ""
        if params < _LEAST:
            meant = f"is it {params:g} billion or million?"
            then = f"write {params:g}e9 or {params:g}B, or with e6 or M"
            raise raw.refuse("params", row, f"{params:g} parameters{called}: {meant}", then)
        named = sizes_in(model or "")
        if named and all(max(size / params, params / size) > _OFF * 0.999 for size in named):
            what = f"{params:g} parameters{called}, whose name says {units.count(named[0])}"
            raise raw.refuse("params", row, what, "correct the number, or the name")


def sizes_in(name: str) -> list[float]:
    """The numbers of parameters that a model's name holds: 7e9 in `my-7B-sft`."""
    return [float(value) * _SCALE[unit.casefold()] for value, unit in _IN_NAME.findall(name)]
