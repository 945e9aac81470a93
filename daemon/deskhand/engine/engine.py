"""The tick: read what happened, decide all of it, record and sync once, then act.

The engine runs on one thread.  Others hand in facts through queues and ring the bell; they never decide.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from math import inf
from typing import Any

from deskhand.core.event import Damage, Expire
from deskhand.core.record import Actor, Draft
from deskhand.core.settings import CostLimits
from deskhand.core.state import STARTABLE, State
from deskhand.core.task import Task
from deskhand.engine import told
from deskhand.engine.arrivals import Arrivals
from deskhand.engine.outcome import Finished, Handed
from deskhand.engine.parts import Parts
from deskhand.engine.routines import Routines
from deskhand.engine.strays import name_part
from deskhand.engine.timekeeper import Timekeeper
from deskhand.errors import StoreError
from deskhand.store.files import FsyncError

RETRY_PAUSE = 1.0
"""Seconds until a refused commit or an unclear gesture is looked at again."""
DELIVERY_PAUSE = 30.0
"""Seconds until a failed delivery is tried again."""


class Engine:
    """One desk at work."""

    def __init__(self, parts: Parts, routines: Routines) -> None:
        self._ = parts
        self.routines = routines
        self.ledger = parts.ledger
        self._next_scan = 0.0  # monotonic seconds; what makes it due again is a call of scan_everything, or trouble
        self._looked_at = 0.0
        self._stuck_until = 0.0
        self._deliver_again: dict[str, float] = {}
        self.arrivals = Arrivals(parts)
        self.time = Timekeeper(parts)
        self._trouble: str | None = None
        self._starts = True
        self.apply_pause()

    def _seconds(self) -> float:
        return self._.clock.monotonic_ns() / 1e9

    # -- the tick ----------------------------------------------------------------------------------------------

    def scan_everything(self) -> None:
        """Do the full scan at the next tick.  The clockwork asks for one every `scan_interval`."""
        self._next_scan = 0.0

    def tick(self) -> None:
        """One batch.  StoreError is handled here (it waits); FsyncError and IntegrityError end the daemon."""
        now, mono = self._.clock.wall(), self._seconds()
        self._looked_at = now
        self._.recipes.look_again()
        if not self._commit(mono):
            return
        self.time.check_clock(now, mono)
        self.time.rotate(mono)
        expiry = self._next_expiry()
        # An answer that nobody was told of may stand there: it is read before its question expires.
        full, (told, anything) = mono >= self._next_scan, self._.notice.take()
        look = told or self._due(expiry, now)
        with self._bearing("reading answers"):  # first: whatever is asked now is on record, and stands in its folder
            if full or look or self._.gestures.unclear:
                self._read_gestures(now, mono)
        if not self._commit(mono):
            self._.notice.give_quietly()
            return
        with self._bearing("scanning the desk"):
            if full:
                self._next_scan = inf
                self._full_scan(now, mono)
            self._expire(now)
        with self._bearing("taking drops"):
            due = self._due(self._.intake.next_due(), self._seconds())
            if full or look or due:
                self.arrivals.take_drops(everywhere=full or anything or due)
            self.arrivals.receive(now)
        with self._bearing("recording results"):
            self._hear_workers(now, mono)
            self._.packing.hear()
            self._.forgetting.hear()
            self._redeliver(mono)
            self._lost(now)
            if self.ledger.take_completed() or full:
                self.arrivals.unblock(now)
        with self._bearing("doing what the clock brings"):
            self.routines.decide(now, full=full, begin=self._starts)
        with self._bearing("starting tasks"):
            self._order()
            if self._may_start(now):
                self._.starting.start_due(self._.runs.running(), now)
            self._.budget.tell(now)
        self._commit(mono)

    def _order(self) -> None:
        """Let what may be started, now or later, or expires, take its place in the order."""
        for task in self.ledger.written():
            self._.dispatcher.add(task)

    @contextmanager
    def _bearing(self, what: str) -> Iterator[None]:
        """Go on with the next part of the tick when the disk refuses this one; it is tried again in a moment."""
        try:
            yield
        except FsyncError:
            raise
        except OSError as error:
            self._.log.warning("the disk refuses something", doing=what, cause=str(error))
            self._next_scan = min(self._next_scan, self._seconds() + RETRY_PAUSE)
            self._.notice.give_quietly()

    def _commit(self, mono: float) -> bool:
        """Make the batch durable and act on it; False when the disk refuses, and nothing was acted on."""
        try:
            changes = self.ledger.commit()
        except StoreError as error:
            if mono >= self._stuck_until:
                self._.log.error("the audit log cannot be written; everything waits", cause=error.sentence)
                self._stuck_until = mono + 60.0
            self._.intake.pause()
            return False
        trouble = self.ledger.log.trouble
        if trouble is not None and trouble != self._trouble:
            self._.log.warning(trouble)
        self._trouble = trouble
        if self._stuck_until:
            self._stuck_until = 0.0
            self._.log.info("the audit log can be written again")
            self.apply_pause()
        self._order()
        self._.effects.carry_out(changes)
        self.routines.act()
        self._.packing.recorded()
        self._.forgetting.recorded()
        if self._.placement.behind:
            self._next_scan = min(self._next_scan, mono + RETRY_PAUSE)
        self.arrivals.recorded()
        return True

    @staticmethod
    def _due(moment: float | None, now: float) -> bool:
        return moment is not None and moment <= now

    def next_wake(self) -> float:
        """Seconds until the next tick is due without anybody ringing: short pauses only, or infinite."""
        if self.ledger.dirty:
            return RETRY_PAUSE
        if self._.runs.reported:
            return 0.0
        mono = self._seconds()
        start = self._next_start()
        if start is not None and start <= self._.clock.wall():
            return 0.0  # became startable after this tick had looked for tasks to start
        moments = [self._next_scan - mono]
        due = self._.intake.next_due()
        if due is not None:
            moments.append(due - mono)
        if self._.gestures.unclear:
            moments.append(RETRY_PAUSE)
        moments += [moment - mono for moment in self._deliver_again.values()]
        return max(0.0, min(moments))

    def next_time(self) -> float | None:
        """Epoch seconds at which, by the wall clock, the next attempt may start or the next question expires.

        What was due already at the last tick is left out: it waits for something else.
        """
        start = self._next_start()
        brought = self.routines.next_time(self._looked_at) if self._starts else None
        moments = [
            each for each in (start, self._next_expiry(), brought) if each is not None and each > self._looked_at
        ]
        return None if self.ledger.dirty else min(moments, default=None)

    def _next_start(self) -> float | None:
        """Epoch seconds at which time makes the next task startable; None while nothing is started."""
        return self._.dispatcher.next_due() if self._may_start(self._.clock.wall()) else None

    def _may_start(self, now: float) -> bool:
        """Whether attempts may begin: not while paused, and not in a maintenance window."""
        return self._starts and self.ledger.book.paused != "all" and self.routines.maintenance.at(now) is None

    def _next_expiry(self) -> float | None:
        """Nothing expires until a person has confirmed a clock that jumped."""
        return None if self.ledger.book.clock_unconfirmed else self._.dispatcher.next_expiry()

    # -- reading -----------------------------------------------------------------------------------------------

    def _full_scan(self, now: float, mono: float) -> None:
        self._.folders.ensure()
        self._.effects.retry()
        self._.runs.retry()
        self._.strays.look(self._.runs.keys(), now)  # before anything is decided: it puts files where the log says
        self._ask_again(now)
        self.arrivals.route_unrouted(now)
        for task in self._.budget.held_over(now):
            self.arrivals.route(task, now)

    def _expire(self, now: float) -> None:
        if not self.ledger.book.clock_unconfirmed:
            for task in self._.dispatcher.expired(now, self.ledger.tasks.get):
                self.ledger.decide(task, Expire(), now)

    def _ask_again(self, now: float) -> None:
        for key in list(self._.placement.unasked):
            task = self.ledger.tasks.get(key)
            if task is not None and not self._.placement.post(task):
                self._.answers.ask_again(task, now)

    def _redeliver(self, mono: float) -> None:
        for key, moment in list(self._deliver_again.items()):
            if moment <= mono:
                del self._deliver_again[key]
                undelivered = self.ledger.tasks.get(key)
                if undelivered is not None and undelivered.undelivered:
                    self._.runs.deliver(undelivered, self._.placement.identifier(key))

    def _read_gestures(self, now: float, mono: float) -> None:
        if self._.gestures.changed():
            refused: OSError | None = None
            for gesture in self._.gestures.look(self.ledger.tasks, self.ledger.known, mono, now):
                try:
                    self._.answers.handle(gesture, now)
                except FsyncError:
                    raise
                except OSError as error:  # for one name; the other answers count all the same
                    refused = error
            if refused is not None:
                self._.gestures.again()
                raise refused

    def _hear_workers(self, now: float, mono: float) -> None:
        refused: OSError | None = None
        for report in self._.runs.reports():
            try:
                if isinstance(report, Finished):
                    self._.outcomes.finished(report, now)
                elif isinstance(report, Handed) and not self._.outcomes.handed(report, now):
                    self._deliver_again[report.key] = mono + DELIVERY_PAUSE
            except FsyncError:
                raise
            except OSError as error:
                self._.runs.hear_again(report)
                refused = error
                continue
            self._.runs.heard(report)
        if refused is not None:
            raise refused

    def _lost(self, now: float) -> None:
        for key, names in list(self._.effects.missing.items()):
            del self._.effects.missing[key]
            task = self.ledger.tasks.get(key)
            if task is not None and not task.terminal:
                missing = tuple(name_part(name) for name in names)
                self.ledger.decide(task, Damage("lost", "its files vanished", missing), now)

    # -- what commands ask for ---------------------------------------------------------------------------------

    def apply_pause(self) -> None:
        """Let the intake follow what the log says about a pause."""
        if self.ledger.book.paused == "no":
            self._.intake.resume()
        else:
            self._.intake.pause()
        self._.notice.give()

    def apply_limits(self, limits: CostLimits, now: float) -> int:
        """Spend no more than this from now on; how many tasks go on that were parked for their cost."""
        budget = self._.budget
        budget.limits = limits
        before = budget.parked()
        for task in before:
            self.arrivals.route(task, now)
        return len(before)

    def stop_starting(self) -> None:
        """Begin no more attempts in this run of the daemon."""
        self._starts = False

    def go_on_delivering(self) -> None:
        """Deliver, at the next full scan, what an earlier run of the daemon completed and could not deliver."""
        self._deliver_again = dict.fromkeys(self.ledger.tasks.keys_in({State.COMPLETED}), 0.0)

    def tidy(self) -> None:
        """Move completed tasks that are older than `keep_flat` into folders by day, and begin to pack old files of the
        log; not while the clock is in doubt."""
        try:
            self._.folders.file_by_day(self._.clock.wall() - self._.settings.keep_flat)
        except OSError as error:
            self._.log.warning("completed tasks cannot be filed by day", cause=str(error))
        age = self._.settings.audit.compress_after
        if age is not None and not self.ledger.book.clock_unconfirmed:
            self.pack(self._.clock.wall() - age)

    def pack(self, before: float) -> Future[dict[str, Any]]:
        """Begin to pack the files of the log that were closed before *before* (epoch seconds)."""
        return self._.packing.begin(before)

    def forget(self, key: str, actor: Actor, reason: str | None) -> Future[dict[str, Any]]:
        """Begin to erase what there is of a finished task.  UsageError when it is not finished."""
        return self._.forgetting.begin(key, actor, reason)

    def stop_attempt(self, task: Task, actor: Actor, reason: str | None, *, force: bool) -> None:
        """End a running attempt; its end is reported like any other."""
        self._.outcomes.cancelled_by[task.key] = (actor, reason)
        self._.runs.stop(task.key, force=force)

    def try_again(self, task: Task, now: float) -> dict[str, Any]:
        """Look again at a parked or blocked task, with the recipes as they are now."""
        before = task.seq
        self.arrivals.route(task, now)
        after = self.ledger.tasks.get(task.key, task)
        return {"key": after.key, "state": after.state, "changed": after.seq != before, "reason": after.reason}

    def finish(self, last: Draft) -> None:
        """Hear what was reported meanwhile, and put *last* on record as the last thing of this run."""
        now, mono = self._.clock.wall(), self._seconds()
        if self._commit(mono):
            with self._bearing("recording results"):
                self._hear_workers(now, mono)
            self.ledger.note(last)
            self._commit(mono)

    def ask_again(self) -> None:
        """Put every task of an adopted desk that could be started, and must not be repeated blindly, to a person."""
        now = self._.clock.wall()
        for task in self.ledger.tasks.having(STARTABLE):
            self._.starting.ask_if_it_may_have_run(task, now)

    def bless(self, draft: Draft) -> None:
        """Record a blessed recipe and use it from now on."""
        self.ledger.note(draft)
        self._.recipes.refresh(self.ledger.book.pins)
        self._.intake.recipe_ids = self._.recipes.current.ids
        now = self._.clock.wall()
        for task in list(self.ledger.tasks.having({State.PARKED})):
            self.arrivals.route(task, now)

    def coming(self, key: str) -> bool:
        """Whether a task with this key may still come on record: it waits to be taken, or something is being taken."""
        return self._.intake.coming(key)

    def standing(self) -> dict[str, Any]:
        """Where the log durably ends, for a backup."""
        return told.standing(self._)

    @property
    def stuck(self) -> bool:
        """Whether the audit log refused what was decided, so that everything waits."""
        return self._stuck_until > 0

    @property
    def idle(self) -> bool:
        """Whether nothing can run now: what is left waits for people, for a time, or for something else."""
        return (
            self._.intake.idle
            and not self._.runs.busy
            and not self._startable()
            and not any(self._due(moment, self._seconds()) for moment in self._deliver_again.values())
            and not self._.placement.behind
            and not self.ledger.dirty
            and self.routines.idle
            and not self._.packing.busy
            and not self._.forgetting.busy
        )

    def _startable(self) -> bool:
        held = self.ledger.book.paused == "all" or self.routines.maintenance.at(self._.clock.wall()) is not None
        return not held and (
            self._.dispatcher.waiting() or self._due(self._.dispatcher.next_due(), self._.clock.wall())
        )

    def status(self) -> dict[str, Any]:
        """What only the living daemon knows, as plain data."""
        return {**told.status(self._), **self.routines.status(self._.clock.wall()), "stuck": self.stuck}
