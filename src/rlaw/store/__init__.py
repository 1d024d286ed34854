"""What a study measured, kept so that a crash, a full disk or a second writer cannot falsify it.

    STORE/study.json                   the resolved study, its digest, the runs it plans
    STORE/index.sqlite                 status per run; a cache, delete at will
    STORE/runs/LABEL/run.json          the run's content and each attempt's circumstances, written before step 0
    STORE/runs/LABEL/records.jsonl     the record of truth: append-only, a checksum per line
    STORE/runs/LABEL/checkpoints/      the engine's
    STORE/runs/LABEL/*.parquet         tables of a finished run; made from the journal, delete at will
    STORE/runs/LABEL/lock              names the process that writes the run

docs/store.md describes it for people who read a store without rlaw.
"""

from rlaw.store.journal import TornTail
from rlaw.store.lock import Lock, Owner
from rlaw.store.status import DONE, State, Status
from rlaw.store.store import RunLog, Store

__all__ = ["DONE", "Lock", "Owner", "RunLog", "State", "Status", "Store", "TornTail"]
