"""Files that are either wholly there or not there, and names that cannot lead out of the store."""

import json
import os
import re
from pathlib import Path
from typing import Any

from rlaw.errors import NotFound, StoreError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


def cannot_write(path: Path, n_bytes: int, error: OSError) -> StoreError:
    """The error for a write that the system refused."""
    size = f" ({n_bytes} bytes)" if n_bytes else ""
    return StoreError(
        f"cannot write {path}{size}: {error.strerror or error}\n"
        f"  next: make room or mend the permissions, then give the same command again; what was kept stays kept"
    )


def make_folder(path: Path) -> None:
    """Make the folder and its parents.

    Raises:
        StoreError: the system refused.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, 0, error) from error


def sync(path: Path) -> None:
    """Make a file's content, or the names in a folder, durable: a synced file can be lost by name alone."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a crash leaves the old content or the new one, never a part.

    Raises:
        StoreError: the system refused; nothing is left under the final name.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise cannot_write(path, len(data), error) from error


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a document atomically, to be read by people too."""
    write_atomically(path, (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read a document that `write_json` wrote.

    Raises:
        NotFound: there is no such file.
        StoreError: it cannot be read, or is not a JSON document.
    """
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise NotFound(f"there is no {path}") from error
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise StoreError(f"{path} is damaged: {error}\n  next: take it from a copy of the store") from error
    if not isinstance(document, dict):
        raise StoreError(f"{path} is damaged: not a JSON document\n  next: take it from a copy of the store")
    return document


def inside(root: Path, name: str) -> Path:
    """`root/name`, which must be a plain name and stay under root when links are followed.

    Raises:
        NotFound: it is not a name that anything in a store can have.
    """
    path = root / name
    if not _NAME.fullmatch(name) or not path.resolve().is_relative_to(root.resolve()):
        raise NotFound(f"{name!r} is not the name of a run\n  next: `rlaw status STORE` lists the runs")
    return path
