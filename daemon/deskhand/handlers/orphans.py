"""Proof that nothing of an earlier run is alive: the only module that looks at other processes (psutil).

The spawner, its keepers and every handler carry the desk's mark (its log, and which folder it stands in) and the
daemon's run id in their environment, and a digest of both in a resource limit that they cannot take off (see ``mark``).
A process that carries this desk's mark and another run's id is left over from a daemon that died.  Such processes
normally end by themselves within milliseconds, because the spawner's socket to the daemon ended; what does not is
killed.

Not found: processes of other users; and where there is no such limit (macOS, a daemon that itself was started with a
low one) a process that replaced its environment *and* outlived both its keeper and its spawner.
"""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import psutil
from msgspec import Struct

from deskhand.errors import RunError
from deskhand.handlers import mark

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
    return _end(_Search(log_id, run, lambda found: found != run), patience)


def reap_run(log_id: str, run: str, *, patience: float = PATIENCE) -> list[Stranger]:
    """The same for the processes of *run* itself, when its spawner has died.  Raises RunError."""
    return _end(_Search(log_id, run, lambda found: found == run), patience)


def processes_of(log_id: str) -> list[int]:
    """Pids of every handler, keeper and spawner of the desk *log_id* that lives, whichever run started it."""
    return sorted(process.pid for process in _find(_Search(log_id, "", lambda found: True)))


class _Search(Struct, frozen=True):
    """Whose processes are looked for."""

    log_id: str
    run: str
    wanted: Callable[[str], bool]
    """Whether processes of the run with this id are; the id is empty when only a limit tells that it is not *run*."""

    def marks(self, pid: int, env: Mapping[str, str]) -> Mapping[str, str] | None:
        """The environment of a process that is looked for, completed by what its limit says; None for any other."""
        if env.get(LOG_VARIABLE) != self.log_id:
            limit = mark.read(pid)
            if not mark.same_desk(limit, self.log_id):
                return None
            run = self.run if limit == mark.mark(self.log_id, self.run) else ""
            env = {**env, LOG_VARIABLE: self.log_id, RUN_VARIABLE: run}
        return env if self.wanted(env.get(RUN_VARIABLE, "")) else None


def _end(search: _Search, patience: float) -> list[Stranger]:
    seen: _Found = {}
    killed: set[psutil.Process] = set()
    while found := _find(search):
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


def _find(search: _Search) -> _Found:
    """Processes other than this one and its children (which would carry what this one inherited)."""
    me = psutil.Process()
    mine = {me, *me.children(recursive=True)} if search.marks(me.pid, os.environ) is not None else {me}
    found: _Found = {}
    for pid in _marked():
        try:
            process = psutil.Process(pid)
            if process in mine or process.status() == psutil.STATUS_ZOMBIE:
                continue
            marks = search.marks(pid, _environment(process))
        except (psutil.NoSuchProcess, OSError):
            continue
        if marks is not None:
            found[process] = marks
    return found


def _marked() -> Iterator[int]:
    """Pids of processes that may carry the mark of a desk.

    On Linux the raw bytes tell at once; psutil makes several calls to the system for each process of the machine.
    """
    if sys.platform != "linux":
        yield from psutil.pids()
        return
    variable = f"{LOG_VARIABLE}=".encode()
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:  # it has ended, or is another user's
            environment = b""
        if variable in environment or mark.read(pid):
            yield pid


def _environment(process: psutil.Process) -> Mapping[str, str]:
    try:
        return process.environ()
    except psutil.AccessDenied:
        return {}


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
