"""What Python imports first in every process of the soak: an observer, and a death at a chosen system call.

The observer writes every line that a worker's journal has acknowledged to SOAK_LEDGER, a file outside the store, and
every worker's number and start. SOAK_AIM, `WHERE:N:HOW`, kills this process at its Nth call that changes a path holding
WHERE: `before` the call, `after` it, or `torn`, in the middle of a write.
"""

import os
import signal
import sys

LEDGER, AIM = os.environ.get("SOAK_LEDGER"), os.environ.get("SOAK_AIM")
IS_WORKER = "rlaw.execution.worker" in sys.orig_argv
seen: list[str] = []


def note(*fields):
    """Append one line to the ledger."""
    opened = os.open(LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    real_write(opened, "\t".join(map(str, fields)).encode() + b"\n")
    os.close(opened)


def die(path):
    note("killed", AIM, path)
    os.kill(os.getpid(), signal.SIGKILL)


def is_hit(path):
    """Whether this is the call to die at."""
    where, n, _ = AIM.split(":")
    if where not in path:
        return False
    seen.append(path)
    return len(seen) == int(n)


def path_of(target):
    return os.readlink(f"/proc/self/fd/{target}") if isinstance(target, int) else os.fspath(target)


def aimed(name):
    real = getattr(os, name)

    def call(target, *args, **more):
        path = os.fspath(args[0]) if name in ("rename", "replace") else path_of(target)
        how = AIM.rpartition(":")[2]
        if (how == "torn" and name != "write") or not is_hit(path):
            return real(target, *args, **more)
        if how == "torn":
            real(target, args[0][: len(args[0]) // 2])
        elif how == "after":
            real(target, *args, **more)
        return die(path)

    setattr(os, name, call)


real_write = os.write
if AIM and LEDGER:
    for call in ("fsync", "fdatasync", "rename", "replace", "rmdir", "mkdir", "write"):
        aimed(call)

if LEDGER and IS_WORKER:
    from rlaw.engines.local.engine import LocalEngine
    from rlaw.store import records
    from rlaw.store.journal import Journal
    from rlaw.store.lock import process_started

    append, train = Journal.append, LocalEngine.train

    def append_and_note(self, record):
        line = records.encode(record, self.last)
        append(self, record)
        note("kept", self.path.parent.name, line.decode().rstrip("\n"))

    def train_with_checkpoints_at_every_step(self, run, workspace):
        from rlaw.engines.local import process

        process.prepare(workspace.cache)
        from rlaw.engines.local import attempt

        attempt.SECONDS_BETWEEN_CHECKPOINTS = 0.0
        yield from train(self, run, workspace)

    Journal.append, LocalEngine.train = append_and_note, train_with_checkpoints_at_every_step
    note("worker", os.getpid(), process_started(os.getpid()))
