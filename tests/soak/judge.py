"""What must hold of a store after any number of deaths, told from files that the store's writers do not touch."""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from timeless import timeless

import rlaw
from rlaw.store import DONE, Store
from rlaw.store.lock import process_started
from rlaw.store.records import RunFinished, to_row


@dataclass
class Ledger:
    """What the shim told: lines kept, by run; workers; deaths that were aimed."""

    kept: dict[str, list[str]] = field(default_factory=dict)
    workers: list[tuple[int, str]] = field(default_factory=list)
    killed: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> "Ledger":
        ledger = cls()
        for line in path.read_text().splitlines() if path.exists() else ():
            kind, *fields = line.split("\t", 2)
            if kind == "kept":
                ledger.kept.setdefault(fields[0], []).append(fields[1])
            elif kind == "worker":
                ledger.workers.append((int(fields[0]), fields[1]))
            else:
                ledger.killed.append((fields[0], fields[1]))
        return ledger

    def alive(self) -> list[int]:
        return [pid for pid, started in self.workers if process_started(pid) == started]


def check(store: Store, ledger: Ledger, truth: Store) -> None:
    """Everything acknowledged is there once, nothing was started twice, and the end is that of an undisturbed run."""
    assert ledger.alive() == [], "orphans"
    for label in truth.labels():
        lines = (store.folder(label) / "records.jsonl").read_text().splitlines()
        counted = Counter(lines)
        lost = [line for line in ledger.kept[label] if counted[line] != 1]
        assert not lost, f"{label}: acknowledged, but not there exactly once: {lost[:3]}"
        check_attempts(store, label)
        assert rows(store, label) == rows(truth, label)
    assert {status.state for status in store.runs()} <= set(DONE)
    columns = [name for name in rlaw.load(truth.path).rows.columns if not name.startswith("seconds")]
    assert rlaw.load(store.path).rows.select(columns).equals(rlaw.load(truth.path).rows.select(columns))
    parts = [path for path in store.path.rglob(".*") if re.fullmatch(r"\..+\.\d+", path.name)]
    assert parts == [], "left by killed writers"


def check_attempts(store: Store, label: str) -> None:
    raw = store.records(label, raw=True)
    numbers = [record.attempt for record in raw]
    assert numbers == sorted(numbers), f"{label}: two attempts at once"
    assert [r.attempt for r in raw if r.kind == "run_started"] == sorted(set(numbers)), f"{label}: started twice"
    assert [isinstance(r, RunFinished) for r in raw].index(True) == len(raw) - 1, f"{label}: run again after its end"


def rows(store: Store, label: str) -> list[dict]:
    told = [timeless(to_row(record)) for record in store.records(label)]
    return [{key: value for key, value in row.items() if key not in ("attempt", "resumed_at")} for row in told]
