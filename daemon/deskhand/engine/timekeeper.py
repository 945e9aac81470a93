"""What the time brings: clock steps put on record, new files of the log, heartbeats."""

from __future__ import annotations

from deskhand.core.record import Draft
from deskhand.core.state import State
from deskhand.engine.ledger import counts
from deskhand.engine.parts import Parts
from deskhand.errors import StoreError
from deskhand.store.files import FsyncError

CLOCK_STEP = 5.0
"""Seconds by which the wall clock may drift from the monotonic one before that is put on record."""
LARGE_STEP = 86_400.0
"""Seconds; after a larger jump nothing expires until a person confirms."""
PAUSE = 60.0
"""Seconds until a new file that could not be begun is tried again."""


class Timekeeper:
    """Used by the deciding thread, once a tick."""

    def __init__(self, parts: Parts) -> None:
        self._ = parts
        self._wall = parts.clock.wall()
        self._mono = parts.clock.monotonic_ns() / 1e9
        self._next_try = 0.0
        self.step = 0.0
        """Seconds by which the wall clock was set last in this run; 0 = never."""
        self.stepped = 0.0
        """When (monotonic seconds)."""

    def check_clock(self, now: float, mono: float) -> None:
        """Put on record that the wall clock was set."""
        step = (now - self._wall) - (mono - self._mono)
        if abs(step) > CLOCK_STEP:
            large = abs(step) > LARGE_STEP
            fields = {"step_s": round(step, 3), "before": self._wall, "after": now, "confirmed": not large}
            self._.ledger.note(Draft("log.clock_step", fields))
            self.step, self.stepped = step, mono
            self._.log.warning("the clock was set", seconds=round(step, 1))
            self._.dispatcher.clock_set_back(self._.ledger.tasks.values(), now)
        self._wall, self._mono = now, mono

    def rotate(self, mono: float) -> None:
        """Begin a new file of the log when it is time.

        Not while files of finished tasks still have to be moved or erased: a snapshot forgets them.
        What the disk refuses is tried again in a minute; the old file is written on meanwhile.
        """
        ledger = self._.ledger
        unsettled = self._.placement.behind or self._.forgetting.busy or ledger.dirty
        if not ledger.rotation_due() or unsettled or mono < self._next_try:
            return
        try:
            self._.folders.ensure()
            self._.folders.sync()
            ledger.rotate(self._.intake.on_record)
        except FsyncError:
            raise
        except (StoreError, OSError) as error:
            self._next_try = mono + PAUSE
            self._.log.warning("a new file of the log cannot be begun yet", cause=str(error))

    def heartbeat(self, uptime: float) -> None:
        """Put on record that the daemon is alive, *uptime* seconds after its start."""
        tasks = self._.ledger.tasks
        fields = {
            "uptime_s": round(uptime),
            "unfinished": len(tasks),
            "running": len(self._.runs.keys()),
            "waiting": counts(tasks).get(State.WAITING, 0),
        }
        self._.ledger.note(Draft("log.heartbeat", fields))
