"""What files of problems hold, and whether they are still as they were written."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rlaw.errors import DataError, NotFound
from rlaw.tasks.problems import files
from rlaw.tasks.problems.prepare import MANIFEST


@dataclass(frozen=True, slots=True)
class Survey:
    """One file of problems.

    Attributes:
        rated: whether any pass rate is above 0: benchmarks come without.
        easy, hard: problems with a pass rate of `easy_rate` or more, and the others (those never rated included).
        mean_level: mean difficulty, 1 - pass rate.
        levels: problems at each pass rate.
        sources: problems of each source.
        state: whether the digest is the one in data.json; "unknown" for a file that it does not name.
    """

    file: str
    items: int
    rated: bool
    easy: int
    hard: int
    easy_rate: float
    mean_level: float
    levels: dict[str, int]
    sources: dict[str, int]
    digest: str
    state: Literal["yes", "changed", "unknown"]


def of(path: Path) -> list[Survey]:
    """A survey of a file, or of each .parquet file of a folder.

    Raises:
        NotFound: there is no such file, or none in the folder.
        DataError: data.json is damaged, or a file is not one of problems.
    """
    manifest = _manifest(path if path.is_dir() else path.parent)
    digests = {item["file"]: item["digest"] for item in manifest.get("files", ())}
    easy = float(manifest.get("recipe", {}).get("easy", 0.3))
    found = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    names = {file.name for file in found}
    if path.is_dir() and (lost := [name for name in digests if name not in names]):
        raise NotFound(f"{path} lacks {', '.join(lost)}, which its {MANIFEST} names\n  next: prepare the data again")
    if not found:
        raise NotFound(f"no .parquet file in {path}\n  next: `rlaw data prepare` writes some")
    return [_survey(file, easy, digests.get(file.name)) for file in found]


def _survey(path: Path, easy: float, written: str | None) -> Survey:
    problems = files.read(path)
    if not len(problems):
        raise DataError(f"{path} holds no problems")
    rates = np.round(1 - problems.levels_I, files.DECIMALS)
    digest, easy_items = files.digest(problems), int((rates >= easy - 1e-9).sum())
    return Survey(
        file=path.name,
        items=len(problems),
        rated=bool((rates > 0).any()),
        easy=easy_items,
        hard=len(problems) - easy_items,
        easy_rate=easy,
        mean_level=float(problems.levels_I.mean()),
        levels={f"{rate:g}": count for rate, count in sorted(Counter(rates.tolist()).items())},
        sources=dict(sorted(Counter(problem.source for problem in problems).items())),
        digest=digest,
        state="unknown" if written is None else "yes" if written == digest else "changed",
    )


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        return {}
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        return {**manifest, "files": [{"file": f["file"], "digest": f["digest"]} for f in manifest["files"]]}
    except (UnicodeDecodeError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path}: not what `rlaw data prepare` wrote: {error!r}") from error
