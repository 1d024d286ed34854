"""`rlaw doctor`."""

import os
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Annotated, Any

from typer import Option

from rlaw.cli.terminal import Json, show

_MATRIX = 512  # rows of the matrices that are multiplied to measure the speed of a core
_REPEATS = 7
_COLLECTIONS = ("all", "dev")  # extras made of other extras


def doctor(
    store: Annotated[Path, Option(help="where you would keep a store")] = Path(),
    json: Json = False,
) -> None:
    """Check this machine. What it has, what rlaw can do here, and what to install for the rest.

    Example: rlaw doctor
    """
    found = examine(store)
    show(found, _text(found), as_json=json)


def examine(store: Path) -> dict[str, Any]:
    """What is here: machine, Python, extras, the folder for stores."""
    from importlib.metadata import version

    from rlaw.engines.verl import engine as verl
    from rlaw.execution.local import cores

    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    extras = _extras()
    return {
        "rlaw": version("rlaw"),
        "python": sys.version.split()[0],
        "cores": cores(),
        "threads_per_worker": 1,
        "memory_bytes": memory,
        "gflops_per_core": gemm_gflops(),
        "store": _folder(store),
        "extras": extras,
        "cannot": [
            *(f"{extra['name']}: {extra['next']}" for extra in extras if extra["missing"]),
            *(f"engine verl: {lack}" for lack in verl.missing()),
        ],
    }


def gemm_gflops() -> float:
    """Single-precision matrix products of one core, GFLOP per CPU second: the median of a few."""
    import numpy as np

    a = np.random.default_rng(0).random((_MATRIX, _MATRIX), dtype=np.float32)
    seconds = []
    for _ in range(_REPEATS):
        began = time.process_time()  # CPU seconds of all threads: a share of the machine's other work does not count
        _ = a @ a
        seconds.append(time.process_time() - began)
    return round(2 * _MATRIX**3 / sorted(seconds)[_REPEATS // 2] / 1e9, 1)


def _folder(path: Path) -> dict[str, Any]:
    """The nearest folder that is there already, whether it can be written, and the room in it."""
    from tempfile import TemporaryFile

    there = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
    try:
        with TemporaryFile(dir=there) as file:
            file.write(b"rlaw")
        writable, why = True, ""
    except OSError as error:
        writable, why = False, error.strerror or str(error)
    return {"path": str(there), "writable": writable, "why": why, "free_bytes": shutil.disk_usage(there).free}


def _extras() -> list[dict[str, Any]]:
    """The optional parts as in rlaw's metadata: which packages each needs, and which are missing."""
    from importlib.metadata import requires

    needs: dict[str, list[str]] = {}
    for requirement in requires("rlaw") or []:
        package, mark, extra = requirement.partition("; extra == ")
        name = extra.strip("'\"")
        if mark and name not in _COLLECTIONS:
            needs.setdefault(name, []).append(package)
    return [_extra(name, packages) for name, packages in needs.items()]


def _extra(name: str, requirements: list[str]) -> dict[str, Any]:
    packages = [re.split(r"[^A-Za-z0-9._-]", requirement)[0] for requirement in requirements]
    versions = {package: _version(package) for package in packages}
    missing = [package for package, version in versions.items() if version is None]
    return {"name": name, "versions": versions, "missing": missing, "next": f"pip install 'rlaw[{name}]'"}


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _text(found: dict[str, Any]) -> str:
    from rlaw import units

    store = found["store"]
    lines = [
        f"rlaw {found['rlaw']}, Python {found['python']}",
        f"{found['cores']} cores, {found['gflops_per_core']} GFLOP/s each (f32 matrix products, measured), "
        f"{units.size(found['memory_bytes'])} of memory",
        f"one worker per core, {found['threads_per_worker']} thread each",
        f"{store['path']}: {'writable' if store['writable'] else 'NOT writable (' + store['why'] + ')'}, "
        f"{units.size(store['free_bytes'])} free",
    ]
    for extra in found["extras"]:
        versions = ", ".join(f"{name} {version or 'missing'}" for name, version in extra["versions"].items())
        lines.append(f"{extra['name']}: {versions}" + (f"\n  next: {extra['next']}" if extra["missing"] else ""))
    lines += [f"cannot: {what}" for what in found["cannot"] if what.startswith("engine ")]
    return "\n".join(lines)
