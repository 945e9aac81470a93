"""A desk that is driven tick by tick, killed at any call that changes the disk, and opened again.

Each life of the desk is a forked process: a crash is ``os._exit`` in the middle of the call, in whichever thread makes
it, so no ``except``, ``finally`` or lock is tidied up that a real SIGKILL would not tidy up.  Nothing that was written
is lost (that is the lossy disk's matter), so syncs are counted but not made.  Time is a fake clock; what runs is a
function instead of a process, which counts how often it ran.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest

from deskhand.core.state import State
from deskhand.core.step import CUT_ATTEMPTS
from deskhand.core.task import Options
from deskhand.engine import assemble
from deskhand.engine.assemble import Session, open_desk
from deskhand.engine.bell import Bell
from deskhand.errors import DeskhandError
from deskhand.store import task_files, together
from deskhand.store.accept import BASE32
from deskhand.store.desk import Desk
from deskhand.store.drop_file import submit
from deskhand.store.files import TROUBLE, Files, FsyncError
from deskhand.testing.clock import FakeClock
from deskhand.testing.log import MemoryLog
from deskhand.testing.lossy_files import LossyFiles
from tests.support import invariants
from tests.support.crash_files import CRASHED, CrashFiles, CutFiles, KillFiles
from tests.support.forks import in_child
from tests.support.scenario import Instant, Person, Scenario
from tests.support.scenarios import furnish

ENDED = 78
"""Exit status of a process that gave up because of an error, as it may."""
ONCE = "once"
"""Recipe of which every repetition needs a person's word."""
TURNS = 600
"""Ticks until a scenario that does not end has failed."""
LIFETIME = 3600.0
"""Seconds of fake time that lie between two lives of a desk."""


