"""Measuring the named facts of ``core.fact``: the one place that knows how each of them is had.

Two steps, because the deciding thread never waits: it takes a :class:`Snapshot` of what it knows, and whoever needs
facts asks :class:`Facts` for them in a thread of its own, where reading the disk may take its time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from functools import partial
from types import MappingProxyType

from msgspec import Struct

from deskhand.core.fact import FACTS, Fact
from deskhand.core.routine import STARTED
from deskhand.core.state import ASKING, STARTABLE, State
from deskhand.engine.ledger import counts
from deskhand.engine.parts import Parts
from deskhand.engine.view import look
from deskhand.store import audit_read
from deskhand.store.audit_verify import verify
from deskhand.store.desk import Desk

OVERDUE = 60.0
"""Seconds beyond its timeout after which an attempt counts as overdue."""
FAILED = (State.FAILED, State.QUARANTINED, State.LOST)


class Snapshot(Struct, frozen=True):
    """What the deciding thread knows at one moment."""

    now: float
    """Epoch seconds."""
    counts: Mapping[str, int]
    oldest_pending: float | None
    """Epoch seconds since when the oldest startable task may be started."""
    oldest_asked: float | None
    overdue: int
    stalled: int
    paused: str
    watching: str
    clock_confirmed: bool
    lag_s: float | None
    """Lateness of the last scheduled work; None: there was none."""
    good: Mapping[str, float]
    """See ``core.routine``."""


def snapshot(parts: Parts, now: float) -> Snapshot:
    """What is known right now.  For the deciding thread; reads no disk."""
    book, tasks = parts.ledger.book, parts.ledger.tasks
    begun = [each for each in book.routine.schedules.values() if each.result in (STARTED, "ok", "failed")]
    return Snapshot(
        now=now,
        counts=counts(tasks),
        oldest_pending=min(
            (max(t.since, t.next_at) for t in tasks.having(STARTABLE) if t.next_at <= now), default=None
        ),
        oldest_asked=min((task.since for task in tasks.having(ASKING)), default=None),
        overdue=sum(_overdue(parts, task.since, now, task.pin) for task in tasks.having({State.STARTED})),
        stalled=len(list(parts.intake.stalled())),
        paused=book.paused,
        watching="scan only" if parts.watcher is None else parts.watcher.mode,
        clock_confirmed=not book.clock_unconfirmed,
        lag_s=max(begun, key=lambda each: each.at).late_s if begun else None,
        good=dict(book.routine.good),
    )


def _overdue(parts: Parts, since: float, now: float, pin: object) -> bool:
    recipe = next((each for each in parts.recipes.current.recipes if pin is not None and each.id == pin.id), None)  # type: ignore[attr-defined]
    timeout = parts.settings.run.timeout if recipe is None or recipe.timeout is None else recipe.timeout
    return now - since > timeout + OVERDUE


class Facts:
    """Facts about a desk as of a snapshot.  May read the disk; asked in any thread."""

    def __init__(self, desk: Desk, known: Snapshot, zone: tzinfo) -> None:
        self._desk = desk
        self._known = known
        self._zone = zone

    def get(self, metric: str) -> Fact:
        """The fact; KeyError when no metric has that name.  What cannot be had is unknown, with the reason."""
        if metric.startswith("tasks.") and metric.removeprefix("tasks.") in State.__members__.values():
            return Fact(self._known.counts.get(metric.removeprefix("tasks."), 0))
        try:
            return _READERS[metric](self)
        except OSError as error:
            return Fact(unknown=error.strerror or type(error).__name__)

    def all(self) -> dict[str, Fact]:
        """Every fact there is."""
        return {metric: self.get(metric) for metric in FACTS}

    @property
    def midnight(self) -> float:
        """Epoch seconds at which today began here."""
        return (
            datetime.fromtimestamp(self._known.now, self._zone)
            .replace(hour=0, minute=0, second=0, microsecond=0)
            .timestamp()
        )

    def _age(self, since: float | None) -> Fact:
        return Fact(0.0 if since is None else max(0.0, self._known.now - since))

    def _ended(self, states: tuple[State, ...]) -> Fact:
        view = look(self._desk)
        return Fact(sum(view.count_ended(self.midnight, state) for state in states))

    def _disk(self) -> os.statvfs_result:
        return os.statvfs(self._desk.queue)

    def _free_bytes(self) -> Fact:
        disk = self._disk()
        return Fact(disk.f_bavail * disk.f_frsize)

    def _free_percent(self) -> Fact:
        disk = self._disk()
        return Fact(100.0 * disk.f_bavail / disk.f_blocks) if disk.f_blocks else Fact(unknown="the disk tells no size")

    def _inodes(self) -> Fact:
        disk = self._disk()
        return Fact(disk.f_favail) if disk.f_files else Fact(unknown="this filesystem has no fixed number of files")

    def _audit(self) -> Fact:
        found = verify(self._desk.audit)
        return Fact(found.ok)

    def _good(self, kind: str, what: str) -> Fact:
        since = self._known.good.get(kind)
        return Fact(unknown=f"{what} is on record") if since is None else self._age(since)

    def _lag(self) -> Fact:
        lag = self._known.lag_s
        return Fact(unknown="nothing scheduled has run yet") if lag is None else Fact(lag)

    def _missed(self) -> Fact:
        wanted = audit_read.Filter(since=self.midnight, type="schedule.handled")
        records = (line.record for line in audit_read.lines(self._desk.audit, wanted))
        return Fact(sum(record is not None and record.fields.get("result") == "missed" for record in records))


_READERS: Mapping[str, Callable[[Facts], Fact]] = MappingProxyType(
    {
        "tasks.oldest_pending_s": lambda facts: facts._age(facts._known.oldest_pending),
        "tasks.overdue": lambda facts: Fact(facts._known.overdue),
        "tasks.completed_today": lambda facts: facts._ended((State.COMPLETED,)),
        "tasks.failed_today": lambda facts: facts._ended(FAILED),
        "approvals.waiting": lambda facts: Fact(sum(facts._known.counts.get(state, 0) for state in ASKING)),
        "approvals.oldest_s": lambda facts: facts._age(facts._known.oldest_asked),
        "intake.stalled": lambda facts: Fact(facts._known.stalled),
        "desk.paused": lambda facts: Fact(facts._known.paused),
        "disk.free_bytes": Facts._free_bytes,
        "disk.free_percent": Facts._free_percent,
        "disk.inodes_free": Facts._inodes,
        "audit.ok": Facts._audit,
        "backup.verified_age_s": partial(Facts._good, kind="backup.verified", what="no verified backup"),
        "drill.good_age_s": partial(Facts._good, kind="drill.finished", what="no recovery drill that went well"),
        "scheduler.lag_s": Facts._lag,
        "scheduler.missed_today": Facts._missed,
        "clock.confirmed": lambda facts: Fact(facts._known.clock_confirmed),
        "watcher.mode": lambda facts: Fact(facts._known.watching),
    }
)
