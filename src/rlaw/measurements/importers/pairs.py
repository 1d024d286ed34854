"""Lines of names with values, as prime-rl and home-made loops print them: `Step 3 | Time: 9.1s | Reward: 0.35`."""

import re
from itertools import pairwise
from pathlib import Path

from rlaw.measurements.importers import settings, text
from rlaw.measurements.importers.log import Facts, Log, RunLog
from rlaw.measurements.importers.rows import table_of

_LOOKED_AT = 50_000  # lines
_FEW = 3  # rows below which lines are no log
_NUMBER = r"[-+]?(?:\d[\d,]*\.?\d*(?:[eE][-+]?\d+)?|nan|inf)"
_PAIR = re.compile(rf"([A-Za-z][\w./@ -]*?)\s*[=:]\s*({_NUMBER})(?=[\s,;|)\]%±(]|s\b|$)")
_STEP = re.compile(
    r"\b(?:(?:global|train|training)?[_ ]?step|iter(?:ation)?|update|batch)\b\s*[=:#]?\s*\[?(\d+)(?:\s*/\s*(\d+))?",
    re.IGNORECASE,
)
_PLACE = re.compile(r"(?:^|\s)(\d+)/(\d+)\s*\|")
_REWARD = re.compile(
    r"(?:(?:train|mean|avg|average|batch)[ _/]?)?(?:reward|return)(?:[ _/]?(?:mean|avg))?", re.IGNORECASE
)
_SCORE = re.compile(r"(?:val|eval|test)(?:\.|uation|idation)?[ _/.]?(?:reward|acc|accuracy|score)", re.IGNORECASE)

_PRIME = {"reward": "reward/all/mean", "eval/score": "eval/val/avg@1"}


class Pairs:
    """A console whose lines have a step and a reward by name."""

    name = "pairs"

    def recognises(self, path: Path) -> bool:
        """By a few lines with both, whose steps rise."""
        if path.is_dir():
            return False
        steps = []
        for count, line in enumerate(text.lines(path)):
            if (row := _row(line)) is not None and "reward" in row:
                steps.append(row["step"])
            if count > _LOOKED_AT or len(steps) > 10 * _FEW:
                break
        return len(set(steps)) >= _FEW and sum(a <= b for a, b in pairwise(steps)) >= len(steps) / 2

    def log(self, path: Path) -> Log:
        """The lines that have a step and a reward or a score."""
        rows: list[dict[str, float]] = []
        trace, planned, prime = text.Trace(), None, False
        for line in text.lines(path):
            row = _row(line)
            if row is None:
                trace.take(line)
                continue
            planned = int(row.pop("planned", 0)) or planned
            prime = prime or "Async Level" in line or "Off-Policy" in line
            rows.append(row)
        if prime:
            rows = [{_PRIME.get(name, name): value for name, value in row.items()} for row in rows]
        facts = Facts(planned_steps=planned, cause=trace.cause)
        facts = settings.merged(facts, settings.facts_of(settings.beside(path)))
        run = RunLog(settings.run_of(path), table_of(rows), facts)
        return Log(path, self.name, "prime-rl" if prime else "", (run,))


def _row(line: str) -> dict[str, float] | None:
    """The numbers of a line by name; None for one without a step, or without a reward or a score."""
    if "eward" not in line and "return" not in line.lower() and "cc" not in line and "score" not in line.lower():
        return None
    found = _STEP.search(line) or _PLACE.search(line)
    if found is None or len(line) > 5000:
        return None
    row: dict[str, float] = {}
    for words, value in _PAIR.findall(line):
        name = re.split(r"\s{2,}|[|\]]|\s-\s", words)[-1].strip()
        read = text.number(value.replace(",", ""))
        if read is None:
            continue
        if _SCORE.fullmatch(name):
            row["eval/score"] = read
        elif _REWARD.fullmatch(name):
            row.setdefault("reward", read)
        else:
            row.setdefault(name, read)
    if "reward" not in row and "eval/score" not in row:
        return None
    row["step"] = int(found[1])
    if found[2]:
        row["planned"] = int(found[2])
    return row
