"""A study's folder: what was planned, and a folder per run with everything it measured."""

import math
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from rlaw.errors import NotFound, StoreError, UsageError
from rlaw.store import index, journal, provenance, saved, tables
from rlaw.store.files import inside, is_part, leave_no_parts, make_folder, read_json, write_json
from rlaw.store.journal import Journal, finished, last_lineage, warn_of_torn_tail
from rlaw.store.lock import PATIENCE_SECONDS, Lock, owner_of
from rlaw.store.records import BaseTrained, Record, RunFinished, RunStarted
from rlaw.store.status import DONE, Status, status_of
from rlaw.study import spec
from rlaw.study.plan import Plan, Run
from rlaw.study.study import Study
from rlaw.tasks.base import CANONICAL, canonical
from rlaw.text import Readable, without_secrets

if TYPE_CHECKING:
    import polars as pl

SCHEMA = 1
#: parts of a study that change no measurement and no analysis: they may differ without a word
LOGISTICS = ("budget", "question", "stage")
_SHOWN = 6


@dataclass(frozen=True)
class RunLog:
    """A run open for writing: the lock is held, `run.json` is written, a torn last line is cut off.

    `finished` says that another process has done the run while this one waited: nothing is left to write, nor was.
    """

    run: Run
    folder: Path
    attempt: int
    journal: Journal
    finished: RunFinished | None


