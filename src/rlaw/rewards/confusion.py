"""How often a verifier is right: pairs of answer and reference with a verdict, judged by rlaw's and by math-verify."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rlaw.errors import DataError, NotFound
from rlaw.rewards import answer as answers
from rlaw.rewards.base import Grade, Verdict
from rlaw.rewards.math import MathReward
from rlaw.rewards.pool import Pool
from rlaw.text import shortened, table

COLUMNS = ("answer", "reference", "right")
TRUE, FALSE = frozenset(["true", "1", "yes"]), frozenset(["false", "0", "no"])
BATCH = 16  # pairs that share the seconds of one batch: math-verify is slow where it is not wrong
_NAMED = 5  # rows of a fault in a message
_LONGEST = 80  # characters of an answer in the text
_SHOWN = 100  # pairs in the text; JSON has all


@dataclass(frozen=True, slots=True)
class Pair:
    """An answer, a reference, and whether the answer is right; `line` of the file that it is from.

    An answer with a box or with thoughts in it is a whole response, any other what would stand in the box.
    """

    line: int
    answer: str
    reference: str
    right: bool

    @property
    def is_response(self) -> bool:
        """Whether the answer is a whole response."""
        return answers.is_response(self.answer)


@dataclass(frozen=True, slots=True)
class Confusion:
    """How many pairs a verifier judged how; an answer that it could not check is counted as rejected, and by itself."""

    accepted: int
    false_rejects: int
    rejected: int
    false_accepts: int
    timeouts: int


@dataclass(frozen=True, slots=True)
class Mistake:
    """A pair that rlaw's verifier gets wrong, with its verdict and reason."""

    line: int
    answer: str
    reference: str
    right: bool
    verdict: str
    reason: str

    def __str__(self) -> str:
        kind = "false reject" if self.right else "false accept"
        answer, reference = (_on_one_line(text) for text in (self.answer, self.reference))
        return f"line {self.line}: {kind}: {answer} for {reference} ({self.verdict}: {self.reason})"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The confusion of rlaw's verifier beside that of plain math-verify, and the pairs that rlaw's gets wrong."""

    pairs: int
    rlaw: Confusion
    math_verify: Confusion
    mistakes: tuple[Mistake, ...]

    def __str__(self) -> str:
        heads = ["verifier", ">right: accepted", ">rejected", ">wrong: rejected", ">accepted", ">timeouts"]
        rows = [
            [name, one.accepted, one.false_rejects, one.rejected, one.false_accepts, one.timeouts]
            for name, one in (("rlaw", self.rlaw), ("math-verify", self.math_verify))
        ]
        lines = [f"{self.pairs} pairs", table(heads, rows)]
        lines += [str(mistake) for mistake in self.mistakes[:_SHOWN]]
        if len(self.mistakes) > _SHOWN:
            lines.append(f"… and {len(self.mistakes) - _SHOWN} more: --json names all")
        return "\n".join(lines)


def _on_one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) < _LONGEST else f"{line[:_LONGEST]}…"


def read(path: Path) -> list[Pair]:
    """The pairs of a file: tab-separated, with the columns answer, reference and right in its first line.

    Names of columns may have another case and spaces around them; other columns are passed over.

    Raises:
        NotFound: there is no such file.
        DataError: it is no such table; names the lines.
    """
    if not path.is_file():
        raise NotFound(f"no file {path}\n  next: a table with the columns answer, reference, right")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start}\n  next: write it as UTF-8") from error
    rows = _rows(text)
    if not rows:
        raise DataError(f"{path} is empty\n  next: a first line with answer, reference, right, then a pair to a line")
    places = _places(path, rows[0][1])
    pairs, faults = [], []
    for line, cells in rows[1:]:
        try:
            pairs.append(_pair(line, cells, places, len(rows[0][1])))
        except ValueError as error:
            faults.append(f"{path}:{line}: {error}")
    if faults:
        more = f"\n  and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
        raise DataError(
            "\n".join(faults[:_NAMED]) + more + "\n  next: answer, reference, right in each line, with tabs between"
        )
    if not pairs:
        raise DataError(f"{path} holds no pairs\n  next: a pair to a line")
    return pairs


def _rows(text: str) -> list[tuple[int, list[str]]]:
    """Each line that is not blank with its number; quotes are those of CSV where all of them are, else text."""
    lines = text.replace("\r\n", "\n").split("\n")
    reader = csv.reader((line + "\n" for line in lines), delimiter="\t", strict=True)
    rows, line = [], 1
    try:
        for cells in reader:
            rows.append((line, cells))
            line = reader.line_num + 1
    except csv.Error:
        rows = [(number, one.split("\t")) for number, one in enumerate(lines, 1)]
    return [(number, cells) for number, cells in rows if any(cell.strip() for cell in cells)]


def _places(path: Path, header: list[str]) -> dict[str, int]:
    names = [name.strip().lstrip("#").strip().casefold() for name in header]
    missing = [name for name in COLUMNS if names.count(name) != 1]
    if missing:
        found = ", ".join(shortened(name) for name in header[:10])
        raise DataError(
            f"{path}:1: no column {missing[0]}: it has {found}\n"
            f"  next: a first line with answer, reference, right, and tabs between them"
        )
    return {name: names.index(name) for name in COLUMNS}


def _pair(line: int, cells: list[str], places: dict[str, int], width: int) -> Pair:
    if len(cells) <= max(places.values()):
        raise ValueError(f"{len(cells)} of {width} columns")
    if len(cells) > width and any(cell.strip() for cell in cells[width:]):
        raise ValueError(f"{len(cells)} columns where the first line has {width}")
    verdict = cells[places["right"]].strip().casefold()
    if verdict not in TRUE | FALSE:
        raise ValueError(f"right is {shortened(verdict)!r}, not true or false")
    return Pair(line, cells[places["answer"]].strip(), cells[places["reference"]].strip(), verdict in TRUE)


def compare(pairs: Sequence[Pair], seconds: float = 5.0, workers: int | None = None) -> Comparison:
    """Judge pairs with rlaw's verifier and with plain math-verify, each in workers with limits.

    Args:
        pairs: answers and references with their verdicts.
        seconds: wall seconds for one answer.
        workers: answers judged at once; one per core, at most eight, when left out.
    """
    reward = MathReward(seconds, workers=workers)
    found = [answers.boxed(p.answer) if p.is_response else p.answer.strip() or None for p in pairs]
    ours = reward.compare(found, [pair.reference for pair in pairs])
    pool = Pool(seconds, reward.memory_mb, reward.pool.workers, judge="plain_math_verify")
    try:
        batches = [pairs[start : start + BATCH] for start in range(0, len(pairs), BATCH)]
        theirs = [grade for batch in batches for grade in pool.check([(p.answer, p.reference) for p in batch])]
    finally:
        pool.close()
    mistakes = [
        Mistake(pair.line, pair.answer, pair.reference, pair.right, str(grade.verdict), grade.reason)
        for pair, grade in zip(pairs, ours, strict=True)
        if (grade.verdict is Verdict.RIGHT) != pair.right
    ]
    return Comparison(len(pairs), _confusion(pairs, ours), _confusion(pairs, theirs), tuple(mistakes))


def _confusion(pairs: Sequence[Pair], grades: Sequence[Grade]) -> Confusion:
    judged = [(pair.right, grade.verdict is Verdict.RIGHT) for pair, grade in zip(pairs, grades, strict=True)]
    timeouts = sum(grade.verdict is Verdict.TIMEOUT for grade in grades)
    counts = [judged.count(case) for case in ((True, True), (True, False), (False, False), (False, True))]
    return Confusion(*counts, timeouts=timeouts)
