"""What the records of checklists and schedules are for: begun in one life of a desk, gone on with in the next."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from deskhand.core.routine import STARTED
from deskhand.engine import assemble
from deskhand.engine.assemble import Session, open_desk
from deskhand.engine.bell import Bell
from deskhand.engine.commands import Command, Commands
from deskhand.engine.cron import Cron
from deskhand.handlers.attempt import Attempt, Ended
from deskhand.testing.clock import FakeClock
from deskhand.testing.log import MemoryLog
from tests.support import invariants
from tests.support.crash import TURNS, Table
from tests.support.forks import in_child
from tests.support.scenario import PERSON, Instant, Scenario
from tests.support.scenarios import MIDNIGHT

HOUR = 3600.0
EMPTY = Scenario("nothing is dropped", {}, {})
ASKS = "{id: one, manual: 'One?'}", "{id: two, manual: 'Two?'}"
RUNS = ("{id: go, run: [go]}",)


class Life:
    """An open desk, in a process of its own."""

    def __init__(self, opened: Session, clock: FakeClock) -> None:
        self.engine = opened.engine
        self._desk = opened.desk
        self._clock = clock
        self._commands = Commands(opened.engine)

    def rest(self) -> None:
        """Until nothing is left to do."""
        self.engine.scan_everything()
        self.engine.tick()
        for _ in range(TURNS):
            if self.engine.idle:
                return
            Event().wait(0.01)  # chores are at work
            self.engine.tick()
        raise AssertionError("it does not come to rest")

    def do(self, verb: str, **arguments: Any) -> None:
        """A command, and what follows from it."""
        self._commands.carry_out(Command(verb, PERSON, arguments), self._clock.wall())
        self.rest()

    def bless(self) -> None:
        """Let the checklist's programs run."""
        data = (self._desk.vault / "checklists" / "round.yaml").read_bytes()
        self.do("checklist_bless", checklist="round", sha256=hashlib.sha256(data).hexdigest())

    def run(self) -> None:
        """Begin the checklist."""
        self.do("checklist_run", checklist="round")

    def asked(self) -> list[str]:
        """Steps that wait for an answer."""
        return [step.id for _, step in self.engine.routines.checklists.asked()]


def life(table: Table, hour: float, do: Callable[[Life], object]) -> None:
    """One life of the desk, at that hour."""

    def live() -> None:
        clock, bell = FakeClock(MIDNIGHT - 24 * HOUR + hour * HOUR), Bell()
        with open_desk(table.desk, MemoryLog(), ring=bell.ring, watch=False, clock=clock) as opened:
            lived = Life(opened, clock)
            lived.rest()
            do(lived)
        bell.close()

    code, said = in_child(live)
    assert code == 0, said


def _with(table: Table, *steps: str) -> None:
    """A desk whose only checklist has these steps."""
    table.reset(EMPTY)
    folder = table.desk.vault / "checklists"
    body = "".join(f"  - {step}\n" for step in steps)
    (folder / "round.yaml").write_text(f"schema: 1\ntitle: a round\npurpose: a test\nsteps:\n{body}")
    (table.desk.root / "out").mkdir(exist_ok=True)  # where `Instant` puts what it makes


def begun(table: Table) -> None:
    """A run that asks something; the machine starts again."""
    _with(table, *ASKS)
    life(table, 1, Life.run)

    def look(again: Life) -> None:
        assert again.asked() == ["one", "two"], "what was asked is asked no more"

    life(table, 2, look)


def signed(table: Table) -> None:
    """One of two questions is answered, and somebody removes the note; the machine starts again."""
    _with(table, *ASKS)

    def answer(first: Life) -> None:
        first.run()
        first.do("checklist_sign", checklist="round", step="one")
        assert first.asked() == ["two"]

    life(table, 1, answer)
    (note,) = (table.desk.vault / "_deskhand" / "checklists").glob("*.md")
    note.unlink()  # it has the answer as well, and would be asked

    def look(again: Life) -> None:
        assert again.asked() == ["two"], "what was answered is asked again"

    life(table, 2, look)


class Ending(Instant):
    """The daemon is killed when the program has run."""

    def submit(self, attempt: Attempt, on_end: Callable[[Ended], None]) -> None:
        """Run it."""
        super().submit(attempt, lambda ended: None)
        os._exit(0)


def stepped(table: Table) -> None:
    """A program has run, and its daemon was killed at that moment; the machine starts again."""
    _with(table, *RUNS)
    life(table, 1, Life.bless)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assemble, "Spawner", Ending)
        life(table, 2, Life.run)
    life(table, 3, Life.rest)
    assert sum(_counted().values()) == 1, "it ran twice"


def _counted() -> dict[str, int]:
    return {path.name: path.stat().st_size for path in Path(Instant.runs).iterdir()}


def blessed(table: Table) -> None:
    """The programs of a checklist may run; the machine starts again."""
    _with(table, *RUNS)
    life(table, 1, Life.bless)
    life(table, 2, Life.run)
    assert sum(_counted().values()) == 1, "what a person allowed is not done"


def came_with(table: Table) -> None:
    """A new desk that somebody paused; the machine starts again."""
    table.reset(EMPTY)
    for folder in (table.desk.audit, table.root / "state"):
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
    life(table, 1, lambda first: first.do("pause"))

    def look(again: Life) -> None:
        assert again.engine.ledger.book.routine.blessed, "what came with it may not run any more"

    life(table, 2, look)


def handled(table: Table) -> None:
    """Something is done every day at nine; at nine the machine is off."""
    _with(table, *ASKS)
    done = table.root / "outside" / "done"

    def daily(lived: Life) -> None:
        cron = Cron("0 9 * * *", UTC)
        lived.engine.routines.planner.add_chore("daily", cron, lambda: done.write_text(done.read_text() + "x"))
        lived.rest()

    done.write_text("")
    for hour, times in ((8, 0), (10, 1), (11, 1)):
        life(table, hour, daily)
        assert len(done.read_text()) == times, f"done {len(done.read_text())} times until {hour}, not {times}"
    results = [record.fields["result"] for record in invariants.read(table.desk) if record.type == "schedule.handled"]
    assert STARTED in results
