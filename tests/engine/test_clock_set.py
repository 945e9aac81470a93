"""The wall clock is set while tasks wait, and what is due by it is asked of the clockwork."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from deskhand.core.record import Actor, Record
from deskhand.core.state import State
from deskhand.engine.assemble import open_desk
from deskhand.engine.bell import Bell
from deskhand.engine.clock import SystemClock
from deskhand.engine.commands import Command, Commands
from deskhand.engine.ledger import Book
from deskhand.host.found import init
from deskhand.store.desk import Desk
from deskhand.testing.clock import FakeClock
from deskhand.testing.log import MemoryLog
from tests.support.desk import recipe
from tests.support.inside import Inside, inside

YEARS = 10 * 365 * 86_400.0
PERSON = Actor(kind="person", via="command")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A fresh desk."""
    init(tmp_path / "desk")
    shutil.rmtree(tmp_path / "desk/vault/checklists")  # nothing else is due
    return tmp_path / "desk"


def asked(desk: Inside) -> str:
    """The key of a task that waits for a yes."""
    desk.bless(recipe("ask", "keep", approval="required"), "ask")
    key = desk.drop(recipe="ask")
    desk.until_state(key, State.WAITING)
    return key


def clock_step(confirmed: bool) -> Record:
    """The record of one."""
    return Record("", 1, 0.0, "log.clock_step", {"confirmed": confirmed}, "run", 0)


def test_a_small_step_confirms_no_large_one() -> None:
    book = Book()
    book.take(clock_step(False))
    book.take(clock_step(True))
    assert book.clock_unconfirmed
    book.take(Record("", 2, 0.0, "desk.resumed", {}, "run", 0))
    assert not book.clock_unconfirmed


def test_a_yes_counts_while_nothing_expires(root: Path) -> None:
    with inside(root) as desk:
        key = asked(desk)
    clock = FakeClock(time.time())
    with open_desk(Desk(root), MemoryLog(), ring=lambda: None, watch=False, clock=clock) as session:
        session.engine.tick()
        clock.step(YEARS)
        session.engine.tick()
        task = session.engine.ledger.tasks[key]
        assert session.engine.ledger.book.clock_unconfirmed and task.state is State.WAITING
        said = {"key": key, "digest": task.digest}
        reply = Commands(session.engine).carry_out(Command("approve", PERSON, said), clock.wall())
        assert isinstance(reply, dict) and reply["state"] == State.APPROVED


def test_a_question_expires_when_the_clockwork_rings_for_it(root: Path) -> None:
    with inside(root) as desk:
        key = asked(desk)
    clock = FakeClock(time.time())
    with open_desk(Desk(root), MemoryLog(), ring=lambda: None, watch=False, clock=clock) as session:
        session.engine.tick()
        expires = session.engine.ledger.tasks[key].expires
        assert expires is not None
        assert session.engine.next_time() == expires
        assert session.engine.next_wake() > 60
        clock.advance(expires - clock.wall())
        session.engine.tick()
        session.engine.tick()
        assert session.engine.ledger.outcomes[key] == State.EXPIRED
        assert session.engine.next_time() is None


def test_a_pause_does_not_last_until_the_clock_is_there_again(root: Path) -> None:
    with inside(root) as desk:
        retry = {"attempts": 3, "backoff": "10m"}
        desk.bless(recipe("fails", "command", argv=["false"], idempotent=True, retry=retry), "fails")
        key = desk.drop(recipe="fails")
        desk.until_state(key, State.RETRY)
        task = desk.task(key)
    assert task is not None
    clock, bell = FakeClock(task.since + 1), Bell()
    with open_desk(Desk(root), MemoryLog(), ring=bell.ring, watch=False, clock=clock) as session:
        session.engine.tick()
        assert session.engine.next_time() == task.next_at
        clock.step(-YEARS)
        session.engine.tick()
        due = session.engine.next_time()
        assert due is not None
        assert due == pytest.approx(clock.wall() + task.next_at - task.since, abs=1)
        clock.advance(due - clock.wall() + 1)
        session.engine.tick()
        assert session.engine.ledger.tasks[key].state is State.STARTED
        while session.parts.runs.busy:
            assert bell.wait(10)
            session.engine.tick()
        assert session.engine.ledger.tasks[key].attempt == 2
    bell.close()


def test_what_was_due_already_is_not_asked_for_again(root: Path) -> None:
    """It waits for a worker; ringing for it would never end."""
    with inside(root) as desk:
        later = time.time() + 3600
        key = desk.drop(not_before=later)
        desk.until_state(key, State.READY)
        assert desk.engine.next_time() == later
        desk.engine._looked_at = later
        assert desk.engine.next_time() is None


def test_time_asleep_is_no_step_of_the_clock() -> None:
    if hasattr(time, "CLOCK_BOOTTIME"):
        before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        now = SystemClock().monotonic_ns()
        assert before <= now <= time.clock_gettime_ns(time.CLOCK_BOOTTIME)
