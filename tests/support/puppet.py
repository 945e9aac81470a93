"""A desk that lives in a fork of the test's process, does what it is told, and dies where it is told.

The test holds one end of a pipe; every order is answered when the desk has come to rest, so between two orders all that
was decided is on disk.  A life ends by a kill, a power cut, a failed sync, or because it is told to.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from deskhand.engine.assemble import Session, open_desk
from deskhand.engine.bell import Bell
from deskhand.engine.commands import Command, Commands
from deskhand.errors import DeskhandError
from deskhand.store.desk import Desk
from deskhand.store.files import FsyncError, StrPath
from deskhand.testing.clock import FakeClock
from deskhand.testing.log import MemoryLog
from deskhand.testing.lossy_files import LossyFiles
from tests.support.crash import ENDED, TURNS, let_time_pass
from tests.support.crash_files import CRASHED
from tests.support.forks import fork, join
from tests.support.possible_errors import ERRORS
from tests.support.scenario import PERSON, RESTING, Instant


@dataclass(frozen=True)
class Fault:
    """What happens to one call that changes the disk."""

    kind: str
    """`kill`, `cut` (the power) or `error`."""
    at: int
    """Which call from now on, from 1."""
    dice: int
    """Which error, of those that the call can give; or what a power cut takes."""


class PuppetFiles(LossyFiles):
    """A disk on which one fault at a time can be put.  Syncs count, and are not made: no machine ends here."""

    def __init__(self, fault: Fault | None) -> None:
        super().__init__()
        self.fault = fault
        self._calls = 0

    def arm(self, fault: Fault | None) -> None:
        """Put a fault *at* calls from here."""
        with self._lock:
            self.fault, self._calls = fault, 0

    def before(self, operation: str, path: StrPath | int) -> None:
        """Count; end, go dark or fail where told."""
        with self._lock:
            self._calls += 1
            fault = self.fault
            if fault is not None and self._calls == fault.at:
                self.fault = None
                if fault.kind == "error":
                    errors = ERRORS[operation]
                    number = errors[fault.dice % len(errors)]
                    raise OSError(number, os.strerror(number))
                if fault.kind == "cut":
                    dice = random.Random(fault.dice)
                    self.power_cut(lambda: fault.dice % 3 == 0 or dice.random() < 0.5)
                os._exit(CRASHED)
            super().before(operation, path)

    def _sync(self, operation: str, call: object, fd: int) -> None:
        super()._sync(operation, lambda descriptor: None, fd)


class Puppet:
    """One life, seen from the test."""

    def __init__(self, desk: Desk, wall: float, fault: Fault | None = None) -> None:
        """Begin to open *desk*, at *wall* (epoch seconds), with *fault* on its disk."""
        self._ours, theirs = Pipe()
        self._child = fork(lambda: _live(desk, theirs, wall, fault))
        theirs.close()
        self.alive = True
        self.alive = self._answer() is not None

    def tell(self, order: str, *arguments: Any) -> Any:
        """The answer; None when it died of it (or of what was to come)."""
        assert self.alive
        try:
            self._ours.send((order, arguments))
        except BrokenPipeError:
            pass  # how it ended is heard below
        return self._answer()

    def _answer(self) -> Any:
        try:
            return self._ours.recv()
        except EOFError:
            self.alive = False
            self._ours.close()
            code, said = join(*self._child)
            assert code in (0, CRASHED, ENDED), said
            return None


class _Life:
    """The same, seen from inside."""

    def __init__(self, session: Session, files: PuppetFiles, clock: FakeClock, bell: Bell) -> None:
        self._session = session
        self._files = files
        self._clock = clock
        self._bell = bell
        self._commands = Commands(session.engine)

    def work(self, to_the_end: bool) -> float:
        """Tick until nothing can be done now, or until everything waits for people; the time it is then."""
        session = self._session
        # Fake time passes faster than the folder's time stamp: a second change must not look like the first.
        session.parts.gestures._seen = -1
        session.parts.notice.give_quietly()
        session.engine.scan_everything()
        for _ in range(TURNS):
            session.engine.tick()
            if session.parts.runs.busy or session.parts.intake.under_way:
                if not self._bell.wait(0.02):
                    let_time_pass(session, self._clock)
            elif self._at_rest(to_the_end):
                return self._clock.wall()
            else:
                let_time_pass(session, self._clock)
        raise AssertionError(f"it does not end: {session.engine.status()}")

    def _at_rest(self, to_the_end: bool) -> bool:
        engine = self._session.engine
        return engine.idle and (not to_the_end or all(task.state in RESTING for task in engine.ledger.tasks.values()))

    def arm(self, fault: Fault) -> bool:
        """Put a fault on the disk."""
        self._files.arm(fault)
        return True

    def command(self, verb: str, arguments: dict[str, Any]) -> str:
        """What a person says with a command; the refusal, if it is refused."""
        try:
            self._commands.carry_out(Command(verb, PERSON, arguments), self._clock.wall())
        except DeskhandError as error:
            return error.sentence
        return ""

    def pass_time(self, seconds: float) -> bool:
        """Let time pass, with nothing done meanwhile."""
        self._clock.advance(seconds)
        return True


def _live(desk: Desk, orders: Connection, wall: float, fault: Fault | None) -> int:
    files, clock, bell = PuppetFiles(fault), FakeClock(wall), Bell()
    opened, Instant.disk = False, files
    try:
        with open_desk(desk, MemoryLog(), ring=bell.ring, watch=False, files=files, clock=clock) as session:
            opened = True
            files.arm(None)
            life = _Life(session, files, clock, bell)
            orders.send(True)
            while True:
                order, arguments = orders.recv()
                if order == "close":
                    break
                orders.send(getattr(life, order)(*arguments))
    except FsyncError:
        return ENDED
    except (DeskhandError, OSError):
        if opened or files.fault is fault:
            raise
        return ENDED
    return 0
