"""The processes that check answers: a warm template, which checks nothing, and the workers it forks.

The template is a program of its own (a fresh interpreter, one thread, no credentials in its environment): it imports
the judge once and forks a worker in milliseconds whenever one is wanted, so a killed worker is soon replaced. The
trainer is never forked, whatever threads it has. Template and workers end with the process that started them.

Limits of a worker: address space, no file can grow, no core dump; and a guard that refuses to write, start programs or
open sockets. The guard is a second fence, not a sandbox: the first is that answers are parsed by a grammar, not run.

A message on the template's socket: the pid of the worker to kill (0: none) and a socket for a new one -> its pid.
On a worker's socket: JSON [answer, reference] -> JSON [verdict, reason].

A judge is a module with `check(answer, reference)` and `warm_up()`: rlaw's own, or math-verify to be compared with.
"""

import ctypes
import gc
import json
import os
import resource
import select
import signal
import socket
import sys
from importlib import import_module
from typing import Any

BYTES = 1 << 16  # of a message: two answers of 4,096 characters
JUDGES = {"algebra": "mpmath", "plain_math_verify": "math_verify"}  # each with the package that it needs
PR_SET_PDEATHSIG = 1
FORBIDDEN = (
    "os.", "socket.", "subprocess.", "shutil.", "ctypes.", "tempfile.", "urllib.", "http.", "ftplib.", "smtplib.",
    "webbrowser.", "pty.", "fcntl.", "mmap.", "syslog.", "signal.", "sqlite3.", "pickle.",
)  # fmt: skip
HARMLESS = ("os.listdir", "os.scandir", "os.walk", "os.fspath")  # importing a module looks into its folder


def main() -> None:
    """Serve as the template; arguments: the socket's number, the workers' address space in MiB, the judge."""
    control = socket.socket(fileno=int(sys.argv[1]))
    memory_mb, parent = int(sys.argv[2]), os.getppid()
    try:
        judge = import_module(f"rlaw.rewards.{sys.argv[3]}")
        control.send(json.dumps({"ready": judge.warm_up()}).encode())
    except Exception as error:
        control.send(json.dumps({"failed": f"{type(error).__name__}: {error}"}).encode())
        return
    _limit(memory_mb)
    children: set[int] = set()
    gc.freeze()  # what is there now is shared with every worker
    while os.getppid() == parent:
        if not select.select([control], [], [], 1.0)[0]:
            continue
        message, fds, _, _ = socket.recv_fds(control, 64, 1)
        if not message:
            return
        _end(int(message), children)
        control.send(b"%d" % _fork(fds[0], control, children, judge))


def _end(pid: int, children: set[int]) -> None:
    """Kill a worker of ours. It is not waited for here, and its number is its own until it is."""
    if pid in children:  # else of a template before us, or none
        os.kill(pid, signal.SIGKILL)
    for child in [child for child in children if os.waitpid(child, os.WNOHANG)[0]]:
        children.remove(child)


def _fork(fd: int, control: socket.socket, children: set[int], judge: Any) -> int:
    channel = socket.socket(fileno=fd)
    pid = os.fork()
    if pid == 0:
        try:
            control.close()
            _serve(channel, judge)
        finally:
            os._exit(0)
    channel.close()
    children.add(pid)
    return pid


def _serve(channel: socket.socket, judge: Any) -> None:
    """Check one answer after another until the other end is closed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # the template has one thread: it ends, we end
    sys.addaudithook(guard)
    while message := channel.recv(BYTES):
        answer, wanted = json.loads(message.decode("utf-8", "surrogatepass"))
        try:
            outcome = judge.check(answer, wanted)
        except MemoryError:
            outcome = ("timeout", "memory")
        channel.send(json.dumps(outcome).encode())


def guard(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook that refuses everything that checking an answer does not need."""
    writes = event == "open" and (
        (isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"))
        or (isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    )
    if writes or (event.startswith(FORBIDDEN) and event not in HARMLESS):
        raise PermissionError(f"an answer tried {event}")


def _limit(memory_mb: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


if __name__ == "__main__":
    main()
