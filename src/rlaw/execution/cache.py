"""The folder that rlaw keeps for a user: what every study may share, and nothing that cannot be made again."""

import os
from pathlib import Path

from rlaw.errors import StoreError

VARIABLE = "RLAW_HOME"


def cache() -> Path:
    """Where base checkpoints and compiled programs are kept for all stores: $RLAW_HOME, or ~/.cache/rlaw.

    Raises:
        StoreError: it cannot be made; the message says how to choose another.
    """
    named = os.environ.get(VARIABLE)
    path = Path(named).expanduser().absolute() if named else Path.home() / ".cache" / "rlaw"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot make {path}, which keeps base checkpoints and compiled programs: {error.strerror or error}\n"
            f"  next: set {VARIABLE} to a folder that can be written"
        ) from error
    return path
