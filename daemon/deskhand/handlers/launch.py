"""Turning a fork of the keeper into the handler's program.  Standard library only: the spawner runs without ``site``.

Fork and exec by hand, because resource limits, the parent-death signal and the session must be in place before the
first instruction of the program; that is safe here and only here, where the process has one thread and no locks.
The program gets: ``/dev/null`` as stdin, one pipe as stdout and stderr, no other descriptor, its own session, default
signal handling, umask 077, no core files.
"""

from __future__ import annotations

import math
import os
import resource
import signal
from typing import NamedTuple, NoReturn

from deskhand.handlers.descendants import die_with_parent


class Order(NamedTuple):
    """What the daemon asks for; see ``attempt.Attempt``.  Undecodable bytes are surrogates (UTF-8)."""

    key: str
    argv: list[str]
    env: dict[str, str]
    cwd: str
    log: str
    timeout: float
    output_cap: int
    memory: int | None
    cpu: float | None


def launch(order: Order, output: int) -> tuple[int, str | None]:
    """Start the program with its output going to descriptor *output*; its pid, and why it could not be started."""
    reader, writer = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become(order, parent, output, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as report:
        problem = report.read()
    return pid, problem.decode("utf-8", "replace") or None


def _become(order: Order, parent: int, output: int, report: int) -> NoReturn:
    """In the child: become the program, or say why not and exit with 127."""
    stage = "cannot start"
    try:
        os.setsid()
        die_with_parent(parent)
        # Python ignores these two, and what is ignored stays so in the program.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        os.umask(0o077)
        stage = f"cannot enter {order.cwd}"
        os.chdir(order.cwd)
        stage = "cannot set the limits"
        os.dup2(output, 1)
        os.dup2(output, 2)
        _limit(order)
        stage = f"cannot start {order.argv[0]}"
        os.execvpe(order.argv[0], order.argv, order.env)
    except BaseException as error:  # noqa: BLE001 - reported; this fork must never go on as a second keeper
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        os.write(report, f"{stage}: {reason}".encode("utf-8", "backslashreplace")[:4096])
    finally:
        os._exit(127)


def _limit(order: Order) -> None:
    """Per process, inherited by its children.  Never above a limit that is already there."""
    _lower(resource.RLIMIT_CORE, 0, 0)
    if order.cpu is not None:
        seconds = max(1, math.ceil(order.cpu))
        # One second between SIGXCPU, which says why, and SIGKILL.
        _lower(resource.RLIMIT_CPU, seconds, seconds + 1)
    if order.memory is not None:
        _lower(resource.RLIMIT_AS, order.memory, order.memory)


def _lower(which: int, soft: int, hard: int) -> None:
    _, ceiling = resource.getrlimit(which)
    if ceiling != resource.RLIM_INFINITY:
        hard = min(hard, ceiling)
    resource.setrlimit(which, (min(soft, hard), hard))
