"""The records of a run: one frozen record per event, one line of JSON per record, a checksum on every line.

Every record names its run and attempt. Whatever depends on the clock stands under `time` and `seconds`, so that two
runs of the same study are equal but for these. Numbers that JSON cannot hold (NaN, infinities) are
written as null and named in `nonfinite`, so that a line stays valid JSON and nothing is lost.
"""

import json
import math
import re
import zlib
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any, ClassVar

from rlaw.errors import StoreError


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An event of one attempt at one run."""

    kind: ClassVar[str]
    run: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Record):
    """An attempt begins: what is run, on what, from which step on (`resumed_at` 0: from the start)."""

    kind: ClassVar[str] = "run_started"
    study: str
    arm: str
    family: str
    model: str
    variant: str
    params: int
    params_total: int
    seed: int
    tau: float
    group_size: int
    task: str
    order: str
    prompts: int
    steps: int
    resumed_at: int
    engine: str
    threads: int
    subsets: str = ""
    schedule: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    hardware: dict[str, str] = field(default_factory=dict)
    time: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseTrained(Record):
    """The checkpoint that RL starts from is there: pretrained now, or taken from the cache under the same digest."""

    kind: ClassVar[str] = "base_trained"
    digest: str
    steps: int
    tokens: int
    base_flops: int
    cross_entropy: float
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Record):
    """One RL step. Tokens and FLOPs are this step's, `data_size` and `unique_prompts` count from the start."""

    kind: ClassVar[str] = "step"
    step: int
    prompts: int
    data_size: int
    unique_prompts: int
    prompt_tokens: int
    response_tokens: int
    flops: dict[str, int]
    reward_mean: float
    reward_std: float
    zero_variance_share: float
    loss: float
    kl: float | None  # to the reference; None: not measured, beta is 0
    entropy: float
    clip_share: float
    grad_norm: float
    learning_rate: float
    response_length: float
    truncated_share: float
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated(Record):
    """One benchmark after `step` RL steps. `correct[i]` of `samples` answers to item i were right.

    `data_size`, `tokens` and `compute_flops` (by accounting model) count from the start of RL. `domain` is "in" for a
    benchmark of the domain that RL trains, "out" for another, and empty when unknown.
    """

    kind: ClassVar[str] = "evaluated"
    step: int
    benchmark: str
    items: int
    samples: int
    correct: list[int]
    test_loss: float
    response_length: float
    truncated_share: float
    data_size: int
    tokens: int
    compute_flops: dict[str, float]
    domain: str = ""
    unjudged: int = 0  # of the answers that are not right: checking timed out, or the answer never came
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Record):
    """All steps done. `weights` is the SHA-256 of the final weights."""

    kind: ClassVar[str] = "run_finished"
    step: int
    checkpoint: str
    weights: str
    diverged: bool = False
    time: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInterrupted(Record):
    """Stopped from outside after `step`; the next attempt resumes from the newest checkpoint."""

    kind: ClassVar[str] = "run_interrupted"
    step: int
    time: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFailed(Record):
    """The run could not go on. Data, not a crash of the study; it never counts as a wrong answer."""

    kind: ClassVar[str] = "run_failed"
    step: int
    cause: str
    text: str
    time: str = ""


#: what the first line of a journal gives as the checksum of the line before it
FIRST = "0" * 8
_LINK = re.compile(rb',"after":"([0-9a-f]{8})"\Z')

KINDS: dict[str, type[Record]] = {
    cls.kind: cls for cls in (RunStarted, BaseTrained, Step, Evaluated, RunFinished, RunInterrupted, RunFailed)
}


def to_row(record: Record) -> dict[str, Any]:
    """The record as plain data, `kind` first."""
    return {"kind": record.kind, **asdict(record)}


def of_row(row: dict[str, Any]) -> Record:
    """The record that `to_row` made the row of; keys of newer versions are left out.

    Raises:
        StoreError: the kind is unknown, or a key is missing: another version wrote it.
    """
    cls = KINDS.get(row.get("kind", ""))
    if cls is None:
        raise StoreError(f"a record of kind {row.get('kind')!r}, which this version of rlaw does not know")
    known = {f.name: f for f in fields(cls)}
    needed = [name for name, f in known.items() if f.default is MISSING and f.default_factory is MISSING]
    if missing := [name for name in needed if name not in row]:
        raise StoreError(f"a {cls.kind} record without {', '.join(missing)}: another version of rlaw wrote it")
    return cls(**{key: value for key, value in row.items() if key in known})


def encode(record: Record, after: str = FIRST) -> bytes:
    """One line: JSON, a checksum (CRC-32 of the line without it) as its last key, a newline.

    Args:
        record: to write.
        after: checksum of the line before, FIRST for the first: so that no line can go missing between two.
    """
    row = to_row(record)
    nonfinite = {k: repr(v) for k, v in row.items() if isinstance(v, float) and not math.isfinite(v)}
    if nonfinite:
        row = {k: None if k in nonfinite else v for k, v in row.items()} | {"nonfinite": nonfinite}
    row["after"] = after
    body = json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(errors="backslashreplace")
    return body[:-1] + b',"crc":"%08x"}\n' % zlib.crc32(body)


def head(kind: type[Record]) -> bytes:
    """What every line of a kind begins with."""
    return b'{"kind":"%s"' % kind.kind.encode()


def is_of(run: str, body: bytes) -> bool:
    """Whether a line, which names its run after its kind, is one of that run."""
    return body.startswith(b'"run":"%s"' % run.encode(), body.find(b",") + 1)


@dataclass(frozen=True, slots=True)
class Line:
    """One whole line: its JSON without the checksum, the checksum, and that of the line before it.

    `after` is empty where rlaw 0.1.0 wrote the line, which linked none.
    """

    body: bytes
    crc: str
    after: str


def checked(line: bytes) -> Line:
    """The parts of one line.

    Raises:
        StoreError: the checksum is missing or does not match: the line is torn or was changed.
    """
    body, mark, crc = line.rstrip(b"\n").rpartition(b',"crc":"')
    if not mark or not line.endswith(b"\n") or crc[8:] != b'"}' or crc[:8] != b"%08x" % zlib.crc32(body + b"}"):
        raise StoreError("checksum does not match")
    link = _LINK.search(body)
    return Line(body + b"}", crc[:8].decode(), link[1].decode() if link else "")


def decode(line: bytes) -> Record:
    """The record of one line.

    Raises:
        StoreError: the line is torn or was changed, or another version wrote it.
    """
    return of_body(checked(line).body)


def of_body(body: bytes) -> Record:
    """The record of a line's JSON.

    Raises:
        StoreError: another version wrote it.
    """
    row = json.loads(body)
    row |= {key: float(text) for key, text in row.pop("nonfinite", {}).items()}
    return of_row(row)