def let_time_pass(session: Session, clock: FakeClock) -> None:
    """Until something is due, and ask for a full scan, as the clockwork does."""
    engine, interval = session.engine, session.settings.scan_interval
    due = engine.next_time()
    seconds = min(engine.next_wake(), interval, interval if due is None else due - clock.wall())
    clock.advance(max(seconds, 0.05))
    engine.scan_everything()


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
        self._patch.setattr(together, "_reports", lambda folder: scenario.together)
        self._patch.setattr(together, "ALONE", 0)  # a scenario has few drops
        Instant.runs = self.root / "runs"
        Instant.plan = scenario.plan
        self.drop(scenario, scenario.drops)

    def drop(self, scenario: Scenario, drops: Mapping[str, bytes]) -> None:
        """Somebody drops files."""
        for number, (name, data) in enumerate(sorted(drops.items())):
            source = self.outside / f"{number}-{Path(name).name}"
            source.write_bytes(data)
            if scenario.handed:
                options = Options(recipe=Path(name).parent.name)
                now, suffix = scenario.start or time.time(), f"aaaaa{BASE32[number]}"
                submit(Files(), self.desk, source, options, now=now, suffix=suffix, limit=1 << 20, name=Path(name).name)
                continue
            target = self.desk.inbox / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if scenario.linked:
                os.link(source, target)
            else:
                source.rename(target)

    # -- one life ----------------------------------------------------------------------------------------------

    def live(self, scenario: Scenario, files: Files, life: int = 0) -> MemoryLog:
        """Open the desk, work until the scenario is over, close it.  Call it in a process of its own."""
        start = scenario.start or time.time()
        clock = FakeClock(start + life * LIFETIME)
        log, bell = MemoryLog(), Bell()
        Instant.disk = files if isinstance(files, LossyFiles) else None
        with open_desk(self.desk, log, ring=bell.ring, watch=False, files=files, clock=clock) as session:
            if isinstance(files, CrashFiles):
                files.opened = len(files.calls)
            person = Person(scenario, session, start, partial(self.drop, scenario))
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

    def check(self, scenario: Scenario, *, tidy: bool = True, error: int | None = None, lives: int = 1) -> None:
        """I1-I7, and that every drop came to exactly the end it should have.

        *tidy*: nothing temporary is left, and no source that was copied.  After an *error* that speaks about the path
        (not about the disk) a task may have failed; that is an end, too.  So is what a task comes to that was cut off
        in as many *lives* before this one as it has attempts.
        """
        refused = error is not None and error not in TROUBLE
        may_fail = refused or lives >= CUT_ATTEMPTS
        tasks = {task.key: task for task in invariants.check(self.desk.root, runs=Instant.counted(), stopped=tidy)}
        names = Counter[str]()
        for path in self.desk.queue.rglob("*.task.json"):
            described = task_files.peek(path)
            assert described is not None, f"{path.name} is damaged"
            names[described.name] += 1
            task = next(task for key, task in tasks.items() if path.name.endswith(f"{key[-6:]}.task.json"))
            if not (may_fail and task.state is State.FAILED):
                assert task.state in scenario.ends[described.name], f"{described.name} is {task.state}: {task.reason}"
            elif not refused:
                assert task.attempt >= CUT_ATTEMPTS, f"{described.name} failed at attempt {task.attempt}: {task.reason}"
            assert not task.undelivered, f"{described.name} was not delivered"
        assert names == Counter(dict.fromkeys(scenario.ends, 1)), f"not one task for each drop: {names}"
        assert len(tasks) == len(names), f"{len(tasks)} tasks are on record for {names}"
        for glob, (data, least, most) in scenario.delivered.items():
            found = sorted(self.desk.root.glob(glob))
            assert least <= len(found) <= most or may_fail, f"{glob}: {found}"
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
        assert not left or not tidy, f"left in the inbox: {left}"

    # -- lives in processes of their own -------------------------------------------------------------------------

    def crash(self, scenario: Scenario, at: int, life: int = 0) -> bool:
        """Live and end at call number *at*; False when it was over before."""
        code, said = in_child(lambda: self.live(scenario, CrashFiles(at), life))
        assert code in (0, CRASHED), f"{scenario.name}, life {life}, crash at call {at}: {said}"
        return code == CRASHED

    def kill(self, scenario: Scenario, when: Callable[[str, str], bool], life: int = 0) -> bool:
        """Live and end at the first call for which *when* holds; False when it was over before."""
        code, said = in_child(lambda: self.live(scenario, KillFiles(when), life))
        assert code in (0, CRASHED), f"{scenario.name}, life {life}: {said}"
        return code == CRASHED

    def cut(
        self,
        scenario: Scenario,
        when: Callable[[str, str], bool],
        *,
        unsynced: bool = False,
        life: int = 0,
        lose: Callable[[], bool] = lambda: True,
    ) -> bool:
        """Live until the power is cut; False when it was over before.

        *unsynced*: whoever dropped did not sync.  *lose*: which of the changes that were not synced are lost.
        """

        def dark() -> None:
            files = CutFiles(when, lose)
            if unsynced:
                for path in self.desk.inbox.rglob("*.txt"):
                    files.unsynced(path)
            self.live(scenario, files, life)

        code, said = in_child(dark)
        assert code in (0, CRASHED), f"{scenario.name}: {said}"
        return code == CRASHED

    def fail(self, scenario: Scenario, at: int, error: int, until: int | None = None, *, life: int = 0) -> bool:
        """Live with calls that fail with *error*; True when all was done nevertheless, False when it had to end.

        Only a failed sync may end a desk that is open; a desk that is being opened may refuse.
        """

        def failing() -> int:
            files = CrashFiles(at, error, until=until)
            try:
                self.live(scenario, files, life)
            except FsyncError:
                hit = files.calls[at - 1 : files.until]
                assert any(call.startswith(("fsync", "fdatasync", "syncfs")) for call in hit), f"no sync failed: {hit}"
                return ENDED
            except (DeskhandError, OSError):
                if files.opened:
                    raise
                return ENDED
            self.check(scenario, tidy=False, error=error)  # what cannot be removed now is removed at the next start
            return 0

        code, said = in_child(failing)
        assert code in (0, ENDED), f"{scenario.name}, {errno.errorcode[error]} at call {at} (to {until}): {said}"
        return code == 0

    def recover(self, scenario: Scenario, what: str, life: int = 1, error: int | None = None) -> None:
        """Live on a healthy disk to the end, and check; *error*: what happened before, see :meth:`check`."""

        def rest() -> None:
            self.live(scenario, CrashFiles(), life)
            self.check(scenario, error=error, lives=life)

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


def tables_for(places: pytest.TempPathFactory, patch: pytest.MonkeyPatch) -> list[Table]:
    """Desks with the recipes of the scenarios, one per core."""
    return [Table(places.mktemp("crash"), furnish, patch) for _ in range(min(4, os.cpu_count() or 1))]
