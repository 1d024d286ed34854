"""Logs as runs: CPU seconds of `rlaw import`'s own work beside polars and pandas, which only parse the same file.

    python benchmarks/importers.py [CASE…]    # prints the table; without CASE it writes benchmarks/results/importers.md

Each question is put to a fresh process of one thread, which reports its CPU seconds (without those of importing Python
modules) and its peak memory; the median of three counts. What is timed is all that `rlaw import LOG --store DIR` does:
recognise, read, take attempts apart, write the store. The floor reads the bytes once and counts their lines.
"""

import os

os.environ |= {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}

import json
import platform
import statistics
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

RESULT = Path(__file__).parent / "results" / "importers.md"
REPEATS = 3
VALUES = 20  # of a row
NAMES = (
    *("reward", "loss", "grad_norm", "kl", "entropy", "lr", "step_time", "completions/mean_length"),
    *("completions/clipped_ratio", "frac_reward_zero_std"),
    *(f"timing/part{i}" for i in range(VALUES - 11)),
)
ASK = """
import resource, sys, time
from pathlib import Path
{imports}
path, store = Path(sys.argv[1]), Path(sys.argv[2])
began = time.process_time()
{work}
print(time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9)
"""
OURS = (
    "from rlaw.measurements.importers import imported, logs\nimport rlaw.study.presets",
    "sources = logs.read([path])\nimported.write(store, sources, 'held-out')\n"
    "[imported.document_of_source(source, 'held-out') for source in sources]",
)
FLOOR = (
    "",
    "with path.open('rb') as file:\n    sum(block.count(b'\\n') for block in iter(lambda: file.read(1 << 22), b''))",
)
PEERS = {
    "polars": ("import polars as pl", "pl.read_ndjson(path, infer_schema_length=None)"),
    "pandas": ("import pandas as pd", "pd.read_json(path, lines=True)"),
}


class Case(NamedTuple):
    """A file to read: its name, how many rows, how they are made, and the bar in words."""

    file: str
    rows: int
    make: Callable[[Path, int], None]
    bar: str
    peers: tuple[str, ...] = ()
    repeats: int = REPEATS


def rows(count: int) -> Iterator[dict[str, float]]:
    """Rows as a trainer logs them: numbers of all digits."""
    values = np.random.default_rng(0).random((min(count, 10_000), VALUES - 1)) * 10
    for step in range(1, count + 1):
        yield {"step": step, **dict(zip(NAMES, values[step % len(values)].tolist(), strict=True))}


