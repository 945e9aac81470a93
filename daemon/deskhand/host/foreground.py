"""The daemon in the foreground: wait, tick, and stop when told.

The first SIGTERM (or Ctrl-C) drains: nothing new begins, what runs may finish within ``run.drain`` seconds.  A second
one stops at once.  Either way no process is left and every attempt's end is on record, unless the disk does not take
its results or a call to the system hangs for some seconds more: the next start then finds an attempt that was cut off.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from itertools import count
from types import FrameType

from deskhand.core.log import Log
from deskhand.core.record import Draft
from deskhand.core.settings import Settings
from deskhand.engine import upkeep
from deskhand.engine.assemble import Session, open_desk
from deskhand.engine.bell import Bell
from deskhand.engine.chores import Chores
from deskhand.engine.clockwork import Clockwork, Reason
from deskhand.engine.commands import Command, Commands, Reply
from deskhand.engine.errands import Errands
from deskhand.engine.self_look import SelfLook
from deskhand.errors import ConfigError, DeskhandError, ExitCode, HeldError, StoreError
from deskhand.host.control import Control
from deskhand.host.logs import configure
from deskhand.host.notice import Notices
from deskhand.host.status import StatusWriter
from deskhand.store import config_file
from deskhand.store.desk import Desk

GRACE = 5.0
"""Seconds after the drain limit (or the second signal) in which what was told to end may do so; a delivery that hangs
in a call to a dead network mount never does."""
PATIENCE = 1.0
"""Seconds that the threads of such deliveries get at the very end, before they are left behind."""
GARBAGE = 25_000
"""Objects, more than 20 per task, after which the collector looks for cycles."""
OTHERS = 0o077
"""The part of the umask that is the person's to choose; without the rest we could not read our own files."""


