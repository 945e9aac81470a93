"""Gathering what reports say: from the log, its index, and the tasks as they stand now.

It writes nothing but the index.  Errors: IntegrityError and StoreError when the log cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo

import msgspec

from deskhand.core.calendar import Stretch
from deskhand.core.record import Record, parse_timestamp
from deskhand.core.signature import signature
from deskhand.core.state import ASKING, State
from deskhand.core.tally import HOUR, Fold, Moments, Tally
from deskhand.core.task import Task
from deskhand.core.uptime import Mark, Uptime, measure, runs
from deskhand.engine.view import View, look
from deskhand.errors import StoreError
from deskhand.operations import report_failure, report_performance, report_period, report_sla
from deskhand.operations.report_period import Failure, Waiting
from deskhand.store import audit_read
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.metrics_db import MetricsDb

BAD = (State.FAILED, State.QUARANTINED, State.LOST)
HELD_UP = frozenset({State.PARKED, State.BLOCKED})
OUTPUT = 8192
"""Bytes of a failed task's output that are shown."""


class _Marked(msgspec.Struct):
    ts: str
    type: str
    run: str


class _Recipe(msgspec.Struct):
    id: str
    version: int


class _Started(msgspec.Struct):
    task: str | None = None
    recipe: _Recipe | None = None


_marked = msgspec.json.Decoder(_Marked).decode
_started = msgspec.json.Decoder(_Started).decode


class Reporter:
    """Gathers facts about one desk at one moment."""

    def __init__(self, desk: Desk, name: str, now: float, zone: tzinfo, *, alive: bool) -> None:
        """*name*: what people call the desk; *alive*: whether a daemon answers now."""
        self._desk = desk
        self._name = name
        self._now = now
        self._zone = zone
        self._alive = alive

    def period(self, when: Stretch, title: str, standing: tuple[str, ...] = ()) -> report_period.Facts:
        """A day, a week or a month; *standing*: how the desk stands now, in sentences."""
        until = min(when.until, self._now)
        db = self._index()
        try:
            whole = db.between(when.since, until)
            beginning = db.beginning()
            known = beginning is not None and beginning < when.since
            before = db.between(2 * when.since - when.until, when.since - 1) if known else None
            parts = self._parts(db, when)
        finally:
            db.close()
        view = look(self._desk)
        days = when.until - when.since > 2 * 86_400
        return report_period.Facts(
            title=title,
            desk=self._name,
            since=when.since,
            until=until,
            whole=whole,
            before=before,
            labels=tuple(report_period.label(step, self._zone, days=days) for step in when.steps),
            parts=parts,
            uptime=self._uptime(when.since, until),
            failures=tuple(_kinds(view, view.ended_since(when.since, BAD), until)),
            waiting=tuple(_waiting(view, ASKING)),
            held_up=tuple(_waiting(view, HELD_UP)),
            standing=standing,
        )

    def sla(self, when: Stretch, title: str, target: float) -> report_sla.Facts:
        """How far the desk could be relied on; *target* in percent."""
        until = min(when.until, self._now)
        db = self._index()
        try:
            whole = db.between(when.since, until)
        finally:
            db.close()
        return report_sla.Facts(title, self._name, when.since, until, target, self._uptime(when.since, until), whole)

    def performance(self, when: Stretch, title: str) -> report_performance.Facts:
        """Recipe by recipe."""
        until = min(when.until, self._now)
        recipes: dict[str, str] = {}
        tallies: dict[str, Tally] = {}

        def counting(moment: float, key: str | None) -> tuple[Tally, ...]:
            recipe = recipes.get(key or "")
            if recipe is None or not when.since <= moment < until:
                return ()
            return (tallies.setdefault(recipe, Tally()),)

        fold = Fold(counting, dict[str, Moments]())
        for raw in self._lines(when.since):
            if b'"recipe":{' in raw:
                found = _started(raw)
                if found.task is not None and found.recipe is not None:
                    recipes[found.task] = found.recipe.id
            fold.take(raw)
        ran = {name: tally for name, tally in tallies.items() if tally.counts.get("attempts")}
        return report_performance.Facts(title, self._name, when.since, until, ran)

    def failure(self, key: str, view: View) -> report_failure.Facts | None:
        """One failed task; None when it did not fail."""
        task = view.task(key)
        if task is None or task.state not in BAD:
            return None
        own = _signature(task)
        alike = [other for other in view.ended_since(0.0, BAD) if _signature(other) == own]
        (kind,) = _kinds(view, alike, self._now)
        output, size = self._output(view, key)
        described = view.task_file(key)
        return report_failure.Facts(
            id=view.identifier(key),
            name=None if described is None else described.name,
            state=task.state,
            reason=task.reason or "",
            recipe="" if task.pin is None else f"{task.pin.id} version {task.pin.version}",
            attempts=task.attempt,
            steps=tuple(_step(record) for record in view.records(key)),
            output=output,
            output_bytes=size,
            alike=kind,
        )

    # -- gathering -----------------------------------------------------------------------------------------------

    def _index(self) -> MetricsDb:
        db = MetricsDb.open(Files(), self._desk)
        try:
            db.catch_up(self._desk.audit, self._now)
        except (OSError, ValueError) as error:
            db.close()
            raise _unreadable(self._desk, error) from error
        return db

    def _lines(self, moment: float) -> Iterator[bytes]:
        try:
            yield from audit_read.since(self._desk.audit, moment)
        except OSError as error:
            raise _unreadable(self._desk, error) from error

    def _parts(self, db: MetricsDb, when: Stretch) -> tuple[Tally | None, ...]:
        beginning = db.beginning()
        ends = (*when.steps[1:], when.until)
        known = [
            beginning is not None and end > beginning and step < self._now
            for step, end in zip(when.steps, ends, strict=True)
        ]
        parts = [Tally() if is_known else None for is_known in known]
        for start, tally in db.stretches(when.since, when.until - 1, HOUR):
            at = next((n for n, end in enumerate(ends) if start + HOUR / 2 < end), None)
            part = None if at is None else parts[at]
            if part is not None:
                part.add(tally)
        return tuple(parts)

    def _uptime(self, since: float, until: float) -> Uptime:
        def marks() -> Iterator[Mark]:
            for raw in self._lines(since):
                found = _marked(raw)
                yield Mark(parse_timestamp(found.ts), found.type, found.run)

        return measure(runs(marks()), since, until, alive=self._alive and until >= self._now)

    def _output(self, view: View, key: str) -> tuple[str, int]:
        """The end of what a task's attempts printed, and how many bytes there are in all."""
        place = view.place(key)
        path = None if place is None else place.folder / f"{place.id}.log"
        if path is None or path.is_symlink() or not path.is_file():
            return "", 0
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - OUTPUT))
            return stream.read(OUTPUT).decode("utf-8", "replace"), size