def jsonl(path: Path, count: int) -> None:
    with path.open("w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows(count))


def jsonl_of_all_kinds(path: Path, count: int) -> None:
    """With what makes parsers stumble: NaN and Infinity, a name that comes late, evaluations, a torn line."""
    with path.open("w") as file:
        for row in rows(count):
            step = row["step"]
            more = {"kl": float("nan")} if step % 1000 == 0 else {}
            more |= {"late": 0.5} if step > count // 2 else {}
            more |= {"eval/math/acc": 0.25} if step % 50 == 0 else {}
            file.write(json.dumps(row | more) + "\n")
            if step == count // 3:
                file.write('{"step": 7, "rew\n')


def jsonl_of_five(path: Path, count: int) -> None:
    with path.open("w") as file:
        for row in rows(count):
            step, reward, loss = row["step"], row["reward"], row["loss"]
            file.write(f'{{"step": {step}, "reward": {reward}, "loss": {loss}, "kl": 0.5, "tokens": 900}}\n')


def verl(path: Path, count: int) -> None:
    """As veRL prints: colours, Ray's prefix, a line of metrics among as much of other text."""
    before = "\x1b[36m(TaskRunner pid=2093713)\x1b[0m "
    with path.open("w") as file:
        for step, values in enumerate(np.random.default_rng(0).random((count, 61)).tolist(), 1):
            more = " - ".join(f"timing_s/part{i}:np.float64({value * 10})" for i, value in enumerate(values[1:]))
            file.write(
                f"{before}step:{step} - critic/rewards/mean:{values[0]} - perf/total_num_tokens:np.int32(1185) - "
                f"actor/on:True - {more}\n"
            )
            for line in range(25):
                file.write(f"{before}Agent says: the value is {line}, so we go on and write {{x}}: step by step\n")


def trl(path: Path, count: int) -> None:
    """As transformers 5 prints beside its bar: dictionaries of words."""
    with path.open("w") as file:
        for row in rows(count):
            step = row.pop("step")
            values = ", ".join(f"'{name}': '{value:.4g}'" for name, value in row.items())
            file.write(f"{step / count:4.0%}|    | {step}/{count} [00:02<01:58,  1.2s/it]\r{{{values}}}\n")
            file.write("The attention mask is not set and cannot be inferred from input\n" * 2)


def tensorboard(path: Path, count: int) -> None:
    """Scalars as TensorBoard's own writer frames them, ten tags."""
    table = crc_table()
    tags = [f"train/{name}".encode() for name in NAMES[:10]]
    with path.open("wb") as file:
        for step in range(count // len(tags)):
            file.writelines(record(event(step, tag, (step % 97) / 97), table) for tag in tags)


def event(step: int, tag: bytes, value: float) -> bytes:
    inner = b"\x0a" + bytes([len(tag)]) + tag + b"\x15" + struct.pack("<f", value)
    summary = b"\x0a" + bytes([len(inner)]) + inner
    return (
        b"\x09" + struct.pack("<d", 1.7e9 + step) + b"\x10" + varint(step) + b"\x2a" + bytes([len(summary)]) + summary
    )


def varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def record(body: bytes, table: list[int]) -> bytes:
    head = struct.pack("<Q", len(body))
    return head + struct.pack("<I", masked(head, table)) + body + struct.pack("<I", masked(body, table))


def masked(data: bytes, table: list[int]) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def crc_table() -> list[int]:
    table = list(range(256))
    for byte in range(256):
        for _ in range(8):
            table[byte] = table[byte] >> 1 ^ (0x82F63B78 if table[byte] & 1 else 0)
    return table


CASES = {
    "jsonl": Case("metrics.jsonl", 300_000, jsonl, "200,000 rows per CPU s", ("polars", "pandas")),
    "kinds": Case("metrics.jsonl", 300_000, jsonl_of_all_kinds, "none"),
    "verl": Case("train.log", 10_000, verl, "20 MB per CPU s"),
    "trl": Case("train.log", 100_000, trl, "20 MB per CPU s"),
    "tensorboard": Case("events.out.tfevents.1.host", 1_000_000, tensorboard, "20 CPU s"),
    "ten million": Case("metrics.jsonl", 10_000_000, jsonl_of_five, "60 CPU s, 1.5 GB", ("polars",), 1),
}
WORDS = {
    "jsonl": "JSON lines of 20 values",
    "kinds": "the same with NaN, late names, evaluations and a torn line",
    "verl": "veRL's console, 60 of 100 bytes of metrics",
    "trl": "TRL's console of transformers 5",
    "tensorboard": "TensorBoard, 1 million scalars",
    "ten million": "JSON lines of 5 values, 10 million",
}


def main() -> None:
    chosen = sys.argv[1:] or list(CASES)
    lines = [
        "# Importers",
        "",
        f"`python benchmarks/importers.py`: {platform.machine()}, Python {platform.python_version()}, polars "
        f"{pl.__version__}, one thread, load average {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores.",
        "",
        "| file | rows | MB | bar | who | CPU seconds | rows per CPU s | MB per CPU s | peak memory, GB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in chosen:
        lines += measured(name, CASES[name])
        print("\n".join(lines[-4:]), flush=True)
    lines += ["", real()]
    print(lines[-1])
    if not sys.argv[1:]:
        RESULT.write_text("\n".join(lines) + "\n")


def measured(name: str, case: Case) -> list[str]:
    """The lines of the table for one file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run" / case.file
        path.parent.mkdir()
        case.make(path, case.rows)
        megabytes = path.stat().st_size / 1e6
        lines = []
        for who, (imports, work) in {"rlaw": OURS, **{p: PEERS[p] for p in case.peers}, "floor": FLOOR}.items():
            asked = [ask(imports, work, path, Path(folder) / f"store-{who}-{i}") for i in range(case.repeats)]
            bar = case.bar if who == "rlaw" else ""
            what = WORDS[name] if who == "rlaw" else ""
            if None in asked:
                lines.append(f"| {what} | {case.rows:,} | {megabytes:.0f} | {bar} | {who} | not installed | | | |")
                continue
            peak = max(used for _, used in filter(None, asked))
            seconds = statistics.median(cpu for cpu, _ in filter(None, asked))
            lines.append(
                f"| {what} | {case.rows:,} | {megabytes:.0f} | {bar} | {who} | {seconds:.2f} | "
                f"{case.rows / seconds:,.0f} | {megabytes / seconds:.0f} | {peak:.2f} |"
            )
    return lines


def ask(imports: str, work: str, path: Path, store: Path) -> tuple[float, float] | None:
    """CPU seconds and peak memory in GB of a fresh process; None where a package is missing."""
    code = ASK.format(imports=imports, work=work)
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(store)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        assert "ModuleNotFoundError" in done.stderr, done.stderr
        return None
    cpu, peak = done.stdout.split()
    return float(cpu), float(peak)


def real() -> str:
    """CPU seconds of `rlaw import run/ && rlaw fit` on a real console log, of the whole processes."""
    run = Path(__file__).parents[2] / "shared" / "data" / "logs" / "verl_console_prefix_202603"
    if not run.is_dir():
        return "`rlaw import run/ && rlaw fit` on a real console log: not measured, ../shared is not here"
    seconds = []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as folder:
            store = str(Path(folder) / "store")
            commands = [["import", str(run), "--store", store, "--score", "train"]]
            commands += [["fit", store, "--law", "power", "--axis", "step"]]
            seconds.append(sum(whole(command) for command in commands))
    return f"`rlaw import run/ && rlaw fit` on a real console log: {statistics.median(seconds):.1f} CPU s (bar 5)"


def whole(command: list[str]) -> float:
    """CPU seconds of a whole `rlaw` process; a fit may refuse data, which takes as long."""
    with subprocess.Popen(
        [sys.executable, "-m", "rlaw", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        _, code, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(code)
    assert process.returncode in (0, 4), command
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
