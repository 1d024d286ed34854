"""The table that laws are fitted to: one row per evaluation, columns with one meaning and one unit each.

Made from a store, a file, a bundled dataset, or a polars or pandas frame. What cannot be used is left out and counted
in `dropped`, never in silence. After this stage a run of ours and an imported one look the same.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from rlaw import units
from rlaw.errors import DataError, UsageError
from rlaw.study.compute import executed_factor
from rlaw.text import Readable, excluded_rows, listed

if TYPE_CHECKING:
    pass

Axis = Literal["compute", "data", "step"]
AXES: dict[str, str] = {"compute": "compute_flops", "data": "data_size", "step": "step"}

#: name -> (type, value where the source has no such column). Params are non-embedding, or as the source gives them.
COLUMNS: dict[str, tuple[Any, Any]] = {
    "model": (pl.String, None),
    "params": (pl.Float64, None),
    "variant": (pl.String, ""),
    "benchmark": (pl.String, ""),
    "domain": (pl.String, ""),
    "arm": (pl.String, "main"),
    "run": (pl.String, ""),
    "seed": (pl.Int64, 0),
    "tau": (pl.Float64, 1.0),
    "group_size": (pl.Int64, None),
    "prompts": (pl.Int64, None),
    "order": (pl.String, ""),
    "subsets": (pl.String, ""),
    "schedule": (pl.String, ""),
    "step": (pl.Int64, None),
    "data_size": (pl.Float64, None),
    "compute_flops": (pl.Float64, None),
    "test_loss": (pl.Float64, None),
    "items": (pl.Int64, None),
    "samples": (pl.Int64, 1),
    "correct": (pl.List(pl.Int64), None),
    "response_length": (pl.Float64, None),
}
#: the columns that identify a curve
CURVE = ("params", "model", "variant", "benchmark", "tau", "group_size", "arm", "run", "seed")
#: what a table calls a column, and what it is here
_OURS = {"n_params": "params"}
_THEIRS = {ours: theirs for theirs, ours in _OURS.items()}
#: what a fit needs one of: several of these in one fit would mix curves that obey different laws
SINGLE = ("variant", "benchmark", "tau", "group_size")


@dataclass(frozen=True, repr=False)
class Frame(Readable):
    """Evaluations, sorted by curve and step, so that no result depends on the order they came in.

    Attributes:
        rows: the columns of `COLUMNS`, `base_loss` (the curve's loss at step 0, null when unknown) and whatever
            else the source had.
        dropped: how many rows were left out, by reason.
        source: what it was read from.
        accounting: how compute was counted: 6N, 8N, 12N, exact, or "as given".
        window: steps that the study declared for its fits before it ran; all of them elsewhere.
        executed_factor: FLOPs executed for each parameter and token, by the study's recipe; GRPO's with a reference
            elsewhere.
    """

    rows: pl.DataFrame
    source: str
    dropped: dict[str, int] = field(default_factory=dict)
    accounting: str = "as given"
    window: str = "1:"
    executed_factor: float = executed_factor()

    @classmethod
    def of(cls, raw: pl.DataFrame, source: str, accounting: str = "as given") -> "Frame":
        """Judge raw rows: declared types, names for sizes, unusable rows dropped and counted.

        Raises:
            DataError: a needed column is missing or empty, or no row is left.
        """
        typed = _typed(_complete(raw, source), source)
        kept, dropped = _usable(typed)
        if kept.is_empty():
            reasons = ", ".join(f"{n} {reason}" for reason, n in dropped.items()) or "it has no rows"
            raise DataError(f"{source}: no row can be used: {reasons}{_hint(dropped)}")
        return cls(_with_base_loss(kept).sort(*CURVE, "step", nulls_last=True), source, dropped, accounting)

    def __len__(self) -> int:
        return len(self.rows)

    def to_frame(self) -> pl.DataFrame:
        """The rows, as polars."""
        return self.rows

    def _repr_html_(self) -> str:
        return self.rows._repr_html_()

    def __str__(self) -> str:
        left_out = f"; excluded: {excluded_rows(self.dropped)}" if self.dropped else ""
        return f"{len(self)} evaluations of {len(self.models)} sizes from {self.source}{left_out}"

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the rows, 12 hex digits."""
        columns = sorted(name for name in self.rows.columns if name in COLUMNS and name != "run")
        text = self.rows.select(columns).sort([c for c in columns if c != "correct"], nulls_last=True).write_ndjson()
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def models(self) -> tuple[str, ...]:
        """The sizes, smallest first."""
        return tuple(self.rows["model"].unique(maintain_order=True))

    def x(self, axis: str) -> str:
        """The column of an axis.

        Raises:
            UsageError: no such axis.
            DataError: the source does not have it.
        """
        if axis not in AXES:
            raise UsageError(f"no axis is called {axis!r}: it is one of {', '.join(AXES)}")
        if self.rows[AXES[axis]].null_count() == len(self):
            there = [name for name, column in AXES.items() if self.rows[column].null_count() < len(self)]
            raise DataError(
                f"{self.source} does not have {AXES[axis]}, which the {axis} axis needs: no column, or an empty one\n"
                f"  next: `axis={' or '.join(there)}`, or name the column: `mapping={{'{AXES[axis]}': 'THEIRS'}}`"
            )
        return AXES[axis]

    def where(self, **conditions: Any) -> "Frame":
        """The rows whose columns have these values; a value may be a tuple of several.

        Raises:
            UsageError: there is no such column, or no row is left.
        """
        rows = self.rows
        for given, value in conditions.items():
            name = _OURS.get(given, given)
            if name not in rows.columns:
                there = listed([_THEIRS.get(column, column) for column in rows.columns])
                raise UsageError(f"{self.source} has no column {given!r}; it has {there}")
            values = value if isinstance(value, tuple | list) else (value,)
            texts = [str(v) for v in values]
            numbers = (
                [float(v) for v in texts] if rows.schema[name].is_numeric() and all(map(_is_number, texts)) else []
            )
            match = (
                pl.col(name).cast(pl.Float64).is_in(numbers) if numbers else pl.col(name).cast(pl.String).is_in(texts)
            )
            if rows.filter(match).is_empty():
                there = listed(rows[name].unique().sort().to_list(), at_most=12)
                raise UsageError(f"{self.source}: no row has {given} = {', '.join(texts)}; {given} is one of {there}")
            rows = rows.filter(match)
        return replace(self, rows=rows)

    def main(self) -> "Frame":
        """The rows of the main arm, the others counted in `dropped`; all rows where there is one arm only."""
        arms = self.rows["arm"].unique()
        if len(arms) == 1 or "main" not in arms:
            return self
        rows = self.rows.filter(pl.col("arm") == "main")
        return replace(self, rows=rows, dropped={**self.dropped, "other_arm": len(self) - len(rows)})

    def one_law(self, *, every_tau: bool = False) -> "Frame":
        """The rows for one law: the main arm, and a single variant, benchmark, tau and group size.

        Args:
            every_tau: keep all arms and all reuse factors, to compare these.

        Raises:
            UsageError: there are several; the message lists the choices.
        """
        frame = self if every_tau else self.main()
        for name in (n for n in SINGLE if not (every_tau and n == "tau")):
            values = frame.rows[name].drop_nulls().unique().sort()
            if len(values) > 1:
                listed = ", ".join(str(v) for v in values)
                raise UsageError(
                    f"{self.source} holds several values of {name} ({listed}); one fit takes one of them\n"
                    f"  next: `where({name}='{values[0]}')`"
                )
        return frame

    def to_pandas(self) -> Any:
        """The rows as a pandas frame (pandas must be installed)."""
        return self.rows.to_pandas()


def _complete(raw: pl.DataFrame, source: str) -> pl.DataFrame:
    """Columns that follow from others: test_loss from correct and items, model from n_params."""
    raw = raw.rename({theirs: ours for theirs, ours in _OURS.items() if ours not in raw.columns}, strict=False)
    if "model" not in raw.columns and "params" not in raw.columns:
        raise _missing(source, "model or n_params", raw)
    if "step" not in raw.columns:
        raise _missing(source, "step", raw)
    counted = {"correct", "items"} <= set(raw.columns) and not raw.schema["correct"].is_nested()
    if "test_loss" not in raw.columns and not counted:
        raise _missing(source, "test_loss, or correct and items", raw)
    if counted:
        answers = pl.col("items").cast(pl.Float64) * (pl.col("samples") if "samples" in raw.columns else 1)
        from_counts = 1 - pl.col("correct").cast(pl.Float64) / answers
        given = [pl.col("test_loss").cast(pl.Float64, strict=False)] if "test_loss" in raw.columns else []
        raw = raw.with_columns(test_loss=pl.coalesce(*given, from_counts)).drop("correct")
    return raw


def _missing(source: str, what: str, raw: pl.DataFrame) -> DataError:
    return DataError(
        f"{source}: no column {what}; it has {listed(raw.columns)}\n  next: name it with `mapping={{'ours': 'theirs'}}`"
    )


def _typed(raw: pl.DataFrame, source: str) -> pl.DataFrame:
    """Every declared column in its declared type; unreadable cells become null and are judged with the rest."""
    columns = []
    for name, (kind, default) in COLUMNS.items():
        if name not in raw.columns:
            columns.append(pl.lit(default, dtype=kind).alias(name))
            continue
        column = pl.col(name).cast(kind, strict=False)
        columns.append(column.fill_null(default) if default is not None else column)
    rows = raw.with_columns(columns)
    named = [units.count(value) if value is not None else "" for value in rows["params"]]
    rows = rows.with_columns(pl.col("model").fill_null(pl.Series("model", named, dtype=pl.String)))
    for name in ("test_loss", "step"):
        if len(rows) and rows[name].null_count() == len(rows):
            raise DataError(
                f"{source}: column {name} is empty in all {len(rows)} rows\n  next: fill it, or another with `mapping=`"
            )
    return rows


def _usable(rows: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """The rows that can be used, and how many fell out, by reason."""
    reasons = {
        "nan_loss": pl.col("test_loss").is_null() | ~pl.col("test_loss").is_finite(),
        "negative_loss": pl.col("test_loss") < 0,
        "loss_above_one": pl.col("test_loss") > 1,
        "no_step": pl.col("step").is_null() | (pl.col("step") < 0),
        "no_model": pl.col("model") == "",
        "bad_params": (pl.col("params") <= 0) | ~pl.col("params").is_finite(),
    }
    dropped = {}
    for reason, is_bad in reasons.items():
        kept = rows.filter(~is_bad.fill_null(value=reason == "nan_loss"))
        if len(kept) < len(rows):
            dropped[reason] = len(rows) - len(kept)
        rows = kept
    unique = rows.unique([*CURVE, "step"], keep="last", maintain_order=True)
    if len(unique) < len(rows):
        dropped["duplicate_step"] = len(rows) - len(unique)
    return unique, dropped


def _hint(dropped: Mapping[str, int]) -> str:
    if not dropped:
        return "\n  next: a row per evaluation is needed, below the header"
    if dropped.get("no_model"):
        return "\n  next: give each row's size in column model or n_params"
    if dropped.get("bad_params") == max(dropped.values()):
        return "\n  next: column n_params holds numbers of parameters, above 0"
    if dropped.get("loss_above_one"):
        return "\n  next: test_loss is a share between 0 and 1; divide percent by 100"
    return "\n  next: test_loss must be a number between 0 and 1"


def _with_base_loss(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds `base_loss`: the loss of the same curve at step 0."""
    if "base_loss" in rows.columns:
        rows = rows.drop("base_loss")
    base = rows.filter(pl.col("step") == 0).select(*CURVE, base_loss="test_loss")
    return rows.join(base, on=list(CURVE), how="left", nulls_equal=True)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
