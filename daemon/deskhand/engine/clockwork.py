"""What rings by the clock: heartbeat, rotation, rescan, retry wake-ups, tidying up.

A job does nothing but ring: it calls ``ring(reason)`` and the deciding thread looks at its own clock.  Rules: a job
that is late (a busy machine, a suspended laptop) rings once when it can, and is never dropped; many missed times are
one ring; at most one thread exists, called ``deskhand-clockwork``, and it sleeps until the next time is due, at most a
minute.  When the wall clock jumps, the thread notices within that minute and rings RESCAN; after a jump back it arms
every job anew, so that a clock set back by years silences nothing.

Cron times come from ``engine.cron``, in the machine's local time except the rotation, which follows UTC.  APScheduler
keeps and runs the jobs; nothing else in deskhand imports it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum

from apscheduler.executors.debug import DebugExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import STATE_STOPPED
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.date import DateTrigger

from deskhand.core.clock import Clock
from deskhand.core.settings import Schedule
from deskhand.engine.cron import Cron
from deskhand.errors import ConfigError

LONGEST_SLEEP = 60.0
"""Seconds after which the thread looks at the clocks even when nothing is due."""
STEP = 5.0
"""Seconds by which the wall clock has to differ from the monotonic one to count as set."""
FAR = 366 * 86400.0
"""Seconds ahead beyond which a wake-up is set to this instead; who asked looks again then."""


class Reason(StrEnum):
    """Why it rang."""

    HEARTBEAT = "heartbeat"
    ROTATION = "rotation"
    RESCAN = "rescan"
    RETRY = "retry"
    TIDY = "tidy"
    HEALTH = "health"


class CronTimes(BaseTrigger):
    """The times of a cron expression, as an APScheduler trigger."""

    def __init__(self, expression: str, zone: tzinfo) -> None:
        """Raises ConfigError when *expression* is not one, or names no time that ever comes."""
        self.cron = Cron(expression, zone)

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        """The first time after both: what was missed in between is one ring, not many."""
        return self.cron.next(now if previous is None else max(previous, now))


class Every(BaseTrigger):
    """A steady beat; a late one does not make the next ones hurry."""

    def __init__(self, seconds: float) -> None:
        self.interval = timedelta(seconds=max(seconds, 0.001))

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        """One interval after the previous time, or after *now* when that is over."""
        following = now + self.interval if previous is None else previous + self.interval
        return following if following > now else now + self.interval


class StepWatch:
    """Tells when the wall clock was set, by comparing it with the monotonic one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = self._measure()

    def _measure(self) -> float:
        return self._clock.wall() - self._clock.monotonic_ns() / 1e9

    def stepped(self) -> float:
        """Seconds the wall clock was set by since the last call; 0.0 for less than five."""
        offset = self._measure()
        step, self._offset = offset - self._offset, offset
        return step if abs(step) >= STEP else 0.0


class _Scheduler(BackgroundScheduler):
    """APScheduler's, except that its thread looks at the clocks at least once a minute and its jobs run in it."""

    def __init__(self, before: Callable[[], None]) -> None:
        self._before = before
        super().__init__(
            executors={"default": DebugExecutor()},
            job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1},
        )

    def start(self, *args: object, **kwargs: object) -> None:
        super().start(*args, **kwargs)
        self._thread.name = "deskhand-clockwork"

    def _main_loop(self) -> None:
        while self.state != STATE_STOPPED:
            self._before()
            due_in = self._process_jobs()
            self._event.wait(LONGEST_SLEEP if due_in is None else min(due_in, LONGEST_SLEEP))
            self._event.clear()


class Clockwork:
    """The desk's jobs.  ``ring`` is called in the clockwork's thread: it must set a flag and return, and never wait."""

    def __init__(
        self,
        ring: Callable[[Reason], None],
        schedule: Schedule,
        *,
        scan_interval: float,
        health_interval: float = 60.0,
        clock: Clock,
        zone: tzinfo | None = None,
    ) -> None:
        """Intervals are in seconds; *zone* is where people live, the machine's own by default.

        ConfigError when a schedule is no cron expression or TZ names no zone.
        """
        self._ring = ring
        self._clock = clock
        self._steps = StepWatch(clock)
        self._lock = threading.Lock()
        self._wake: float | None = None
        self._scheduler = self._make()
        zone = zone or self._scheduler.timezone
        self._triggers: dict[Reason, BaseTrigger] = {
            Reason.HEARTBEAT: CronTimes(schedule.heartbeat, zone),
            Reason.ROTATION: CronTimes(schedule.rotation, UTC),
            Reason.TIDY: CronTimes(schedule.tidy, zone),
            Reason.RESCAN: Every(scan_interval),
            Reason.HEALTH: Every(health_interval),
        }

    def _make(self) -> _Scheduler:
        try:
            return _Scheduler(self._look_at_clocks)
        except (LookupError, ValueError) as error:
            hint = "set TZ to a zone such as Europe/Berlin, or unset it"
            raise ConfigError("finding the local time zone", str(error), hint=hint) from error

    def start(self) -> None:
        """Begin to ring.  Once only."""
        self._arm()
        self._scheduler.start()

    def stop(self) -> None:
        """Ring no more and end the thread; harmless when it never ran."""
        if self._scheduler.running:
            self._scheduler.shutdown()

    def wake_at(self, epoch: float | None) -> None:
        """Ring RETRY once at *epoch* (at once when that is past), instead of any earlier wish; None takes it back."""
        with self._lock:
            if epoch == self._wake:
                return
            self._wake = epoch
            if epoch is None:
                if self._scheduler.get_job(Reason.RETRY):
                    self._scheduler.remove_job(Reason.RETRY)
                return
            self._arm_wake(epoch)

    def next_times(self) -> dict[Reason, datetime]:
        """When each job rings next."""
        return {Reason(job.id): job.next_run_time for job in self._scheduler.get_jobs() if job.next_run_time}

    def lag(self) -> float:
        """Seconds by which the next ring is late; 0 when none is.  It grows when the thread has died."""
        due = min((when.timestamp() for when in self.next_times().values()), default=self._clock.wall())
        return max(0.0, self._clock.wall() - due)

    def _arm(self) -> None:
        for reason, trigger in self._triggers.items():
            self._scheduler.add_job(self._job, trigger, args=(reason,), id=reason, replace_existing=True)

    def _arm_wake(self, epoch: float) -> None:
        now = self._clock.wall()
        at = datetime.fromtimestamp(min(max(epoch, now), now + FAR), UTC)
        self._scheduler.add_job(
            self._job, DateTrigger(at, UTC), args=(Reason.RETRY,), id=Reason.RETRY, replace_existing=True
        )

    def _job(self, reason: Reason) -> None:
        if reason is Reason.RETRY:
            self._wake = None
        self._ring(reason)

    def _look_at_clocks(self) -> None:
        step = self._steps.stepped()
        if step < 0:
            # Every time that was computed may now be years ahead.  After a step forward (or a suspend) they are due,
            # and arming them anew would lose them.
            self._arm()
        if step:
            self._scheduler.modify_job(Reason.RESCAN, next_run_time=datetime.now(UTC))
