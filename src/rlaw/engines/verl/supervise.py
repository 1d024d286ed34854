"""Runs one command and ends it, with all it started, when standard input closes: its parent is gone.

`python -m rlaw.engines.verl.supervise OUTPUT COMMAND…`; ends with the command's exit status. A worker may be killed at
any time, and a trainer that outlived it would write into the files of the next attempt.
"""

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

SECONDS_TO_END = 10.0


def main() -> None:
    """Start the command, wait for its end or for that of standard input."""
    output, *command = sys.argv[1:]
    with Path(output).open("ab") as file:
        child = subprocess.Popen(  # noqa: S603 - the command is ours
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
    threading.Thread(target=_end_with_input, args=(child,), daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _end(child))
    code = child.wait()
    _end(child)  # what the trainer left behind
    sys.exit(code if code >= 0 else 128 - code)


def _end_with_input(child: subprocess.Popen[bytes]) -> None:
    while os.read(0, 4096):
        continue
    _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Ask the command's process group to end, then make it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(SECONDS_TO_END)
        os.killpg(child.pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
