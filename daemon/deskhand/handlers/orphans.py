"""Proof that nothing of an earlier run is alive: the only module that looks at other processes (psutil).

The spawner, its keepers and every handler carry the desk's log id and the daemon's run id in their environment.  A
process that carries this desk's log id and another run's id is left over from a daemon that died.  Such processes
normally end by themselves within milliseconds, because the spawner's socket to the daemon ended; what does not is
killed.

Not found: a process that replaced its environment *and* outlived both its keeper and its spawner, and processes of
other users whose environment cannot be read.
"""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable, Iterable, Mapping

import psutil
from msgspec import Struct

from deskhand.errors import RunError

LOG_VARIABLE = "DESKHAND_LOG_ID"
RUN_VARIABLE = "DESKHAND_RUN_ID"
ATTEMPT_VARIABLE = "DESKHAND_ATTEMPT"
SPAWNER_VARIABLE = "DESKHAND_SPAWNER"
PATIENCE = 5.0
"""Seconds that an old spawner gets to end its attempts by itself."""
KILLING = 5.0
"""Seconds that killed processes get to disappear."""


class Stranger(Struct, frozen=True):
    """A process of an earlier run that was found alive."""

    pid: int
    run: str
    attempt: str | None
    """Key of the attempt it belonged to; None = a spawner or keeper."""
    killed: bool
    """False: it ended by itself while we waited."""


_Found = dict[psutil.Process, Mapping[str, str]]


def reap_strangers(log_id: str, run: str, *, patience: float = PATIENCE) -> list[Stranger]:
    """End every process of the desk *log_id* that another run than *run* started; returns what was found.

    Takes up to *patience* seconds for what ends by itself.  Raises RunError when one cannot be ended.
    """
    return _end(lambda env: env.get(LOG_VARIABLE) == log_id and env.get(RUN_VARIABLE) != run, patience)


def reap_run(log_id: str, run: str, *, patience: float = PATIENCE) -> list[Stranger]:
    """The same for the processes of *run* itself, when its spawner has died.  Raises RunError."""
    return _end(lambda env: env.get(LOG_VARIABLE) == log_id and env.get(RUN_VARIABLE) == run, patience)


def processes_of(log_id: str) -> list[int]:
    """Pids of every handler, keeper and spawner of the desk *log_id* that lives, whichever run started it."""
    return sorted(process.pid for process in _find(lambda env: env.get(LOG_VARIABLE) == log_id))


def _end(ours: Callable[[Mapping[str, str]], bool], patience: float) -> list[Stranger]:
    seen: _Found = {}
    killed: set[psutil.Process] = set()
    while found := _find(ours):
        if not found.keys() - seen.keys() and killed >= found.keys():
            names = ", ".join(str(process.pid) for process in found)
            raise RunError(
                "end the processes of an earlier run",
                f"still alive after SIGKILL: {names}",
                hint="end them by hand, then start again",
            )
        seen |= found
        # Only the spawner and its keepers end things by themselves; without one there is nothing to wait for.
        if not killed and any(SPAWNER_VARIABLE in env for env in found.values()):
            _wait(found, patience)
            found = {process: env for process, env in found.items() if _alive(process)}
        killed |= _kill(found)
    return [_stranger(process, env, process in killed) for process, env in seen.items()]


def _find(ours: Callable[[Mapping[str, str]], bool]) -> _Found:
    """Processes other than this one and its children (which would carry what this one inherited)."""
    me = psutil.Process()
    mine = {me, *me.children(recursive=True)} if ours(os.environ) else {me}
    found: _Found = {}
    for process in psutil.process_iter():
        try:
            if process not in mine and process.status() != psutil.STATUS_ZOMBIE and ours(env := process.environ()):
                found[process] = env
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            continue
    return found


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _kill(found: _Found) -> set[psutil.Process]:
    """SIGKILL *found* and everything below them, and wait until they are gone."""
    doomed = set(found)
    for process in found:
        try:
            doomed.update(process.children(recursive=True))
        except psutil.NoSuchProcess:
            continue
    for process in doomed:
        try:
            process.kill()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    _wait(doomed, KILLING)
    return set(found)


def _wait(processes: Iterable[psutil.Process], seconds: float) -> None:
    """Return when all have ended, reaped by their parent or not, at the latest after *seconds*."""
    living = [process for process in processes if _alive(process)]
    if sys.platform != "linux":
        psutil.wait_procs(living, timeout=seconds)
        return
    deadline = time.monotonic() + seconds
    for process in living:
        try:
            descriptor = os.pidfd_open(process.pid)
        except ProcessLookupError:
            continue
        except OSError:  # a kernel without it
            psutil.wait_procs([process], timeout=max(0.0, deadline - time.monotonic()))
            continue
        try:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
        finally:
            os.close(descriptor)


def _stranger(process: psutil.Process, env: Mapping[str, str], killed: bool) -> Stranger:
    return Stranger(process.pid, env.get(RUN_VARIABLE, ""), env.get(ATTEMPT_VARIABLE), killed)
