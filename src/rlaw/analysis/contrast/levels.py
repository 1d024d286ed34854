"""The runs of each value of a factor: a column, a setting of a store's runs, or the source of the data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import polars as pl

from rlaw.errors import DataError, UsageError
from rlaw.fitting.diagnostics import Caution
from rlaw.measurements import identity
from rlaw.measurements.columns import COLUMNS, OURS, theirs
from rlaw.measurements.frame import SINGLE, Frame
from rlaw.measurements.load import load
from rlaw.text import listed

DATA = "data"
_MOST_LEVELS = 20
_OF_A_RUN = (*SINGLE, "prompts", "order", "subsets", "schedule", "arm")
#: settings that the table has under a name of its own
_NAMED = {
    "data.reuse": "tau",
    "data.order": "order",
    "data.subsets": "subsets",
    "data.schedule": "schedule",
    "rl.num_generations": "group_size",
    "rl.prompts": "prompts",
}
_SECTIONS = ("rl", "data", "engine")
#: what distinguishes runs, and is no recipe
_NO_RECIPE = frozenset(["run", "seed", "step", "test_loss", "correct", "base_loss"])


@dataclass(frozen=True)
class Levels:
    """The values of a factor, each with its measurements.

    Attributes:
        factor: what it is called.
        frames: value -> its rows, in the order asked for.
        source: what was read.
        settings: columns added from what a store's runs were started with.
    """

    factor: str
    frames: dict[str, Frame]
    source: str
    settings: tuple[str, ...] = ()


def levels_of(data: Any, between: str | None, where: Mapping[str, Any]) -> Levels:
    """The values of `FACTOR=A,B`, of all values of `FACTOR`, or of several sources.

    Raises:
        UsageError: no such factor or value, fewer than two values, or too many.
    """
    if isinstance(data, list | tuple):
        return _of_sources(data, between, where)
    factor, mark, text = (between or "").partition("=")
    factor, wanted = factor.strip(), [name.strip() for name in text.split(",") if name.strip()]
    if not factor or (mark and len(set(wanted)) < 2):
        raise UsageError(
            "a contrast takes a factor, or two values of it, or two sources\n  next: `between=recipe`, "
            "`between=recipe=grpo,dapo`, or two DATA"
        )
    frame, settings = _with_settings(load(data), data)
    frame = frame.where(**where)
    column = _column(frame, factor)
    there = [_text(value) for value in frame.rows[column].unique().sort().to_list() if value is not None]
    names = wanted or there
    if len(names) < 2:
        raise UsageError(
            f"{frame.source}: {factor} has one value only ({listed(there)})\n  next: {_next_factor(frame, column)}"
        )
    if len(names) > _MOST_LEVELS:
        raise UsageError(
            f"{frame.source}: {factor} has {len(names)} values, and {_MOST_LEVELS} are the most\n"
            f"  next: `between={factor}={names[0]},{names[1]}`"
        )
    frames = {name: frame.where(**{column: name}) for name in dict.fromkeys(names)}
    return Levels(factor, frames, frame.source, settings)


def _of_sources(data: Sequence[Any], between: str | None, where: Mapping[str, Any]) -> Levels:
    if between not in (None, DATA) and len(data) > 1:
        raise UsageError("several sources are contrasted by themselves\n  next: leave `between=` out, or give one DATA")
    if len(data) == 1:
        return levels_of(data[0], between, where)
    texts = [str(one) if isinstance(one, str | Path) else f"data {i + 1}" for i, one in enumerate(data)]
    if len(set(texts)) < len(texts):
        raise UsageError(f"a source is given twice: {listed(texts)}")
    loaded = [load(one).where(**where) for one in data]
    return Levels(DATA, dict(zip(texts, loaded, strict=True)), " and ".join(texts))


def _column(frame: Frame, factor: str) -> str:
    """The column of a factor: as it is called, or a setting's last name."""
    name = OURS.get(factor, _NAMED.get(factor, factor))
    if name not in frame.rows.columns:
        ends = [c for c in frame.rows.columns if c.endswith(f".{factor}")]
        ends = ends or [own for setting, own in _NAMED.items() if setting.endswith(f".{factor}")]
        name = ends[0] if len(ends) == 1 else name
    if name not in frame.rows.columns or name in ("step", "test_loss", "correct", "base_loss"):
        raise UsageError(f"{frame.source} has no runs that differ in {factor}\n  next: {_next_factor(frame, factor)}")
    return name


def _next_factor(frame: Frame, but: str) -> str:
    measured = {*identity.MEASURED, "step", "params", "model"}
    several = [
        name
        for name in frame.rows.columns
        if name not in measured and name != but and 1 < frame.rows[name].n_unique() <= _MOST_LEVELS
    ]
    where = f"`between=` one of {listed(theirs(several))}" if several else "another DATA to contrast it with"
    return where


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) and value == float(f"{value:g}") else str(value)


