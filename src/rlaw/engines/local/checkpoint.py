"""Folders that are either whole or not there: written aside, hashed, synced, renamed; verified before they are read."""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from rlaw.errors import StoreError
from rlaw.store.files import sync

MANIFEST = "manifest.json"
KEPT = 2  # checkpoints of a run: the newest, and the one before should the newest be damaged

log = logging.getLogger(__name__)


def write(folder: Path, fill: Callable[[Path], None]) -> dict[str, str]:
    """Write a folder atomically: `fill` makes its files aside; returns the SHA-256 of each.

    Raises:
        StoreError: it cannot be written. Nothing stands under its name then but what stood there before.
    """
    aside = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        fill(aside)
        hashes = {path.name: _sha256(path) for path in sorted(aside.iterdir())}
        (aside / MANIFEST).write_text(json.dumps({"schema": 1, "sha256": hashes}, indent=1) + "\n")
        for path in (*aside.iterdir(), aside):
            sync(path)
        if folder.exists():
            shutil.rmtree(folder)
        aside.rename(folder)
        sync(folder.parent)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise StoreError(
            f"{folder}: cannot write the checkpoint: {error.strerror or error}\n"
            f"  next: make room or mend the folder's rights, then start the same command again; it goes on from the "
            f"checkpoint before"
        ) from error
    return hashes


def verify(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file of a folder that `write` wrote.

    Raises:
        StoreError: a file is missing or was changed; the message names it.
    """
    try:
        hashes = json.loads((folder / MANIFEST).read_text())["sha256"]
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(f"{folder / MANIFEST}: missing or unreadable") from error
    for name, told in hashes.items():
        path = folder / name
        if not path.is_file():
            raise StoreError(f"{path}: missing")
        if _sha256(path) != told:
            raise StoreError(f"{path}: damaged, its SHA-256 is not the one in {MANIFEST}")
    return hashes


def newest(parent: Path) -> Path | None:
    """The checkpoint of the highest step that verifies; damaged ones are logged and passed over."""
    for folder in sorted(parent.glob("step-*"), reverse=True):
        try:
            verify(folder)
        except StoreError as error:
            log.warning("%s; going on from the checkpoint before", error)
        else:
            return folder
    return None


def prune(parent: Path) -> None:
    """Remove all but the newest checkpoints of a run."""
    for folder in sorted(parent.glob("step-*"))[:-KEPT]:
        shutil.rmtree(folder)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
