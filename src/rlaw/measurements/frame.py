"""The table that laws are fitted to: one row per evaluation, columns with one meaning and one unit each.

Made from a store, a file, a bundled dataset, or a polars or pandas frame. What cannot be used is left out and counted
in `dropped`, never in silence. After this stage a run of ours and an imported one look the same.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from rlaw.errors import DataError, UsageError
from rlaw.measurements import identity
from rlaw.measurements.cleaning import clean, with_base_loss
from rlaw.measurements.columns import COLUMNS, CURVE, OURS, rename, theirs
from rlaw.measurements.raw import ROW, Note, Raw
from rlaw.study.compute import executed_factor
from rlaw.text import Readable, excluded_rows, listed

if TYPE_CHECKING:
    from rlaw.study.study import Study

Axis = Literal["compute", "data", "step"]
AXES: dict[str, str] = {"compute": "compute_flops", "data": "data_size", "step": "step"}

_SLICE = 50_000
#: what a fit needs one of: several of these in one fit would mix curves that obey different laws
SINGLE = ("variant", "benchmark", "tau", "group_size")


@dataclass(frozen=True, slots=True)
class Undone:
    """A planned run whose measurements are not all there: it is unfinished, failed, or was never started."""

    label: str
    arm: str
    model: str
    variant: str
    seed: int
    state: str
    step: int
    steps: int

    def is_one_of(self, column: str, values: Sequence[Any]) -> bool:
        """Whether its value of a column is among these; of a column that it does not have, every value is."""
        return str(getattr(self, column, values[0])) in map(str, values)


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
        notes: what was understood or repaired when the source was read.
        contradicts: whether a curve may have a step twice with other values: `where` chooses, `one_law` refuses.
        undone: planned runs of these rows that are not done.
        study: of a store, the study that its rows are of.
    """

    rows: pl.DataFrame
    source: str
    dropped: dict[str, int] = field(default_factory=dict)
    accounting: str = "as given"
    window: str = "1:"
    executed_factor: float = executed_factor()
    notes: tuple[Note, ...] = ()
    contradicts: bool = False
    undone: tuple[Undone, ...] = ()
    study: "Study | None" = None

    @classmethod
    def of(cls, raw: pl.DataFrame, source: str, accounting: str = "as given") -> "Frame":
        """Judge raw rows: declared types, names for sizes, unusable rows dropped and counted.

        Raises:
            DataError: a needed column is missing or empty, a cell cannot be read, or no row is left.
        """
        renamed, names = rename(raw, {}, source)
        return cls.of_raw(Raw(renamed.drop(ROW, strict=False).with_row_index(ROW), source, names=names), accounting)

    @classmethod
    def of_raw(cls, raw: Raw, accounting: str = "as given") -> "Frame":
        """Judge a table as it was read, with the places of its rows and what its columns were called."""
        cleaned = clean(raw)
        order = [*CURVE, "step", *(("test_loss", "data_size", "compute_flops") if cleaned.contradicts else ())]
        rows = cleaned.rows.sort(*order, nulls_last=True)
        more = {"notes": cleaned.notes, "contradicts": cleaned.contradicts}
        return cls(rows, raw.source, cleaned.dropped, accounting, **more)

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
        rows = self.rows.select(columns).sort([c for c in columns if c != "correct"], nulls_last=True)
        hashed = hashlib.sha256()
        for part in rows.iter_slices(_SLICE):  # a million rows as text take a gigabyte
            hashed.update(part.write_ndjson().encode())
        return hashed.hexdigest()[:12]

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
            name = OURS.get(given, given)
            if name not in rows.columns:
                raise UsageError(f"{self.source} has no column {given!r}; it has {listed(theirs(rows.columns))}")
            values = value if isinstance(value, tuple | list) else (value,)
            texts = [str(v) for v in values]
            numbers = (
                [float(v) for v in texts] if rows.schema[name].is_numeric() and all(map(_is_number, texts)) else []
            )
            match = (
                pl.col(name).cast(pl.Float64).is_in(numbers)
                if numbers
                else pl.col(name).cast(pl.String).fill_null("").is_in(texts)
            )
            if rows.filter(match).is_empty():
                there = listed(rows[name].unique().sort().to_list(), at_most=12)
                raise UsageError(f"{self.source}: no row has {given} = {', '.join(texts)}; {given} is one of {there}")
            rows = rows.filter(match)
        about = {name: value if isinstance(value, tuple | list) else (value,) for name, value in conditions.items()}
        undone = tuple(run for run in self.undone if all(run.is_one_of(*pair) for pair in about.items()))
        rows = with_base_loss(rows) if self.contradicts and conditions else rows
        return replace(self, rows=rows, undone=undone)

    def main(self) -> "Frame":
        """The rows of the main arm, the others counted in `dropped`; all rows where there is one arm only."""
        arms = self.rows["arm"].unique()
        if len(arms) == 1 or "main" not in arms:
            return self
        rows = self.rows.filter(pl.col("arm") == "main")
        undone = tuple(run for run in self.undone if run.arm == "main")
        return replace(self, rows=rows, undone=undone, dropped={**self.dropped, "other_arm": len(self) - len(rows)})

    def one_law(self, *, every_tau: bool = False, recipes: bool = True) -> "Frame":
        """The rows for one law: a single arm, variant, benchmark, tau, group size and recipe.

        Args:
            every_tau: keep all arms and all reuse factors, to compare these.
            recipes: ask, too, about columns that rlaw does not know.

        Raises:
            UsageError: there are several; the message lists the choices.
            DataError: a curve has a step twice with other values.
        """
        frame = self if every_tau else self.main()
        for name in (n for n in (*SINGLE, "arm") if not (every_tau and n in ("tau", "arm"))):
            values = frame.rows[name].drop_nulls().unique().sort()
            if len(values) > 1:
                raise UsageError(
                    f"{self.source} holds several values of {name} ({listed(values.to_list())}); one fit takes one of "
                    "them\n"
                    f"  next: `where({name}='{values[0]}')`"
                )
        frame = frame.identified()
        if recipes and not every_tau:
            identity.ask_recipes(frame.rows, self.source)
        return frame

    def identified(self) -> "Frame":
        """The rows, each the only one of its step and curve; what repeats a measurement is counted in `dropped`.

        Raises:
            DataError: a curve has a step twice with other values; the message names what tells the rows apart.
        """
        if not self.contradicts:
            return self
        rows = identity.without_copies(self.rows, measured=True)
        if identity.contradict(rows):
            raise identity.refusal(rows, self.source)
        gone = len(self) - len(rows)
        count = {"repeated_row": self.dropped.get("repeated_row", 0) + gone} if gone else {}
        return replace(self, rows=with_base_loss(rows), dropped=self.dropped | count, contradicts=False)

    def to_pandas(self) -> Any:
        """The rows as a pandas frame (pandas must be installed)."""
        return self.rows.to_pandas()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
