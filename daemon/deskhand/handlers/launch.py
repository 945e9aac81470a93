"""Starting the handler's program from its keeper.  Standard library only: the spawner runs without ``site``.

The program gets: ``/dev/null`` as stdin, one pipe as stdout and stderr, no other descriptor, its own session, default
signal handling, umask 077, no core files.  Two ways lead there:

- ``posix_spawn``: the keeper has the umask and the core limit already, and enters the folder for the moment.  A third
  of the price of a fork, because no page of the keeper is copied.
- fork and exec by hand, for an attempt with limits: they must be in place before the first instruction of the program
  and cannot be lowered in the keeper, which could not raise them again.  Code between fork and exec is safe here and
  only here, where the process has one thread and no locks.
"""

from __future__ import annotations

import math
import os
import resource
import signal
import sys
from typing import NamedTuple, NoReturn

from deskhand.handlers.descendants import die_with_parent

UMASK = 0o077
PYTHON_IGNORES = (signal.SIGPIPE, signal.SIGXFSZ)
"""What is ignored stays so in the program."""


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


def settle() -> None:
    """Give this process, once, what every program started from here and below inherits."""
    os.umask(UMASK)
    _lower(resource.RLIMIT_CORE, 0, 0)


def launch(order: Order, output: int) -> tuple[int | None, str | None]:
    """Start the program with its output going to descriptor *output*.

    Returns the pid of a child to wait for, if there is one, and why the program could not be started.
    """
    if order.memory is None and order.cpu is None and sys.platform == "linux":
        try:
            return _spawn(order, output)
        except RuntimeError:  # Python's word for a C library whose posix_spawn cannot make a session
            return _fork(order, output)
    return _fork(order, output)


def _spawn(order: Order, output: int) -> tuple[int | None, str | None]:
    stage = f"cannot enter {order.cwd}"
    try:
        os.chdir(order.cwd)
        stage = f"cannot start {order.argv[0]}"
        try:
            return _spawn_found(order, output), None
        finally:
            os.chdir("/")
    except (OSError, ValueError) as error:
        return None, _sentence(stage, error)


def _spawn_found(order: Order, output: int) -> int:
    """Look for the program where the attempt's own PATH says, as ``execvpe`` does."""
    program = order.argv[0]
    if "/" in program:
        return _spawn_file(program, order, output)
    problem: OSError | None = None
    for folder in order.env.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder, program)
        if not os.access(path, os.F_OK):
            continue
        try:
            return _spawn_file(path, order, output)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            problem = problem or error
    raise problem or FileNotFoundError(2, os.strerror(2), program)


def _spawn_file(path: str, order: Order, output: int) -> int:
    return os.posix_spawn(
        path,
        order.argv,
        order.env,
        file_actions=((os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)),
        setsid=True,
        setsigdef=PYTHON_IGNORES,
    )


def _fork(order: Order, output: int) -> tuple[int, str | None]:
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
        for number in PYTHON_IGNORES:
            signal.signal(number, signal.SIG_DFL)
        stage = f"cannot enter {order.cwd}"
        os.chdir(order.cwd)
        stage = "cannot set the limits"
        os.dup2(output, 1)
        os.dup2(output, 2)
        _limit(order)
        stage = f"cannot start {order.argv[0]}"
        os.execvpe(order.argv[0], order.argv, order.env)
    except BaseException as error:  # noqa: BLE001 - reported; this fork must never go on as a second keeper
        os.write(report, _sentence(stage, error).encode("utf-8", "backslashreplace")[:4096])
    finally:
        os._exit(127)


def _sentence(stage: str, error: BaseException) -> str:
    return f"{stage}: {getattr(error, 'strerror', None) or str(error) or type(error).__name__}"


def _limit(order: Order) -> None:
    """Per process, inherited by its children.  Never above a limit that is already there."""
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