def _signature(task: Task) -> str:
    return signature(None if task.pin is None else task.pin.id, task.reason)


def _kinds(view: View, tasks: list[Task], until: float) -> Iterator[Failure]:
    """Failures by what they have in common, the most frequent first."""
    groups: dict[str, list[Task]] = {}
    for task in tasks:
        if task.since <= until:
            groups.setdefault(_signature(task), []).append(task)
    for mark, alike in sorted(groups.items(), key=lambda group: (-len(group[1]), group[0])):
        newest = max(alike, key=lambda task: task.since)
        yield Failure(
            signature=mark,
            recipe="" if newest.pin is None else newest.pin.id,
            reason=newest.reason or "",
            count=len(alike),
            first=min(task.since for task in alike),
            last=newest.since,
            id=view.identifier(newest.key),
        )


def _waiting(view: View, states: frozenset[State]) -> Iterator[Waiting]:
    for task in sorted(view.unfinished.having(states), key=lambda task: (task.since, task.seq)):
        yield Waiting(view.identifier(task.key), view.reason(task) or str(task.state), task.since)


def _step(record: Record) -> report_failure.Step:
    said = record.fields.get("reason")
    extra = "" if record.fields.get("exit") is None else f"exit code {record.fields['exit']}"
    text = "; ".join(part for part in (str(said) if said else "", extra) if part)
    return report_failure.Step(record.ts, record.type.removeprefix("task."), text)


def _unreadable(desk: Desk, error: Exception) -> StoreError:
    hint = "deskhand audit verify names what is wrong"
    return StoreError("counting what the log says", str(error), path=desk.audit, hint=hint)
