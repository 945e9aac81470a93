"""A desk that is driven tick by tick, killed at any call that changes the disk, and opened again.

Each life of the desk is a forked process: a crash is ``os._exit`` in the middle of the call, in whichever thread makes
it, so no ``except``, ``finally`` or lock is tidied up that a real SIGKILL would not tidy up.  Nothing that was written
is lost (that is the lossy disk's matter), so syncs are counted but not made.  Time is a fake clock; what runs is a
function instead of a process, which counts how often it ran.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import signal
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from deskhand.core.record import Actor
from deskhand.core.state import State
from deskhand.core.task import TaskFile
from deskhand.engine import assemble
from deskhand.engine.assemble import Session, open_desk
from deskhand.engine.bell import Bell
from deskhand.engine.commands import Command, Commands
from deskhand.errors import DeskhandError
from deskhand.handlers.attempt import Attempt, Ended, Reason
from deskhand.store.desk import Desk
from deskhand.store.files import FsyncError, StrPath
from deskhand.testing.clock import FakeClock
from deskhand.testing.faulty_files import FaultyFiles
from deskhand.testing.log import MemoryLog
from tests.support import invariants

CRASHED = 77
"""Exit status of a process that ended at a chosen call."""
ENDED = 78
"""Exit status of one that gave up because of an error, as it may."""
ONCE = "once"
"""Recipe of which every repetition needs a person's word."""
TURNS = 600
"""Ticks until a scenario that does not end has failed."""
RESTING = frozenset({State.WAITING, State.IN_DOUBT, State.PARKED, State.BLOCKED})
"""States in which a task waits for somebody."""
LIFETIME = 3600.0
"""Seconds of fake time that lie between two lives of a desk."""

PERSON = Actor(kind="person", via="command", uid=0)
T = TypeVar("T")
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
Verdicts = Mapping[State, str]


def let_time_pass(session: Session, clock: FakeClock) -> None:
    """Until something is due, and ask for a full scan, as the clockwork does."""
    engine, interval = session.engine, session.settings.scan_interval
    due = engine.next_time()
    seconds = min(engine.next_wake(), interval, interval if due is None else due - clock.wall())
    clock.advance(max(seconds, 0.05))
    engine.scan_everything()


class CrashFiles(FaultyFiles):
    """Counts the calls of all threads; ends the process, or raises *error*, at number *at*.

    With *error* the calls up to number *until* fail as well, as on a disk that is full for a while.
    """

    def __init__(self, at: int | None = None, error: int | None = None, *, until: int | None = None) -> None:
        super().__init__(None, error)
        self.at = at
        self.until = at if until is None else until
        self.opened = 0
        """How many calls opening the desk took."""
        self._one = threading.Lock()

    def before(self, operation: str, path: StrPath | int) -> None:
        """Count, and end or fail where told."""
        with self._one:
            self.calls.append(f"{operation} {_shown(path)}")
            number = len(self.calls)
            if self.at is None or self.until is None or not self.at <= number <= self.until:
                return
            self.fired = True
        if self.error is None:
            os._exit(CRASHED)
        raise OSError(self.error, os.strerror(self.error))

    def _sync(self, operation: str, call: object, fd: int) -> None:
        """A process that ends loses nothing of what it wrote: the call counts, the disk is left in peace."""
        try:
            self.before(operation, fd)
        except OSError as error:
            raise FsyncError(error.errno, f"{operation} failed: {error.strerror}") from error


def _shown(path: StrPath | int) -> str:
    if not isinstance(path, int):
        return os.fspath(path)
    try:
        return os.readlink(f"/proc/self/fd/{path}")
    except OSError:
        return str(path)