class Daemon:
    """One run of the daemon."""

    def __init__(self, session: Session, bell: Bell, log: Log, control: Control) -> None:
        self._session = session
        self._engine = session.engine
        self._bell = bell
        self._log = log
        self._control = control
        self._errands = Errands(bell.ring)
        routines = session.engine.routines
        upkeep.schedule(
            *(routines.planner, session.desk, session.settings), self._errands.carry, session.clock, routines.zone
        )
        self._started = session.clock.monotonic_ns()
        settings = session.settings
        self.clockwork = Clockwork(
            *(self.ring, settings.schedule),
            scan_interval=settings.scan_interval,
            health_interval=settings.health.every,
            clock=session.clock,
        )
        self._looks = Chores(bell.ring, log)
        self._health = SelfLook(session, self._looks, self.clockwork.lag)
        self._commands = Commands(session.engine, self._health)
        self._status = StatusWriter(session, log, self._health)
        self._rung: set[Reason] = set()
        self._stops = 0
        self._answered: list[tuple[Future[Reply], Reply | Future[Reply]]] = []

    def ring(self, reason: Reason) -> None:
        """The clockwork's ring; called in its thread."""
        self._rung.add(reason)
        self._bell.ring()

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Signal handler: the first drains, the second stops now."""
        self._stops += 1
        self._bell.ring()

    def serve(self, *, until_idle: bool) -> None:
        """Tick until told to stop, until nothing can run when *until_idle*, or for `run.max_cycles` ticks."""
        self._turn()
        self._control.start()  # whoever is answered finds a desk that is watched
        self._log.info("ready", desk=str(self._session.desk.root))
        most = self._session.settings.run.max_cycles
        for turn in count(1):
            if self._stops or turn == most or (until_idle and self._engine.idle):
                return
            self._bell.wait(min(self._engine.next_wake(), self._status.due()))
            self._turn()

    def _turn(self) -> None:
        begun = self._seconds()
        self._answered += self._hear()
        self._looks.hear()
        while self._rung:
            self._by_the_clock(self._rung.pop())
        self._engine.tick()
        if not self._engine.ledger.dirty:  # nobody is told what is not durable
            self._commands.settle()
            for promise, reply in self._answered:
                _fulfil(promise, reply)
            self._answered.clear()
            self._looks.settle()
        self._health.turned(self._seconds() - begun)
        self.clockwork.wake_at(self._engine.next_time())
        self._status.write(busy=self._engine.next_wake() <= 0)

    def _hear(self) -> list[tuple[Future[Reply], Reply | Future[Reply]]]:
        """Carry out what callers ask; they hear of it when it is durable."""
        answered = []
        for command, promise in (*self._control.pending(), *self._errands.pending()):
            try:
                answered.append((promise, self._carry_out(command)))
            except DeskhandError as error:
                promise.set_exception(error)
        return answered

    def _carry_out(self, command: Command) -> Reply | Future[Reply]:
        try:
            return self._commands.carry_out(command, self._session.clock.wall())
        except (KeyError, TypeError, ValueError) as error:
            raise DeskhandError(command.verb, f"its arguments are not understood: {error}") from error

    def _by_the_clock(self, reason: Reason) -> None:
        match reason:
            case Reason.HEARTBEAT:
                self._engine.time.heartbeat((self._session.clock.monotonic_ns() - self._started) / 1e9)
            case Reason.RESCAN:
                self._engine.scan_everything()
            case Reason.TIDY:
                self._engine.tidy()
            case Reason.HEALTH:
                self._health.begin()
            case Reason.ROTATION | Reason.RETRY:
                pass  # the tick looks at the time itself

    def drain(self) -> None:
        """Let what runs finish, within the limit; then end it, and record everything."""
        runs, parts = self._session.parts.runs, self._session.parts
        parts.intake.pause()
        self._engine.stop_starting()
        limit = self._seconds() + parts.settings.run.drain
        told = hurried = False
        while runs.busy:
            now = self._seconds()
            if self._stops > 1 and not hurried:
                limit, told, hurried = min(limit, now), False, True
            if now >= limit and not told:
                runs.stop_all(force=hurried)
                told = True
            if now >= limit + GRACE or self._stops > 2:
                self._log.warning("not everything ended in time", running=sorted(runs.keys()), limit=GRACE)
                runs.hurry(PATIENCE)
                return
            runs.retry()
            self._bell.wait(max(0.05, min(GRACE / 20 if told else limit - now, 1.0)))
            self._turn()

    def _seconds(self) -> float:
        return self._session.clock.monotonic_ns() / 1e9

    def close(self, reason: str) -> None:
        """Say that the daemon ends."""
        self._commands.give_up(HeldError("waiting", "the daemon stops"))
        self._looks.close(PATIENCE)
        self._errands.close(HeldError("asking the daemon", "the daemon stops"))
        ledger = self._session.parts.ledger
        fields = {"reason": reason, "unfinished": len(ledger.tasks), "running": len(self._session.parts.runs.keys())}
        self._engine.finish(Draft("daemon.stopped", fields))
        self._status.write(stopped=True)
        self._log.info("stopped", reason=reason)

    @property
    def stopped(self) -> bool:
        """Whether somebody told it to stop."""
        return self._stops > 0


def _fulfil(promise: Future[Reply], reply: Reply | Future[Reply]) -> None:
    if not isinstance(reply, Future):
        promise.set_result(reply)
        return

    def passed_on(done: Future[Reply]) -> None:
        error = done.exception()
        if error is None:
            promise.set_result(done.result())
        else:
            promise.set_exception(error)

    reply.add_done_callback(passed_on)


def run(desk: Desk, *, until_idle: bool = False, console: bool = True) -> int:
    """Run the daemon on *desk* until it is told to stop; the exit code.

    Raises DeskhandError when the desk cannot be opened or must not be used any more.
    """
    _surroundings(desk)
    settings = config_file.load(desk, os.environ).settings or Settings()
    log = configure(settings.logs, desk.logs, console=console)
    bell = Bell()
    notices = Notices(settings.approval.notify, os.environ, log)
    control = Control(desk.socket, bell.ring, log)

    def notify(title: str, text: str) -> None:
        notices.show(title, text)

    code, runs = ExitCode.FAILED, None
    try:
        with open_desk(desk, log, ring=bell.ring, notify=notify) as session:
            runs = session.parts.runs
            _settle_memory()
            daemon = Daemon(session, bell, log, control)
            with _signals(daemon, bell):
                daemon.clockwork.start()
                try:
                    daemon.serve(until_idle=until_idle)
                    daemon.drain()
                except BaseException:
                    runs.hurry(GRACE)
                    raise
                finally:
                    daemon.clockwork.stop()
                    control.close()
                daemon.close("asked to" if daemon.stopped else "nothing left to do")
        code = ExitCode.OK
    except DeskhandError as error:
        code = error.exit_code
        log.error("the daemon ends", cause=error.sentence, hint=error.hint)
        raise
    except OSError as error:
        log.error("the daemon ends", cause=str(error))
        hint = "check the disk, then start again: what was recorded is recovered"
        raise StoreError("running the desk", str(error), path=desk.root, hint=hint) from error
    finally:
        notices.close()
        if runs is not None and runs.stuck:
            log.warning("a call to the system hangs; the process ends without waiting for it")
            _leave(code)
        bell.close()
    return code


def _leave(code: int) -> None:
    """End the process although a thread hangs: the interpreter would wait for it.  Log and lock are closed by now."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _surroundings(desk: Desk) -> None:
    """Make the best of how the process was started; ConfigError where that is not possible."""
    os.umask(os.umask(OTHERS) & OTHERS)
    os.chdir(desk.root)
    for number in range(3):  # a closed standard stream's number would go to the next file that is opened
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)
    names = sys.getfilesystemencoding()
    if names != "utf-8":
        hint = "set PYTHONUTF8=1, or a locale with UTF-8 such as LANG=C.UTF-8"
        raise ConfigError("starting the daemon", f"file names are {names} in this environment, not UTF-8", hint=hint)


def _settle_memory() -> None:
    """Let the collector of cycles leave alone what stays for good, and come by seldom: tasks make none."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)


@contextmanager
def _signals(daemon: Daemon, bell: Bell) -> Iterator[None]:
    numbers = [signal.SIGINT, signal.SIGTERM]
    before = {number: signal.signal(number, daemon.stop) for number in numbers}
    woken = signal.set_wakeup_fd(bell.wakeup_fd, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in before.items():
            signal.signal(number, handler)
