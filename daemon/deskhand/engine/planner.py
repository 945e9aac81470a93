"""What is done by the clock: schedules, which of their times are due, and what is put on record about each.

Used by the deciding thread.  What is due is decided from the last handled occurrence in the log, so a sleep, a
restart, long work or a clock that was set loses nothing and repeats nothing.  After a jump of more than a day nothing
is begun until a person has confirmed the clock (`deskhand resume`).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from msgspec import Struct

from deskhand.core.due import Closed, Policy, due, never_closed
from deskhand.core.log import Log
from deskhand.core.record import Draft
from deskhand.core.routine import STARTED, Handled
from deskhand.engine.chores import Chores
from deskhand.engine.cron import Cron
from deskhand.engine.ledger import Ledger
from deskhand.errors import nameless

FAR_AHEAD = 86_400.0
"""Seconds by which a handled occurrence lies in the future when the clock must have been set back."""


class Plan(Struct, frozen=True):
    """A schedule and what it begins."""

    name: str
    cron: Cron
    begin: Callable[[float, float], None]
    """Called with the occurrence and the time; what it records is durable before anything is done."""
    policy: Policy = "once"
    grace: float = 12 * 3600.0
    """Seconds."""
    closed: Closed = never_closed
    since: float | None = None
    """Epoch seconds from which it counts; None: from when it is first seen."""
    busy: Callable[[], bool] = lambda: False
    """Whether its last occurrence is still at work: the next one waits for that."""
    while_paused: bool = False
    """Whether it goes on while the desk is paused."""


class Planner:
    """See the module."""

    def __init__(self, ledger: Ledger, chores: Chores, log: Log, missed: Callable[[str, str], None]) -> None:
        """*missed* is told the name of a schedule and why a time of it was missed."""
        self._ledger = ledger
        self._chores = chores
        self._log = log
        self._missed = missed
        self._plans: dict[str, Plan] = {}
        self._next: dict[str, float] = {}
        """Plan -> its next time; what is not here has to be looked at."""
        self._looked = 0.0
        self._at_work: set[str] = set()
        """Chores that were begun and are not over."""
        self._to_submit: list[tuple[str, float, Callable[[], Any]]] = []

    def replace(self, prefix: str, plans: dict[str, Plan]) -> None:
        """Take these plans instead of those whose names begin with *prefix* and a colon."""
        kept = {name: plan for name, plan in self._plans.items() if not name.startswith(f"{prefix}:")}
        self._plans = {**kept, **plans}
        self._next.clear()

    def add_chore(
        self, name: str, cron: Cron, call: Callable[[], Any], *, grace: float = 12 * 3600.0, policy: Policy = "once"
    ) -> None:
        """Have *call* made as a chore at these times, also while the desk is paused.

        It has to be a thing that may be done again: one that was cut off is, within its grace.  How it ended is put on
        record; the records of the work itself are whatever *call*'s own chores write.
        """

        def begin(occurrence: float, now: float) -> None:
            self._at_work.add(name)
            self._to_submit.append((name, occurrence, call))

        at_work = self._at_work
        self._plans[name] = Plan(
            name, cron, begin, policy=policy, grace=grace, busy=lambda: name in at_work, while_paused=True
        )

    def look(self, now: float) -> None:
        """Decide about every time that has come."""
        book = self._ledger.book
        if book.clock_unconfirmed or not self._plans:
            return
        if now < self._looked:
            self._next.clear()  # the clock was set back
        self._looked = now
        for name, plan in self._plans.items():
            if now < self._next.get(name, now) or (book.paused == "all" and not plan.while_paused) or plan.busy():
                continue
            self._next.pop(name, None)
            last = self._catch_up(plan, self._last(plan, now), now)
            if not plan.busy():
                self._next[name] = next(plan.cron.after(max(last, now)), now + FAR_AHEAD)

    def _last(self, plan: Plan, now: float) -> float:
        """The occurrence from which on it counts."""
        handled = self._ledger.book.routine.schedules.get(plan.name)
        since = plan.since if plan.since is not None and plan.since <= now else None
        if handled is None and since is None:
            self._record(plan.name, now, "planned")
            return now
        if handled is None:
            assert since is not None
            return since
        if handled.occurrence > now + FAR_AHEAD:
            self._record(plan.name, now, "rebased", reason="the clock was set back")
            return now
        if handled.result == STARTED and plan.name not in self._at_work:
            self._was_cut_off(plan, handled, now)
        return handled.occurrence if since is None else max(handled.occurrence, since)

    def _was_cut_off(self, plan: Plan, handled: Handled, now: float) -> None:
        """A chore that an earlier run of the daemon began; checklists know themselves how they stand."""
        if not plan.while_paused:
            return
        self._record(plan.name, handled.occurrence, "cut_off", reason="the daemon ended meanwhile")
        if now - handled.occurrence <= plan.grace:
            self._record(
                plan.name, handled.occurrence, STARTED, now - handled.occurrence, "again, after it was cut off"
            )
            plan.begin(handled.occurrence, now)

    def _catch_up(self, plan: Plan, last: float, now: float) -> float:
        while not plan.busy():
            verdict = due(plan.cron.after, last, now, plan.policy, grace=plan.grace, closed=plan.closed)
            if verdict is None:
                break
            last = verdict.occurrence
            if verdict.result == "run":
                plan.begin(verdict.occurrence, now)
                self._record(plan.name, verdict.occurrence, STARTED, verdict.late_s, None, verdict.passed)
                continue
            self._record(plan.name, verdict.occurrence, verdict.result, verdict.late_s, verdict.reason, verdict.passed)
            if verdict.result == "missed":
                self._missed(plan.name, verdict.reason or "")
        return last

    def _record(
        self, name: str, occurrence: float, result: str, late: float = 0.0, reason: str | None = None, passed: int = 0
    ) -> None:
        fields = {
            "schedule": name,
            "occurrence": occurrence,
            "result": result,
            "late_s": round(late, 3),
            "reason": reason,
            "passed": passed or None,
        }
        self._ledger.note(Draft("schedule.handled", {key: value for key, value in fields.items() if value is not None}))

    def act(self) -> None:
        """What was decided is durable: begin it."""
        work, self._to_submit = self._to_submit, []
        for name, occurrence, call in work:
            self._submit(name, occurrence, call)

    def _submit(self, name: str, occurrence: float, call: Callable[[], Any]) -> None:
        def then(done: Future[Any]) -> Any:
            self._at_work.discard(name)
            error = done.exception()
            reason = None if error is None else nameless(error)
            self._record(name, occurrence, "ok" if error is None else "failed", reason=reason)
            return done.result()

        self._chores.submit(name, call, then)

    def next_time(self) -> float | None:
        """Epoch seconds of the next time of any schedule; None while nothing can become due."""
        book = self._ledger.book
        if book.clock_unconfirmed:
            return None
        plans = [plan for plan in self._plans.values() if book.paused != "all" or plan.while_paused]
        return min((self._next[plan.name] for plan in plans if plan.name in self._next), default=None)

    @property
    def active(self) -> bool:
        """Whether something was begun that is not over."""
        return bool(self._at_work)