class Instant:
    """In place of the spawner: what runs is over before ``submit`` returns, and every run is counted."""

    runs: Path
    """Folder with one file per task, one byte longer after each run."""
    plan: Sequence[str] = ("ok",)
    """How the first run ends, the second ...: `ok`, `failed` or `cut`; the last one is repeated."""

    def __init__(self, log_id: str, run: str) -> None:
        """As the real one."""

    def start(self) -> None:
        """Nothing to start."""

    def submit(self, attempt: Attempt, on_end: Callable[[Ended], None]) -> None:
        """Run it."""
        count = self.runs / attempt.key.rpartition("-")[0]
        with count.open("ab") as file:
            file.write(b"x")
            number = file.tell()
        (attempt.cwd / "out" / "result.txt").write_bytes(b"the result\n")
        attempt.log.write_bytes(f"run {number}\n".encode())
        match self.plan[min(number, len(self.plan)) - 1]:
            case "ok":
                on_end(Ended(exit=0))
            case "failed":
                on_end(Ended(exit=1))
            case _:
                on_end(Ended(cut="spawner", error="it was cut off"))

    def kill(self, key: str, reason: Reason, *, force: bool = False) -> None:
        """Too late."""

    def close(self) -> None:
        """Nothing to close."""

    @classmethod
    def counted(cls) -> dict[str, int]:
        """Task key -> runs."""
        return {path.name: path.stat().st_size for path in cls.runs.iterdir()}


@dataclass(frozen=True)
class Scenario:
    """What happens on a desk, and how it has to end."""

    name: str
    drops: Mapping[str, bytes]
    """Path in `watch_inbox/` -> content; put there before the first life."""
    ends: Mapping[str, frozenset[State]]
    """Name of each drop -> the states it may end in."""
    delivered: Mapping[str, tuple[bytes, int, int]] = field(default_factory=dict)
    """Glob in the desk -> content, least and greatest number of files that must match in the end."""
    answers: Verdicts = field(default_factory=dict)
    """What the person does with a request, by state of the task: the ending of the new name, or `cancel`."""
    plan: Sequence[str] = ("ok",)
    start: float | None = None
    """Wall time (epoch seconds) at which the first life begins; None = now."""
    late: Mapping[str, bytes] = field(default_factory=dict)
    """Dropped when everything before is over and the clock has passed *late_at*."""
    late_at: float = 0.0
    """Seconds after the start."""
    since: str = ""
    """Part of the first call that other scenarios do not have as well: the points begin there."""
    linked: bool = False
    """The drops have a second name elsewhere, so they are copied, not moved."""


