"""Files that are either wholly there or not there, and names that cannot lead out of the store."""

import json
import os
import re
import shutil
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from rlaw.errors import NotFound, StoreError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
#: what is being written aside: a dot, the name it will have, the process that writes it
_PART = re.compile(r"\..+\.[0-9]+")
_SEAL = b',\n "crc": "%08x"\n}\n'


def cannot_write(path: Path, n_bytes: int, error: OSError) -> StoreError:
    """The error for a write that the system refused."""
    size = f" ({n_bytes} bytes)" if n_bytes else ""
    return StoreError(
        f"cannot write {path}{size}: {error.strerror or error}\n"
        f"  next: free space or correct the permissions, then run the same command again; what was saved stays saved"
    )


def same_file(opened: int, path: Path) -> bool:
    """Whether an open file still is what its path leads to: it was neither moved nor removed nor replaced."""
    try:
        return os.path.samestat(os.fstat(opened), path.stat())
    except OSError:
        return False


def gone(path: Path) -> StoreError:
    """The error for a store that went away under its writer."""
    return StoreError(
        f"{path} was moved or removed while it was being written; nothing is written to the old place\n"
        f"  next: the same command with the store's new place resumes what was saved"
    )


def make_folder(path: Path, *, parents: bool = True) -> None:
    """Make the folder and, unless they must be there already, its parents.

    Raises:
        StoreError: the system refused, or the parent is gone.
    """
    try:
        path.mkdir(parents=parents, exist_ok=True)
    except OSError as error:
        lost = not parents and not path.parent.is_dir()
        raise (gone(path.parent) if lost else cannot_write(path, 0, error)) from error


def sync(path: Path) -> None:
    """Make a file's content, or the names in a folder, durable: a synced file can be lost by name alone."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def aside(path: Path) -> Path:
    """Where this process writes what gets that path when it is whole."""
    return path.with_name(f".{path.name}.{os.getpid()}")


def write_atomically(path: Path, data: bytes | Callable[[IO[bytes]], object]) -> None:
    """Write a file so that a crash leaves the old content or the new one, never a part.

    Args:
        path: of the file.
        data: its content, or what writes it: a large one need not be in memory.

    Raises:
        StoreError: the system refused; nothing is left under the final name.
    """
    temporary = aside(path)
    try:
        with temporary.open("wb") as file:
            file.write(data) if isinstance(data, bytes) else data(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        size = len(data) if isinstance(data, bytes) else 0
        raise (cannot_write(path, size, error) if path.parent.exists() else gone(path.parent)) from error


def is_part(name: str) -> bool:
    """Whether a file of that name is one that a writer has not finished, or never will."""
    return bool(_PART.fullmatch(name))


def leave_no_parts(folder: Path) -> None:
    """Remove what killed writers left unfinished. Only whoever holds the folder's lock may."""
    with suppress(OSError):  # they are in nobody's way
        for path in folder.iterdir():
            if is_part(path.name):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a document atomically, to be read by people too; its last key is the CRC-32 of the text before it."""
    body = json.dumps(document, indent=1, ensure_ascii=False).removesuffix("\n}").encode(errors="backslashreplace")
    write_atomically(path, body + _SEAL % zlib.crc32(body))


def read_json(path: Path) -> dict[str, Any]:
    """Read a document that `write_json` wrote, its checksum left out.

    Raises:
        NotFound: there is no such file.
        StoreError: it cannot be read, was cut short or was changed.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise NotFound(f"there is no {path}") from error
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error
    body, mark, _ = data.rpartition(_SEAL[:11])
    if not mark or data[len(body) :] != _SEAL % zlib.crc32(body):
        raise StoreError(
            f"{path} is damaged: its checksum does not match, so it was cut short or changed ({len(data)} bytes)\n"
            f"  next: take it from a copy of the store"
        )
    return json.loads(body + b"\n}")


def inside(root: Path, name: str) -> Path:
    """`root/name`, which must be a plain name and stay under root when links are followed.

    Raises:
        NotFound: it is not a name that anything in a store can have.
    """
    path = root / name
    leads_out = path.is_symlink() and not path.resolve().is_relative_to(root.resolve())  # plain names cannot, links can
    if not _NAME.fullmatch(name) or leads_out:
        raise NotFound(f"{name!r} is not the name of a run\n  next: `rlaw status STORE` lists the runs")
    return path
