"""Folders that are either whole or not there: written aside, hashed, synced, renamed; verified before they are read."""

import errno
import hashlib
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

from rlaw.errors import RlawError, RlawWarning, StoreError
from rlaw.store.files import aside, gone, leave_no_parts, read_json, sync, write_json

MANIFEST = "manifest.json"
KEPT = 2  # checkpoints of a run: the newest, and the one before should the newest be damaged


class DamagedCheckpoint(RlawWarning):
    """A checkpoint that does not verify is passed over."""


def write(folder: Path, fill: Callable[[Path], None]) -> dict[str, str]:
    """Write a folder atomically, in one that is there: `fill` makes its files aside; returns the SHA-256 of each.

    What stands there with the same content stays untouched. Anything else goes only when the new folder is on the disk.

    Raises:
        StoreError: it cannot be written. Nothing stands under its name then but what stood there before.
    """
    part = aside(folder)
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        fill(part)
        hashes = {path.name: _sha256(path) for path in sorted(part.iterdir())}
        for path in part.iterdir():
            sync(path)
        write_json(part / MANIFEST, {"schema": 1, "sha256": hashes})  # syncs itself and the folder
        if not _stands(folder, hashes):
            _put(part, folder)
    except FileNotFoundError as error:
        if not folder.parent.is_dir():
            raise gone(folder.parent) from error
        raise _cannot_write(folder, part, error) from error
    except Exception as error:  # safetensors raises its own on a full disk; not imported for its name alone
        if isinstance(error, OSError | StoreError) or type(error).__name__ == "SafetensorError":
            raise _cannot_write(folder, part, error) from error
        raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return hashes


def _put(part: Path, folder: Path) -> None:
    """Give the finished folder its name; what stands there steps aside first, whether this machine sees it yet or not,
    and goes last."""
    old = aside(folder.with_name(f"{folder.name}.old"))
    try:
        part.rename(folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        folder.rename(old)
        part.rename(folder)
    sync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def _stands(folder: Path, hashes: dict[str, str]) -> bool:
    try:
        return folder.exists() and verify(folder) == hashes
    except StoreError:
        return False


def _cannot_write(folder: Path, part: Path, error: Exception) -> StoreError:
    n_bytes = sum(path.stat().st_size for path in part.iterdir()) if part.is_dir() else 0
    reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
    return StoreError(
        f"{folder}: cannot write the checkpoint, {n_bytes} bytes of it were taken: {reason}\n"
        f"  next: free space or correct the permissions, then run the same command again; it resumes from the "
        f"checkpoint before"
    )


def verify(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file of a folder that `write` wrote.

    Raises:
        StoreError: a file is missing or was changed; the message names it.
    """
    try:
        hashes = read_json(folder / MANIFEST)["sha256"]
    except (RlawError, KeyError) as error:
        raise StoreError(f"{folder / MANIFEST}: missing or unreadable") from error
    for name, sha256 in hashes.items():
        path = folder / name
        if not path.is_file():
            raise StoreError(f"{path}: missing")
        if _sha256(path) != sha256:
            raise StoreError(f"{path}: damaged, its SHA-256 is not the one in {MANIFEST}")
    return hashes


def newest(parent: Path, at_most: int | None = None) -> Path | None:
    """The checkpoint of the highest step that verifies; damaged ones are passed over with a warning.

    Args:
        parent: the folder of all checkpoints of a run.
        at_most: the last step that may be resumed from; None: any.
    """
    damaged: list[StoreError] = []
    found = None
    for folder in reversed(_by_step(parent)):
        if at_most is not None and int(folder.name.removeprefix("step-")) > at_most:
            continue  # of an attempt that a later one, which did not see it, has gone back behind
        try:
            verify(folder)
        except StoreError as error:
            damaged.append(error)
        else:
            found = folder
            break
    for error in damaged:
        warnings.warn(f"{error}; going on from {found.name if found else 'the start'}", DamagedCheckpoint, stacklevel=2)
    return found


def prune(parent: Path) -> None:
    """Remove all but the newest checkpoints of a run, and what killed writers left unfinished."""
    for folder in _by_step(parent)[:-KEPT]:
        folder.rename(aside(folder))  # so that a half-removed one is never met under its name
    leave_no_parts(parent)


def _by_step(parent: Path) -> list[Path]:
    return sorted(parent.glob("step-*"), key=lambda folder: (len(folder.name), folder.name))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