class Table:
    """One desk, put back to its beginning before every point."""

    def __init__(self, root: Path, prepare: Callable[[Desk], None], patch: pytest.MonkeyPatch) -> None:
        """*prepare* makes the desk, once; *patch* holds for the life of the table."""
        self.root = root
        self.desk = Desk(root / "desk")
        self.outside = root / "outside"
        for folder in ("state", "saved", "runs", "outside"):
            (root / folder).mkdir(parents=True)
        patch.setenv("XDG_STATE_HOME", str(root / "state"))
        prepare(self.desk)
        for folder in ("desk", "state"):
            shutil.copytree(root / folder, root / "saved" / folder, symlinks=True)
        patch.setattr(assemble, "Spawner", Instant)
        self._patch = patch

    def reset(self, scenario: Scenario) -> None:
        """The beginning of *scenario*."""
        for folder in ("desk", "state", "runs", "outside"):
            for entry in (self.root / folder).iterdir():
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        for folder in ("desk", "state"):
            shutil.copytree(self.root / "saved" / folder, self.root / folder, symlinks=True, dirs_exist_ok=True)
        self._patch.setenv("XDG_STATE_HOME", str(self.root / "state"))
        Instant.runs = self.root / "runs"
        Instant.plan = scenario.plan
        self.drop(scenario, scenario.drops)

    def drop(self, scenario: Scenario, drops: Mapping[str, bytes]) -> None:
        """Somebody drops files."""
        for number, (name, data) in enumerate(sorted(drops.items())):
            source = self.outside / f"{number}-{Path(name).name}"
            source.write_bytes(data)
            target = self.desk.inbox / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if scenario.linked:
                os.link(source, target)
            else:
                source.rename(target)

    # -- one life ----------------------------------------------------------------------------------------------

    def live(self, scenario: Scenario, files: CrashFiles, life: int = 0) -> MemoryLog:
        """Open the desk, work until the scenario is over, close it.  Call it in a process of its own."""
        start = scenario.start or time.time()
        clock = FakeClock(start + life * LIFETIME)
        log, bell = MemoryLog(), Bell()
        with open_desk(self.desk, log, ring=bell.ring, watch=False, files=files, clock=clock) as session:
            files.opened = len(files.calls)
            person = Person(self, scenario, session, start)
            for _ in range(TURNS):
                person.act(clock)
                session.engine.tick()
                if self._under_way(session):
                    if not bell.wait(0.02):  # it may be that it waits for the next full scan
                        let_time_pass(session, clock)
                elif person.content():
                    session.engine.tick()
                    break
                else:
                    let_time_pass(session, clock)
            else:
                told = [f"{line.level} {line.event} {line.fields}" for line in log.lines[-20:]]
                raise AssertionError("it does not end: " + "\n".join(told))
        bell.close()
        return log

    @staticmethod
    def _under_way(session: Session) -> bool:
        return session.parts.runs.busy or session.parts.intake.under_way

    def check(self, scenario: Scenario, *, tidy: bool = True) -> None:
        """I1-I7, and that every drop came to exactly the end it should have; *tidy*: nothing temporary is left."""
        tasks = {task.key: task for task in invariants.check(self.desk.root, runs=Instant.counted(), stopped=tidy)}
        names = Counter[str]()
        for path in self.desk.queue.rglob("*.task.json"):
            described = msgspec.json.decode(path.read_bytes(), type=TaskFile)
            names[described.name] += 1
            task = next(task for key, task in tasks.items() if path.name.endswith(f"{key[-6:]}.task.json"))
            assert task.state in scenario.ends[described.name], f"{described.name} is {task.state}: {task.reason}"
            assert not task.undelivered, f"{described.name} was not delivered"
        assert names == Counter(dict.fromkeys(scenario.ends, 1)), f"not one task for each drop: {names}"
        assert len(tasks) == len(names)
        for glob, (data, least, most) in scenario.delivered.items():
            found = sorted(self.desk.root.glob(glob))
            assert least <= len(found) <= most, f"{glob}: {found}"
            assert all(path.read_bytes() == data for path in found)
        again = Counter(
            record.fields["task"]
            for record in invariants.read(self.desk)
            if record.type == "task.retry" and record.fields.get("via") == "answer"
        )
        for key, runs in Instant.counted().items():
            pin = tasks[key].pin
            if pin is not None and pin.id == ONCE:
                assert runs <= 1 + again[key], f"{key} ran {runs} times and was allowed {1 + again[key]}"
        left = [path for path in self.desk.inbox.rglob("*") if path.is_file() and not path.name.startswith(".")]
        assert not left, f"left in the inbox: {left}"

    # -- lives in processes of their own -------------------------------------------------------------------------

    def crash(self, scenario: Scenario, at: int, life: int = 0) -> bool:
        """Live and end at call number *at*; False when it was over before."""
        code, said = in_child(lambda: self.live(scenario, CrashFiles(at), life))
        assert code in (0, CRASHED), f"{scenario.name}, life {life}, crash at call {at}: {said}"
        return code == CRASHED

    def fail(self, scenario: Scenario, at: int, error: int, until: int | None = None) -> bool:
        """Live with calls that fail with *error*; True when all was done nevertheless, False when it had to end.

        Only a failed sync may end a desk that is open; a desk that is being opened may refuse.
        """

        def life() -> int:
            files = CrashFiles(at, error, until=until)
            try:
                self.live(scenario, files)
            except FsyncError:
                hit = files.calls[at - 1 : files.until]
                assert any(call.startswith(("fsync", "fdatasync")) for call in hit), f"no sync failed: {hit}"
                return ENDED
            except (DeskhandError, OSError):
                if files.opened:
                    raise
                return ENDED
            self.check(scenario, tidy=False)  # what cannot be removed now is removed at the next start
            return 0

        code, said = in_child(life)
        assert code in (0, ENDED), f"{scenario.name}, {errno.errorcode[error]} at call {at} (to {until}): {said}"
        return code == 0

    def recover(self, scenario: Scenario, what: str, life: int = 1) -> None:
        """Live on a healthy disk to the end, and check."""

        def rest() -> None:
            self.live(scenario, CrashFiles(), life)
            self.check(scenario)

        code, said = in_child(rest)
        assert code == 0, f"{scenario.name}, {what}: {said}"

    def calls(self, scenario: Scenario) -> list[str]:
        """Every call that changes the disk in one undisturbed life."""
        self.reset(scenario)
        path = self.root / "calls"

        def whole() -> None:
            files = CrashFiles()
            self.live(scenario, files)
            self.check(scenario)
            path.write_text("\n".join(files.calls))

        code, said = in_child(whole)
        assert code == 0, f"{scenario.name} without a fault: {said}"
        return path.read_text().splitlines()


