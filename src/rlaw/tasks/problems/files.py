"""Files of problems: read whole, written in veRL's Parquet layout.

Read: Parquet or JSON lines, a row either in veRL's layout (`prompt` messages, `reward_model.ground_truth`,
`data_source`, `extra_info`) or plain (`question` or `problem`, `answer`, and where known `source` and `pass_rate`).
"""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rlaw.errors import DataError, EngineError, NotFound, RlawError
from rlaw.tasks.problems.base import TextProblem, TextProblems, prompt_of

RATINGS = ("pass_rate", "qwen2.5_7b_pass_rate")  # names of a rating, in extra_info or in the row
ROW_GROUP = 1024  # rows of a row group
DECIMALS = 12  # of a pass rate: 1 - (1 - rate) gives the rate back


def read(path: Path, rating: str | None = None) -> TextProblems:
    """All problems of a file, in order.

    Args:
        path: a .parquet, .jsonl or .json file (of JSON lines).
        rating: name of the rating model's pass rate; one of `RATINGS` when None.

    Raises:
        NotFound: there is no such file.
        DataError: it cannot be read, or a row is no problem; names the row.
    """
    if not path.is_file():
        raise NotFound(f"no file {path}\n  next: `rlaw data prepare` writes training data; benchmarks are not shipped")
    problems = []
    for number, row in enumerate(_parquet_rows(path) if path.suffix == ".parquet" else _json_rows(path)):
        try:
            problems.append(_problem(row, number, rating))
        except (KeyError, TypeError, ValueError) as error:
            what = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
            raise DataError(
                f"{path}, row {number + 1}: no problem: {what}\n"
                f"  next: give each row prompt and reward_model.ground_truth, or question and answer"
            ) from error
    return TextProblems(tuple(problems))


def write(path: Path, problems: Sequence[TextProblem] | TextProblems, split: str) -> str:
    """Write problems in veRL's layout; returns their digest."""
    pa, parquet = _arrow()
    schema = pa.schema(
        [
            ("data_source", pa.string()),
            ("prompt", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
            ("ability", pa.string()),
            ("reward_model", pa.struct([("style", pa.string()), ("ground_truth", pa.string())])),
            ("extra_info", pa.struct([("index", pa.int64()), ("split", pa.string()), ("pass_rate", pa.float64())])),
        ]
    )
    rows = [verl_row(p, split, p.index, pass_rate=round(1 - p.level, DECIMALS)) for p in problems]
    table = pa.Table.from_pylist(rows, schema)
    try:
        parquet.write_table(table, path, row_group_size=ROW_GROUP)
    except OSError as error:
        raise RlawError(
            f"cannot write {path}: {error.strerror or error}\n  next: another folder, or more space"
        ) from error
    return digest(problems)


def digest(problems: Iterable[TextProblem]) -> str:
    """SHA-256 of all that training or judging could depend on, in order, 12 hex digits; whatever the file's form."""
    sha = hashlib.sha256()
    for problem in problems:
        parts = [problem.prompt, problem.ground_truth, problem.source, problem.level]
        sha.update(json.dumps(parts, ensure_ascii=True, separators=(",", ":")).encode() + b"\n")
    return sha.hexdigest()[:12]


def verl_row(problem: TextProblem, split: str, index: int, **extra: Any) -> dict[str, Any]:
    """A row in veRL's layout; `extra` goes beside split and index."""
    return {
        "data_source": problem.source,
        "prompt": problem.messages,
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": problem.ground_truth},
        "extra_info": {"split": split, "index": index, **extra},
    }


def _problem(row: Any, number: int, rating: str | None) -> TextProblem:
    if not isinstance(row, dict):
        raise TypeError("not a mapping of names to values")
    extra = row.get("extra_info") or {}
    if "prompt" in row:
        messages = tuple((str(message["role"]), str(message["content"])) for message in row["prompt"])
        truth, source = row["reward_model"]["ground_truth"], row.get("data_source") or "unknown"
    else:
        name = "problem" if "problem" in row else "question"
        messages, truth = (("user", prompt_of(_text(row[name], name))),), row["answer"]
        source = row.get("source") or row.get("data_source") or "unknown"
    index = extra.get("index", row.get("index"))
    return TextProblem(
        prompt=messages,
        ground_truth=_text(str(truth) if isinstance(truth, int | float) else truth, "the reference answer"),
        source=str(source),
        level=round(1 - _pass_rate({**row, **extra}, rating), DECIMALS),
        index=number if index is None else int(index),
    )


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name} is {value!r}, not text")
    return value


def _pass_rate(row: dict[str, Any], rating: str | None) -> float:
    """The rating; 0, the hardest, where it is missing, as in the paper's code."""
    for name in (rating,) if rating else RATINGS:
        value = row.get(name)
        if value is None or (isinstance(value, float) and math.isnan(value)):
            continue
        if isinstance(value, str | bool) or not 0 <= float(value) <= 1:
            raise ValueError(f"{name} is {value!r}, not between 0 and 1")
        return float(value)
    return 0.0


def _parquet_rows(path: Path) -> list[Any]:
    pa, parquet = _arrow()
    try:
        with parquet.ParquetFile(path) as file:
            return file.read().to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a Parquet file that can be read: {error}") from error


def _json_rows(path: Path) -> Iterator[Any]:
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except (UnicodeDecodeError, ValueError, RecursionError) as error:
            raise DataError(f"{path}:{number}: not a line of JSON: {error}") from error


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise EngineError("files of problems need pyarrow\n  next: pip install 'rlaw[math]'") from error
    return pyarrow, parquet
