"""On what, with what and by which command an attempt was made. No environment is dumped and no secret kept."""

import os
import platform
import socket
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from rlaw.rewards.base import VERIFIER
from rlaw.text import masked

PACKAGES = (
    *("rlaw", "numpy", "scipy", "polars", "pydantic"),
    *("jax", "jaxlib", "optax", "safetensors"),
    *("torch", "transformers", "trl", "accelerate"),
)


def now() -> str:
    """The wall clock, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def here(argv: Sequence[str]) -> dict[str, Any]:
    """This process, as plain data. Credentials in its arguments are blanked."""
    return {
        "time": now(),
        "argv": [masked(text) for text in argv],
        "hostname": socket.gethostname(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "threads": int(os.environ.get("OMP_NUM_THREADS", "0")) or None,
        "python": sys.version.split()[0],
        "packages": versions(),
        "verifier": VERIFIER,
        "git": git_commit(Path.cwd()),
    }


def versions() -> dict[str, str]:
    """Versions of the packages that can change a number, as far as they are installed. Imports none of them."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def git_commit(folder: Path) -> str | None:
    """The commit checked out in the nearest git repository at or above a folder; None when there is none."""
    top = next((path for path in (folder, *folder.parents) if (path / ".git").is_dir()), None)
    if top is None:
        return None
    head = _text(top / ".git" / "HEAD")
    if not head.startswith("ref: "):
        return head or None
    name = head.removeprefix("ref: ")
    packed = (line.split() for line in _text(top / ".git" / "packed-refs").splitlines())
    return _text(top / ".git" / name) or next((line[0] for line in packed if line[1:] == [name]), None)


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