@dataclass(frozen=True)
class Store(Readable):
    """A folder that keeps a study. Reading never changes it."""

    path: Path
    document: dict[str, Any] = field(repr=False)

    @classmethod
    def open(cls, path: str | Path) -> "Store":
        """Open a store for reading.

        Raises:
            NotFound: there is no store.
            StoreError: it is damaged, or of a newer rlaw.
        """
        path = Path(path)
        if not (path / "study.json").is_file():
            full = path.is_dir() and any(path.iterdir())
            then = f"rlaw import {path} --store DIR, if these are logs" if full else f"rlaw run STUDY --store {path}"
            raise NotFound(f"{path} is not a store: it has no study.json\n  next: {then}")
        document = read_json(path / "study.json")
        _check_form(path / "study.json", document, document.get("rlaw", "unknown"))
        return cls(path, document)

    @classmethod
    def create(cls, path: str | Path, plan: Plan, *, extend: bool = False) -> "Store":
        """The store of a plan: a new one, or the existing one.

        Raises:
            UsageError: it keeps another study, and `extend` is not set; lists what differs.
            StoreError: the folder is no store, or cannot be written.
        """
        path = Path(path)
        store = cls.existing(path, plan, extend=extend)
        if store is not None and store.digest == plan.study.digest:
            return store
        make_folder(path)
        with Lock(path / "lock"):  # whoever runs the kept study holds it
            store = cls.existing(path, plan, extend=extend)
            if store is not None and store.digest != plan.study.digest:
                write_json(path / f"study-{store.digest}.json", store.document)
            make_folder(path / "runs")
            document = _study_document(plan)
            write_json(path / "study.json", document)
        return cls(path, document)

    @classmethod
    def existing(cls, path: str | Path, plan: Plan, *, extend: bool = False) -> "Store | None":
        """The store in a folder, if it may keep the plan; None where `create` would make a new one. Changes nothing.

        Raises:
            UsageError, StoreError: as `create`.
        """
        path = Path(path)
        if (path / "study.json").is_file():
            store = cls.open(path)
            if store.digest != plan.study.digest:
                store._may_become(plan.study, extend)
            return store
        if path.exists() and not (path.is_dir() and all(map(_left_behind, path.iterdir()))):
            raise StoreError(f"{path} exists and is not a store\n  next: name another folder, or empty this one")
        return None

    def _may_become(self, study: Study, extend: bool) -> None:
        changes = self.differences(study)
        if changes and not extend:
            more = f"\n  and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
            raise UsageError(
                f"{self.path} keeps another study ({self.digest}, this one is {study.digest}):\n  "
                + "\n  ".join(changes[:_SHOWN])
                + f"{more}\n  next: another `store=`, or `extend=True` to keep both here (equal runs are not run again)"
            )

    def differences(self, study: Study) -> list[str]:
        """What differs between the kept study and another one, logistics left out, as `key: here -> there`."""
        here, there = _flat(canonical(self.study)), _flat(canonical(study))
        keys = [key for key in {**here, **there} if key.split(".")[0] not in LOGISTICS]
        pairs = [(key, here.get(key, "none"), there.get(key, "none")) for key in keys]
        return [f"{key}: {a} -> {b}" for key, a, b in pairs if a != b]

    def __str__(self) -> str:
        return f"store {self.path} of study {self.study.name}: {len(self.labels())} runs"

    def documents(self) -> list[dict[str, Any]]:
        """A row for each run: how far it is."""
        return [status.to_json() for status in self.runs()]

    @property
    def digest(self) -> str:
        """Of the kept study."""
        return self.document["digest"]

    @cached_property
    def study(self) -> Study:
        """The kept study, resolved.

        Raises:
            StoreError: this rlaw cannot read it.
        """
        try:
            return Study.model_validate(self.document["study"])
        except ValidationError as error:
            raise StoreError(
                f"{self.path / 'study.json'}: a study of rlaw {self.document.get('rlaw')} that this one cannot read: "
                f"{error.error_count()} faults, the first at {'.'.join(map(str, error.errors()[0]['loc']))}"
            ) from error

    @cached_property
    def planned(self) -> dict[str, dict[str, Any]]:
        """Label to line of every run the study plans, in the plan's order."""
        return {line["label"]: line for line in self.document["runs"]}

    @property
    def stages(self) -> Path:
        """Keeps the decisions of a study that is run in stages; there is none of any other."""
        return self.path / "stages.json"

    def labels(self) -> tuple[str, ...]:
        """Every run: the planned ones in the plan's order, then what else is kept here."""
        runs = self.path / "runs"
        there = sorted(os.listdir(runs)) if runs.is_dir() else []
        others = [name for name in there if name not in self.planned and (runs / name / "run.json").is_file()]
        return (*self.planned, *others)

    def folder(self, label: str) -> Path:
        """The run's folder.

        Raises:
            NotFound: no run can be called that.
        """
        return inside(self.path / "runs", label)

    def contents(self, label: str, only: tuple[type[Record], ...] = ()) -> journal.Contents:
        """The run's journal as it is, or its records of some kinds `only`.

        A torn last line is warned of, but not while it is being written.
        """
        if label not in self.planned and not (self.folder(label) / "run.json").is_file():
            raise NotFound(f"{self.path} has no run {label!r}\n  next: `rlaw status {self.path}` lists the runs")
        path = self.folder(label) / "records.jsonl"
        saved_step = saved.newest_step(path.parent)  # before the journal is read: it may grow
        contents = journal.read(path, only, tables.run_id(label))
        if not only:
            saved.check(path, saved_step, max((getattr(row, "step", 0) for row in contents.records), default=0))
        if contents.torn_bytes and owner_of(self.folder(label) / "lock") is None:
            warn_of_torn_tail(path, contents.torn_bytes)
        return contents

    def records(self, label: str, *, raw: bool = False) -> list[Record]:
        """The run's records: the last attempt's lineage, or with `raw` every row ever written.

        Raises:
            NotFound: there is no such run.
            StoreError: a line is damaged.
        """
        rows = self.contents(label).records
        return list(rows) if raw else last_lineage(rows)

    def base(self, label: str) -> BaseTrained | None:
        """The record of the checkpoint that the run started from; None before there is one.

        Raises:
            NotFound: there is no such run.
            StoreError: a line is damaged.
        """
        rows = last_lineage(self.contents(label, (RunStarted, BaseTrained)).records)
        return next((r for r in rows if isinstance(r, BaseTrained)), None)

    def spec(self, label: str) -> dict[str, Any]:
        """What `run.json` holds: the run's content and each attempt's circumstances.

        Raises:
            NotFound: the run was never started.
            StoreError: it is damaged, of a newer rlaw, or of another run.
        """
        path = self.folder(label) / "run.json"
        known = read_json(path)
        _check_form(path, known, self.document.get("rlaw", "unknown"))
        if known["run"]["id"] != tables.run_id(label):
            raise StoreError(f"{path} is of run {known['run']['id']}\n  next: {tables.SWAPPED}")
        return known

    def run(self, label: str) -> Run:
        """The run as it was started, from its own folder alone."""
        return spec.run_of(self.spec(label)["run"])

    def status(self, label: str) -> Status:
        """How far a run is."""
        if known := tables.manifest(self.folder(label)):
            return Status(**known["status"])
        return self._status_of(label, self.contents(label).records)

    def _status_of(self, label: str, rows: Sequence[Record]) -> Status:
        line = self.planned.get(label) or self.spec(label)["run"]
        return status_of(line, rows, owner_of(self.folder(label) / "lock") is not None)

    def runs(self) -> tuple[Status, ...]:
        """How far every run is; from the index where that is as new as the journal."""
        known = index.read(self.path / "index.sqlite")
        return tuple(self._known_status(label, known) for label in self.labels())

    def _known_status(self, label: str, known: dict[str, tuple[index.Stamp, Status]]) -> Status:
        mark, status = known.get(label, (None, None))
        if status is None or status.state in ("planned", "running"):
            return self.status(label)
        folder = self.folder(label)
        over = status.state in DONE or not owner_of(folder / "lock")
        return status if over and mark == journal.stamp(folder / "records.jsonl") else self.status(label)

    def write_index(self) -> None:
        """Bring `index.sqlite` up to date."""
        marks = [journal.stamp(self.folder(label) / "records.jsonl") for label in self.labels()]
        index.write(self.path / "index.sqlite", zip(marks, self.runs(), strict=True))

    def evaluations(self, label: str, columns: Sequence[str] | None = None) -> "pl.DataFrame":
        """The run's evaluations, last lineage, as a table: a finished run's own, else made from its journal.

        Args:
            label: of the run.
            columns: those wanted; all when None. A run without records has no columns and no rows.

        Raises:
            NotFound: there is no such run.
            StoreError: a line of the journal is damaged.
        """
        return self._table(label, tables.EVALUATIONS, columns)

    def steps(self, label: str, columns: Sequence[str] | None = None) -> "pl.DataFrame":
        """The run's RL steps, likewise; `flops` and `seconds` by phase are columns such as `flops_update`."""
        return self._table(label, tables.STEPS, columns)

    def _table(self, label: str, name: str, columns: Sequence[str] | None) -> "pl.DataFrame":
        table = tables.read(self.folder(label), name, columns)
        if table is not None:
            return table
        made = tables.of(self.contents(label).records, name)
        return made.select(columns) if columns and made.width else made

    def silent_seconds(self, label: str) -> float:
        """How long ago the newest record of a run was kept, or the run was taken up; 0 before either."""
        files = (self.folder(label) / name for name in ("records.jsonl", "lock"))
        newest = max((path.stat().st_mtime for path in files if path.exists()), default=math.inf)
        return max(0.0, time.time() - newest)

    def lock(self) -> Lock:
        """The lock of the process that runs the study: one at a time."""
        return Lock(self.path / "lock")

    @contextmanager
    def writer(
        self, run: Run, *, argv: Sequence[str] = (), patience_seconds: float = PATIENCE_SECONDS
    ) -> Iterator[RunLog]:
        """Open a run for writing, as its next attempt.

        Raises:
            StoreError: another process writes it, its journal is damaged, or the folder cannot be written.
        """
        folder = self.folder(run.label)
        make_folder(folder, parents=False)
        with Lock(folder / "lock", patience_seconds):
            leave_no_parts(folder)
            if (folder / "run.json").is_file():
                self.spec(run.label)
            tables.manifest(folder)
            saved_step = saved.newest_step(folder)
            log = Journal(folder / "records.jsonl", run.id, saved_step)
            try:
                attempt = max((record.attempt for record in log.found.records), default=0) + 1
                done = finished(log.found.records)
                if done is None:
                    _write_run(folder / "run.json", run, attempt, argv)
                yield RunLog(run, folder, attempt, log, done)
            finally:
                log.close()

    def has_tables(self, label: str) -> bool:
        """Whether a run is done and its tables are there, as new as its journal."""
        return tables.manifest(self.folder(label)) is not None

    def compact(self, label: str) -> None:
        """Write the run's Parquet tables, unless they are there and as new as the journal.

        Raises:
            StoreError: the journal is damaged, or the system refused.
        """
        if not self.has_tables(label):
            tables.compact(self.folder(label), partial(self._status_of, label))

    def settle(self) -> None:
        """Make what readers would else make again each time: tables of done runs that have none, and the index.

        Raises:
            StoreError: the system refused, or a journal is damaged.
        """
        leave_no_parts(self.path)
        for status in self.runs():
            if status.state in DONE:
                self.compact(status.label)
        self.write_index()