def _with_settings(frame: Frame, data: Any) -> tuple[Frame, tuple[str, ...]]:
    """The frame of a store with a column for each setting in which its runs differ."""
    if not isinstance(data, str | Path) or not (Path(data) / "study.json").is_file():
        return frame, ()
    from rlaw.store import Store

    store = Store.open(data)
    started = [label for label in store.labels() if (store.folder(label) / "run.json").is_file()]
    settings = [_flat(store.spec(label)["run"]) for label in started]
    names = sorted({name for each in settings for name in each} - set(_NAMED))
    differ = [name for name in names if len({str(each.get(name)) for each in settings}) > 1]
    if not differ:
        return frame, ()
    table = pl.DataFrame(
        {
            "run": [label.rpartition("-")[2] for label in started],
            **{name: [None if each.get(name) is None else _text(each[name]) for each in settings] for name in differ},
        },
        schema={"run": pl.String, **dict.fromkeys(differ, pl.String)},
    )
    keys = frame.rows["run"].str.split("-").list.last()
    rows = frame.rows.with_columns(keys.alias("id of the run"))
    rows = rows.join(table, left_on="id of the run", right_on="run", how="left", maintain_order="left")
    return replace(frame, rows=rows.drop("id of the run")), tuple(differ)


def _flat(run: dict[str, Any]) -> dict[str, Any]:
    """The sections of a run's settings as `rl.learning_rate` and the like."""
    found: dict[str, Any] = {}

    def add(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, part in value.items():
                add(f"{prefix}.{key}", part)
        elif not isinstance(value, list):
            found[prefix] = value

    for section in _SECTIONS:
        add(section, run.get(section))
    return found


def alike(levels: Levels, a: str, b: str) -> tuple[Frame, Frame, list[Caution]]:
    """The runs of two values that differ in the factor alone, and what else differs where that cannot be had.

    Raises:
        UsageError: what else tells the runs apart has several values, and one has to be chosen.
        DataError: a curve has a step twice with other values.
    """
    first, second = levels.frames[a], levels.frames[b]
    factor = OURS.get(levels.factor, levels.factor)
    cautions: list[Caution] = []
    labels = () if factor == "arm" else ("arm",)
    for columns in (tuple(c for c in _recipe(first, second, levels) if c not in (factor, *labels)), labels):
        first, second = _common(first, second, columns, levels, (a, b))
    differ = [
        c for c in _recipe(first, second, levels) if c not in (factor, "arm") and _one(first, c) != _one(second, c)
    ]
    differ = [c for c in differ if _NAMED.get(levels.factor, "") != c and not c.endswith(f".{levels.factor}")]
    if differ and factor != "arm":
        each = "; ".join(f"{c} ({_one(first, c)}, {_one(second, c)})" for c in theirs(differ))
        cautions.append(Caution("differs-also", f"the runs of {a} and {b} differ also in {each}"))
    return first.identified(), second.identified(), cautions


def _recipe(first: Frame, second: Frame, levels: Levels) -> list[str]:
    """The columns that say what a run is of."""
    both = [c for c in first.rows.columns if c in second.rows.columns]
    own = {*_OF_A_RUN, *levels.settings}
    return [c for c in both if c in own or (c not in COLUMNS and identity.is_recipe(c))]


def _one(frame: Frame, column: str) -> str:
    """The only value of a column, as text."""
    values = frame.rows[column].unique().sort().to_list()
    return "" if values == [None] else "several" if len(values) > 1 else _text(values[0])


def _common(
    first: Frame, second: Frame, columns: Sequence[str], levels: Levels, names: tuple[str, str]
) -> tuple[Frame, Frame]:
    """The rows that have the same values of the columns; a column with one value in each is part of the recipe."""
    varying = [c for c in columns if max(f.rows[c].n_unique() for f in (first, second)) > 1]
    if not varying:
        return first, second
    keys = [pl.col(c).cast(pl.String).fill_null("") for c in varying]
    combos = [set(f.rows.select(keys).unique().rows()) for f in (first, second)]
    shared = sorted(combos[0] & combos[1])
    if len(shared) != 1:
        raise UsageError(_choice(shared, varying, combos, levels, names))
    match = pl.all_horizontal(*(key == value for key, value in zip(keys, shared[0], strict=True)))
    return tuple(replace(f, rows=f.rows.filter(match)) for f in (first, second))  # pyright: ignore[reportReturnType]


def _choice(
    shared: list[tuple[str, ...]],
    columns: list[str],
    combos: list[set[tuple[str, ...]]],
    levels: Levels,
    names: tuple[str, str],
) -> str:
    """What to choose where the runs of two values differ in more than the factor."""
    a, b = names
    there = shared or sorted(combos[0] | combos[1])
    i = next((i for i in range(len(columns)) if len({combo[i] for combo in there}) > 1), 0)
    values = sorted({combo[i] for combo in there})
    how = "hold several values of" if shared else "have no runs alike in"
    return (
        f"{levels.source}: {a} and {b} of {levels.factor} {how} {theirs(columns[i : i + 1])[0]} ({listed(values)}); a "
        f"contrast takes one of them\n  next: `where({columns[i]}='{values[0]}')`"
    )


def pairs(levels: Levels) -> list[tuple[str, str]]:
    """Every two values, in the order given.

    Raises:
        DataError: fewer than two.
    """
    found = list(combinations(levels.frames, 2))
    if not found:
        raise DataError(f"{levels.source}: a contrast takes two recipes")
    return found
