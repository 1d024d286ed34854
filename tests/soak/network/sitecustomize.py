"""What Python imports first in every process of a study on a bad network file system: no locks, and renames seen late.

What a process renames, it sees at once; all other processes see under that name what stood there before, or nothing,
for LATE seconds. NETWORK_LEDGER names a file outside the store that keeps each rename (until when, by whom, what stood
there before) and, for the judge, when each journal was opened and closed for writing, and by whom.
"""

import builtins
import errno
import fcntl
import io
import os
import shutil
import sys
import time

LEDGER = os.environ.get("NETWORK_LEDGER", "")
LATE = 2.0
real = {name: getattr(os, name) for name in ("open", "stat", "lstat", "listdir", "scandir", "rename", "replace")}
real_io_open = io.open


def note(*fields):
    opened = real["open"](LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(opened, "\t".join(map(str, fields)).encode() + b"\n")
    os.close(opened)


def late():
    """Renames of other processes that this one cannot see yet, newest last: the name, and what to see instead."""
    try:
        with real_io_open(LEDGER) as file:
            rows = [line.rstrip("\n").split("\t") for line in file]
    except FileNotFoundError:
        return
    now, me = time.monotonic(), str(os.getpid())
    for kind, until, who, *paths in rows:
        if kind == "renamed" and float(until) > now and who != me:
            yield paths


def seen(path):
    """The path that holds what this process sees; raises when it sees nothing there."""
    if isinstance(path, int):
        return path
    name = os.path.abspath(os.fspath(path))
    for renamed, before in late():  # the first that is hidden: what stood there before all of them
        if name == renamed or name.startswith(renamed + os.sep):
            if before:
                return before
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(path))
    return path


def renaming(name):
    def rename(source, target, **more):
        target = os.path.abspath(os.fspath(target))
        before = ""
        if os.path.isfile(target):
            before = f"{LEDGER}.before.{os.getpid()}.{time.monotonic_ns()}"
            shutil.copyfile(target, before)
        note("renamed", time.monotonic() + LATE, os.getpid(), target, before)
        real[name](source, target, **more)

    return rename


def reading(name):
    def read(path=".", *args, **more):
        return real[name](seen(path), *args, **more)

    return read


def read_or_write(path, flags, *args, **more):
    return real["open"](path if flags & (os.O_WRONLY | os.O_RDWR) else seen(path), flags, *args, **more)


def open_file(file, mode="r", *args, **more):
    return real_io_open(file if set(mode) & set("wax+") else seen(file), mode, *args, **more)


def names(path="."):
    hidden = {renamed for renamed, before in late() if not before}
    return [name for name in real["listdir"](path) if os.path.abspath(os.path.join(path, name)) not in hidden]


def no_locks(*args):
    raise OSError(errno.ENOLCK, "No locks available")


if LEDGER and "rlaw" in " ".join(sys.orig_argv):
    from rlaw.store.journal import Journal

    start, close = Journal.__init__, Journal.close

    def start_and_note(self, path, *args):
        note("opened", time.monotonic(), os.getpid(), os.path.abspath(path))
        start(self, path, *args)

    def close_and_note(self):
        close(self)
        note("closed", time.monotonic(), os.getpid(), os.path.abspath(self.path))

    Journal.__init__, Journal.close = start_and_note, close_and_note
    fcntl.flock = no_locks
    os.open, builtins.open, io.open, os.listdir = read_or_write, open_file, open_file, names
    for name in ("stat", "lstat"):
        setattr(os, name, reading(name))
    for name in ("rename", "replace"):
        setattr(os, name, renaming(name))