def _left_behind(path: Path) -> bool:
    """Whether this is what a command leaves that dies before it has written `study.json`."""
    empty_folder = path.name in ("runs", "slurm") and path.is_dir() and not any(path.iterdir())
    return empty_folder or is_part(path.name) or re.fullmatch(r"lock(\.[0-9]+)?", path.name) is not None


def _check_form(path: Path, document: dict[str, Any], by: str) -> None:
    """Refuse a document of a later format: its schema, or the form of settings that its ids are made of."""
    for name, known in (("schema", SCHEMA), ("canonical", CANONICAL)):
        if not 1 <= document.get(name, 1) <= known:
            raise StoreError(
                f"{path} has {name} {document.get(name)}, this rlaw reads {known}\n"
                f"  next: read it with the rlaw that wrote it ({by}), or a newer one"
            )


def _study_document(plan: Plan) -> dict[str, Any]:
    study = plan.study
    made = {"schema": SCHEMA, "canonical": CANONICAL, "rlaw": metadata.version("rlaw"), "created": provenance.now()}
    about = {**made, "digest": study.digest}
    columns = ("label", "id", "arm", "model", "params", "params_total", "variant", "seed", "steps")
    documents = (spec.document(run) for run in plan)
    runs = [{name: line[name] for name in columns} for line in documents]
    return {**about, "study": without_secrets(study.model_dump(mode="json")), "runs": runs}


def _write_run(path: Path, run: Run, attempt: int, argv: Sequence[str]) -> None:
    earlier = read_json(path)["attempts"] if path.is_file() else []
    earlier = [one for one in earlier if one["attempt"] < attempt]
    attempts = [*earlier, {"attempt": attempt, **provenance.here(argv)}]
    form = {"schema": SCHEMA, "canonical": CANONICAL}
    write_json(path, {**form, "run": without_secrets(spec.document(run)), "attempts": attempts})


def _flat(data: Any, at: str = "") -> dict[str, Any]:
    """Nested mappings as dotted keys; what is None is left out."""
    if not isinstance(data, dict):
        return {} if data is None else {at: data}
    return {key: leaf for name, value in data.items() for key, leaf in _flat(value, f"{at}.{name}".strip(".")).items()}
