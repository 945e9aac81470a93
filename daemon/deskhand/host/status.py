"""Keeping the vault's status note up to date: at most once a second, and only when something changed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

from deskhand import __version__
from deskhand.core.checklist import Manual
from deskhand.core.dependency import Waits
from deskhand.core.health import Verdict
from deskhand.core.log import Log
from deskhand.core.names import visible
from deskhand.core.routine import missed
from deskhand.core.state import ASKING, State
from deskhand.core.task import Task
from deskhand.core.tasks import Tasks
from deskhand.engine.assemble import Session
from deskhand.engine.effects import Ended
from deskhand.engine.self_look import SelfLook
from deskhand.errors import StoreError
from deskhand.operations.status_note import (
    LINES_MAX,
    Asked,
    Line,
    Question,
    Round,
    Stalled,
    StatusFacts,
    Unwell,
    render,
)
from deskhand.store import task_files
from deskhand.store.files import Files
from deskhand.store.vault import Vault

HELD_UP = frozenset({State.PARKED, State.BLOCKED})
PAUSE = 1.0
"""Seconds between two writes."""


class StatusWriter:
    """Writes ``vault/_deskhand/status.md`` for one run of the daemon."""

    def __init__(self, session: Session, log: Log, look: SelfLook | None = None) -> None:
        """*look*: the daemon's at itself, when there is one."""
        self._session = session
        self._look = look
        self._log = log
        self._vault = Vault(Files(), session.desk)
        self._since = session.clock.wall()
        self._written = -math.inf
        self._seen: object = None

    def due(self) -> float:
        """Seconds until it wants to write; infinite when nothing changed."""
        if self._state() == self._seen:
            return math.inf
        return max(0.0, self._left())

    def _left(self) -> float:
        return self._written + PAUSE - self._mono()

    def write(self, *, busy: bool = False, stopped: bool = False) -> None:
        """Write the note if it is due, or at the end.  While tasks go on *busy*-ly it may wait as long again."""
        if not stopped and (self.due() > 0 or (busy and self._left() > -PAUSE)):
            return
        self._seen, self._written = self._state(), self._mono()
        try:
            self._vault.write_status(render(self._facts(stopped=stopped), datetime.now().astimezone().tzinfo or UTC))
        except StoreError as error:
            self._log.warning("the status note cannot be written", cause=error.sentence)

    def _mono(self) -> float:
        return self._session.clock.monotonic_ns() / 1e9

    def _state(self) -> object:
        """Changes whenever the note would."""
        routines = self._session.engine.routines
        window = routines.maintenance.at(self._session.clock.wall())
        stalled = tuple(self._session.parts.intake.stalled())
        bad = () if self._look is None else self._look.bad
        return self._session.audit.head.seq, stalled, routines.problems, window, bad

    def _facts(self, *, stopped: bool) -> StatusFacts:
        engine, parts = self._session.engine, self._session.parts
        tasks = parts.ledger.tasks
        status = engine.status()
        problems = []
        if status["stuck"]:
            problems.append("the audit log cannot be written: everything waits")
        if status["watching"] != "events":
            problems.append(f"folders are watched by scanning only ({status['watching']})")
        if status["clock_unconfirmed"]:
            problems.append("the clock jumped by more than a day: nothing expires until `deskhand resume`")
        return StatusFacts(
            desk=self._session.settings.name,
            version=__version__,
            up_since=None if stopped else self._since,
            paused=None if status["paused"] == "no" else str(status["paused"]),
            counts={State(name): number for name, number in status["states"].items()},
            waiting=tuple(self._asked(task) for task in first(tasks, ASKING)),
            failed=tuple(self._over(entry, "failed") for entry in parts.effects.failed),
            parked=tuple(self._line(task) for task in first(tasks, HELD_UP)),
            stalled=tuple(
                Stalled(name=visible(entry.name), inbox=entry.inbox, since=entry.since)
                for entry in parts.intake.stalled()
            ),
            completed=tuple(self._over(entry, "completed") for entry in parts.effects.completed),
            problems=(*problems, *engine.routines.problems),
            maintenance=self._maintenance(),
            questions=tuple(
                Question(run.checklist, step.id, step.what.question, run.at + step.due, run.note)
                for run, step in engine.routines.checklists.asked()
                if isinstance(step.what, Manual)
            ),
            rounds=tuple(self._rounds()),
            health=tuple(
                Unwell(check.name, check.verdict, check.sentence)
                for check in (() if self._look is None or stopped else self._look.checks)
                if check.verdict is not Verdict.OK
            ),
            incidents=tuple(
                Line(id=each.id, name=each.title, at=each.opened, recipe=each.severity)
                for each in parts.ledger.book.condition.incidents.values()
            ),
        )

    def _maintenance(self) -> str | None:
        routines = self._session.engine.routines
        window = routines.maintenance.at(self._session.clock.wall())
        if window is None:
            return None
        return f"{window.reason}, until {datetime.fromtimestamp(window.until, routines.zone):%Y-%m-%d %H:%M}"

    def _rounds(self) -> Iterator[Round]:
        """How each checklist went last, or that its time was missed."""
        routine = self._session.parts.ledger.book.routine
        for name in sorted({*routine.finished, *routine.blessed}):
            last, late = routine.finished.get(name), missed(routine, name)
            if late is not None and (last is None or late > last.at):
                yield Round(name, "missed", late)
            elif last is not None:
                yield Round(name, last.state, last.at, last.note)

    def _name(self, task: Task) -> str:
        identifier = self._session.parts.placement.identifier(task.key)
        found = task_files.peek(self._session.desk.folder(task.folder) / f"{identifier}.task.json")
        return identifier if found is None else found.name

    def _over(self, entry: Ended, folder: str) -> Line:
        found = task_files.peek(self._session.desk.folder(folder) / f"{entry.id}.task.json")
        name = entry.id if found is None else found.name
        return Line(id=entry.id, name=name, at=entry.at, recipe=entry.recipe, reason=entry.reason)

    def _asked(self, task: Task) -> Asked:
        return Asked(
            id=self._session.parts.placement.identifier(task.key),
            name=self._name(task),
            recipe="" if task.pin is None else task.pin.id,
            why=task.reason or "",
            since=task.since,
            expires=task.expires,
            in_doubt=task.state is State.IN_DOUBT,
        )

    def _line(self, task: Task) -> Line:
        return Line(
            id=self._session.parts.placement.identifier(task.key),
            name=self._name(task),
            at=task.since,
            recipe="" if task.pin is None else task.pin.id,
            reason=self._reason(task),
        )

    def _reason(self, task: Task) -> str:
        """For one that waits for others, as those stand now."""
        ledger = self._session.parts.ledger
        if task.state is State.BLOCKED:
            return Waits(ledger.tasks.values()).why(task, ledger.book.labels, ledger.final_state) or task.reason or ""
        return task.reason or ""


def first(tasks: Tasks, states: frozenset[State]) -> Iterator[Task]:
    """The oldest tasks in *states*, one more than the note shows."""
    return islice(tasks.having(states), LINES_MAX + 1)