class Person:
    """Answers requests, and drops what comes late."""

    def __init__(self, table: Table, scenario: Scenario, session: Session, start: float) -> None:
        self._table = table
        self._scenario = scenario
        self._session = session
        self._start = start
        self._commands = Commands(session.engine)

    def act(self, clock: FakeClock) -> None:
        """Answer what stands in approvals/ by renaming; drop the late files when it is time."""
        approvals = self._session.desk.approvals
        acted = False
        for task in list(self._session.engine.ledger.tasks.values()):
            ending = self._scenario.answers.get(task.state)
            request = approvals / f"{self._session.parts.placement.identifier(task.key)}.json"
            if ending == "cancel":
                self._commands.carry_out(Command("cancel", PERSON, {"key": task.key}), clock.wall())
            elif ending is not None and request.exists():
                request.rename(f"{request}.{ending}")
                acted = True
        if self._scenario.late and self._over() and not self._was_dropped():
            if clock.wall() < self._start + self._scenario.late_at:
                clock.advance(self._start + self._scenario.late_at - clock.wall())
            self._table.drop(self._scenario, self._scenario.late)
            acted = True
        if acted:
            # Fake time passes faster than the folder's time stamp: a second change must not look like the first.
            os.utime(approvals)
            self._session.parts.gestures._seen = -1
            self._session.parts.notice.give_quietly()

    def _over(self) -> bool:
        tasks = self._session.engine.ledger.tasks.values()
        moved = not self._session.parts.placement.behind
        return (
            self._session.engine.idle
            and moved
            and all(task.state in RESTING and task.state not in self._scenario.answers for task in tasks)
        )

    def _was_dropped(self) -> bool:
        names = {Path(name).name for name in self._scenario.late}
        return any(path.name in names for path in self._session.desk.root.rglob("*")) or any(
            msgspec.json.decode(path.read_bytes(), type=TaskFile).name in names
            for path in self._session.desk.queue.rglob("*.task.json")
        )

    def content(self) -> bool:
        """Whether everything the scenario wants has come to an end."""
        return self._over() and (not self._scenario.late or self._was_dropped())


def in_child(call: Callable[[], int | object]) -> tuple[int, str]:
    """Run *call* in a fork of this process: its exit status (what it returned, or 0) and what went wrong."""
    return _wait(*_fork(call))


def spread(tables: Sequence[Table], points: Sequence[T], call: Callable[[Table, T], object]) -> None:
    """Run *call* for every point, on all tables at the same time; fails with all that failed."""

    def share(number: int) -> None:
        for point in points[number :: len(tables)]:
            call(tables[number], point)

    children = [_fork(partial(share, number)) for number in range(len(tables))]
    failed = [said for code, said in [_wait(*child) for child in children] if code]
    assert not failed, "\n".join(failed)


def _fork(call: Callable[[], int | object]) -> tuple[int, int]:
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(read)
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            result = call()
            code = result if isinstance(result, int) else 0
        except BaseException:
            os.write(write, traceback.format_exc()[-8000:].encode())
        finally:
            os._exit(code)
    os.close(write)
    return pid, read


def _wait(pid: int, read: int) -> tuple[int, str]:
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read().decode()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said


ERRNOS = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.EACCES),
    *(errno.EPERM, errno.EXDEV, errno.ENAMETOOLONG, errno.EINTR, errno.ESTALE, errno.EBUSY, errno.ENOMEM),
)
"""What a call on a file can fail with."""
