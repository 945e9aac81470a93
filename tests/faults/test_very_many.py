"""Rows 59 and 63, with the engine itself: 100,000 tasks that are due at one instant, 100,000 files in one folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import psutil
import pytest

from deskhand.core.recipe import Pin
from deskhand.core.state import State
from deskhand.core.task import Options
from deskhand.engine import assemble
from deskhand.engine.assemble import Session, open_desk
from deskhand.engine.bell import Bell
from deskhand.handlers.attempt import Attempt, Ended, Reason
from deskhand.store.desk import Desk
from deskhand.store.drop_file import submit
from deskhand.store.files import Files
from deskhand.testing.clock import FakeClock
from deskhand.testing.log import MemoryLog
from tests.support import invariants
from tests.support.backlog import Unsynced, linked, ready
from tests.support.fault_desk import FaultBench

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]
MANY = 100_000
WORKERS = 4
LONGEST_TICK = 0.5
"""Seconds of the processor that a tick may take."""
LONGEST_LOOK = 3.0
"""The same for one that holds the state folders against all 100,000 tasks, as the full scan does."""
GROWTH = 150 * 1000 * 1000
"""Bytes of memory that work on a backlog may take on top of what its waiting takes."""


class Held:
    """In place of the spawner: what is begun ends when the test lets it."""

    running: dict[str, Callable[[Ended], None]]
    most: int
    alive = True

    def __init__(self, log_id: str, run: str) -> None:
        """As the real one."""

    def start(self) -> None:
        """Nothing to start."""

    def submit(self, attempt: Attempt, on_end: Callable[[Ended], None]) -> None:
        """It runs from now on."""
        Held.running[attempt.key] = on_end
        Held.most = max(Held.most, len(Held.running))

    @classmethod
    def let_go(cls) -> None:
        """All that runs has worked."""
        ended, cls.running = cls.running, {}
        for on_end in ended.values():
            on_end(Ended(exit=0))

    def together(self) -> AbstractContextManager[None]:
        """Nothing is handed over."""
        return nullcontext()

    def kill(self, key: str, reason: Reason, *, force: bool = False) -> None:
        """Not needed."""

    def close(self) -> None:
        """What runs was cut off."""
        ended, Held.running = Held.running, {}
        for on_end in ended.values():
            on_end(Ended(cut="drain"))


class Ticks:
    """Ticks, and how long the longest took."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.longest = 0.0
        self.count = 0

    def tick(self) -> None:
        """One."""
        start = time.thread_time()  # what others do on the machine meanwhile is not the tick's fault
        self._session.engine.tick()
        self.longest = max(self.longest, time.thread_time() - start)
        self.count += 1


def memory() -> int:
    """Bytes of this process that are in memory."""
    return int(psutil.Process().memory_info().rss)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk with a recipe for programs."""
    monkeypatch.setattr(assemble, "Spawner", Held)
    Held.running, Held.most = {}, 0
    bench = FaultBench(tmp_path, f"run:\n  workers: {WORKERS}\n")
    bench.bless("job", "command", argv=["job"], idempotent=True)
    return bench.desk


def pin_of(desk: Desk, identifier: str) -> Pin:
    """The blessed version of a recipe."""
    with open_desk(desk, MemoryLog(), ring=lambda: None, watch=False, work=False) as session:
        return next(pin for pin in session.engine.ledger.book.pins if pin.id == identifier)


def test_f59_100000_due_at_one_instant_run_a_few_at_a_time(desk: Desk) -> None:
    due = time.time() + 3600
    clock, bell = FakeClock(due - 60), Bell()
    ready(desk, clock, pin_of(desk, "job"), MANY, not_before=due)
    with open_desk(desk, MemoryLog(), ring=bell.ring, watch=False, clock=clock, files=Unsynced()) as session:
        ticks = Ticks(session)
        ticks.tick()
        assert (Held.most, session.engine.next_time()) == (0, due), "none early, one wake-up for all of them"
        assert len(session.engine.ledger.tasks) == MANY
        before = memory()
        clock.advance(61)
        ended = 0
        late = ""
        while ended < 400:
            ticks.tick()
            assert ticks.count < 4000, "nothing is going on any more"
            if ended > 100 and not late:
                late = dropped(desk, clock)
                session.engine.scan_everything()
            ended += len(Held.running)
            Held.let_go()
            bell.wait(0.01)
        assert late[:15] + late[-7:] in session.engine.ledger.tasks, "what comes meanwhile is taken meanwhile"
        states = [task.state for task in session.engine.ledger.tasks.values()]
        assert states.count(State.STARTED) <= 2 * WORKERS
        assert Held.most <= WORKERS, "bounded concurrency"
        grown = memory() - before
        print(f"longest of {ticks.count} ticks {ticks.longest:.3f} s, {grown / 1e6:.0f} MB more")
        assert ticks.longest < LONGEST_LOOK
        assert grown < GROWTH
    bell.close()
    started = [record for record in invariants.read(desk) if record.type == "task.started"]
    assert len({record.fields["task"] for record in started}) == len(started), "none twice"


def dropped(desk: Desk, clock: FakeClock) -> str:
    """The id of a drop that comes now."""
    source = desk.root.parent / "late.txt"
    source.write_text("late\n")
    return submit(Files(), desk, source, Options(), now=clock.wall(), suffix="zzzzzz", limit=1 << 20)


@pytest.mark.parametrize("name", ["{:06}.txt", "{:06}.part"], ids=["waiting", "ignored"])
def test_f63_100000_files_in_one_folder_are_streamed_in_short_ticks(desk: Desk, name: str) -> None:
    linked(desk.inbox, map(name.format, range(MANY)), b"x")
    clock, bell = FakeClock(time.time()), Bell()
    with open_desk(desk, MemoryLog(), ring=bell.ring, watch=False, clock=clock, files=Unsynced()) as session:
        before = memory()
        ticks = Ticks(session)
        for _ in range(2):
            session.engine.scan_everything()
            ticks.tick()
            while not session.parts.intake.idle and session.engine.next_wake() == 0:
                ticks.tick()
        late = dropped(desk, clock)
        session.engine.scan_everything()
        end = time.monotonic() + 60
        while session.engine.ledger.outcomes.get(late[:15] + late[-7:]) is None:
            ticks.tick()
            bell.wait(0.01)
            assert time.monotonic() < end, "what was handed in meanwhile is not done"
        grown = memory() - before
        print(f"longest of {ticks.count} ticks {ticks.longest:.3f} s, {grown / 1e6:.0f} MB more")
        assert ticks.longest < LONGEST_TICK
        assert grown < GROWTH
    bell.close()
