"""What the records of the log add up to: counts, sums and spreads of one stretch of time.

Folding is a pure function of the records in their order, so what was lost is folded again from the log, and comes to
the same.  A task counts wherever something happened to it: received in one minute, completed in the next.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping

import msgspec
from msgspec import Struct, field

from deskhand.core import spread
from deskhand.core.record import parse_timestamp

MINUTE, HOUR = 60, 3600
"""Seconds of a short and of a long stretch."""

ENDS = frozenset({"completed", "failed", "quarantined", "lost", "rejected", "expired", "cancelled"})
"""What ends a task, as the record types say it after ``task.``."""
_COUNTED = ENDS | {"received", "started", "retry", "waiting", "approved", "in_doubt"}
_OTHERS = {
    "daemon.started": "starts",
    "drop.refused": "refused",
    "foreign.found": "foreign",
    "approval.ignored": "ignored",
}
_SENT_BACK = frozenset({"unready", "drain"})
"""Retries that say nothing about the attempt: it did not begin, or the daemon ended."""


class Tally(Struct):
    """One stretch of time."""

    counts: dict[str, int] = field(default_factory=dict)
    """What happened -> how often: `received`, `completed`, `attempts`, `attempts_failed`, `refused` ..."""
    sums: dict[str, float] = field(default_factory=dict)
    """`cpu_s`, `run_s`, `output_bytes`, `input_bytes`, `cost` (in the desk's currency)."""
    spreads: dict[str, dict[int, int]] = field(default_factory=dict)
    """Seconds: `cycle` (received until completed), `run` (one attempt), `answer` (asked until answered), `queue`
    (received until the first attempt)."""
    peaks: dict[str, float] = field(default_factory=dict)
    """The greatest `memory_bytes` of an attempt."""

    def count(self, name: str, number: int = 1) -> None:
        """It happened."""
        self.counts[name] = self.counts.get(name, 0) + number

    def spend(self, name: str, amount: float) -> None:
        """So much more was used."""
        self.sums[name] = self.sums.get(name, 0.0) + amount

    def took(self, name: str, seconds: float) -> None:
        """One of these took so long; a clock that was set back meanwhile makes it nothing."""
        spread.add(self.spreads.setdefault(name, {}), max(0.0, seconds))

    def add(self, other: Tally) -> None:
        """Take in another stretch."""
        for name, number in other.counts.items():
            self.count(name, number)
        for name, amount in other.sums.items():
            self.spend(name, amount)
        for name, bands in other.spreads.items():
            spread.merge(self.spreads.setdefault(name, {}), bands)
        for name, peak in other.peaks.items():
            self.peaks[name] = max(peak, self.peaks.get(name, peak))


class Moments(Struct):
    """When the last things happened to a task that is not over; epoch seconds."""

    received: float
    asked: float | None = None
    started: float | None = None


class Spent(Struct):
    """What is read of a cost."""

    amount: float = 0.0


class Line(Struct):
    """What is read of a record; the rest of its line is skipped."""

    ts: str
    type: str
    task: str | None = None
    attempt: int | None = None
    via: str | None = None
    cpu_s: float | None = None
    duration_s: float | None = None
    memory_bytes: float | None = None
    output_bytes: float | None = None
    input_bytes: float | None = None
    cost: Spent | None = None


decode = msgspec.json.Decoder(Line).decode


class Fold:
    """Takes records in, in their order."""

    def __init__(
        self, tallies: Callable[[float, str | None], tuple[Tally, ...]], tasks: MutableMapping[str, Moments]
    ) -> None:
        """*tallies* says where what happens to a task at a moment (epoch seconds) counts; *tasks*: those not over."""
        self._tallies = tallies
        self._tasks = tasks

    def take(self, raw: bytes) -> None:
        """Take in a raw line of the log.  ValueError (msgspec's) when it is none."""
        line = decode(raw)
        kind = line.type.removeprefix("task.")
        name = _OTHERS.get(line.type)
        if name is None and (kind is line.type or kind not in _COUNTED or line.task is None):
            return
        now = parse_timestamp(line.ts)
        tallies = self._tallies(now, line.task)
        for tally in tallies:
            tally.count(name or kind)
        if name is None and line.task is not None:
            self._task(line, kind, line.task, now, tallies)

    def _task(self, line: Line, kind: str, key: str, now: float, tallies: tuple[Tally, ...]) -> None:
        moments = self._tasks.get(key)
        if kind == "received":
            self._tasks[key] = Moments(now)
            for tally in tallies:
                tally.spend("input_bytes", line.input_bytes or 0)
            return
        for tally in tallies:
            _attempt(tally, kind, line)
            if moments is not None:
                _times(tally, kind, moments, now)
        if moments is None:
            return
        if kind in ENDS:
            del self._tasks[key]
            return
        if kind == "waiting":
            moments.asked = now
        elif kind in ("approved", "in_doubt"):
            moments.asked = None
        elif kind == "started":
            moments.started = now
        self._tasks[key] = moments


def _attempt(tally: Tally, kind: str, line: Line) -> None:
    """Count the end of an attempt, and what it used."""
    if line.attempt is None or kind not in ("completed", "failed", "retry") or line.via == "answer":
        return
    if kind == "retry" and line.via in _SENT_BACK:
        return
    tally.count("attempts")
    if kind != "completed":
        tally.count("attempts_failed")
    if line.cpu_s is not None:
        tally.count("measured")
        tally.spend("cpu_s", line.cpu_s)
    if line.cost is not None:
        tally.count("priced")
        tally.spend("cost", line.cost.amount)
    tally.spend("output_bytes", line.output_bytes or 0.0)
    if line.duration_s is not None:
        tally.spend("run_s", line.duration_s)
        tally.took("run", line.duration_s)
    if line.memory_bytes is not None:
        tally.peaks["memory_bytes"] = max(line.memory_bytes, tally.peaks.get("memory_bytes", 0.0))


def _times(tally: Tally, kind: str, moments: Moments, now: float) -> None:
    if kind == "completed":
        tally.took("cycle", now - moments.received)
    elif kind == "started" and moments.started is None:
        tally.took("queue", now - moments.received)
    if moments.asked is not None and kind in ("approved", "rejected"):
        tally.took("answer", now - moments.asked)
        tally.count("yes" if kind == "approved" else "no")
    elif moments.asked is not None and kind == "expired":
        tally.count("unanswered")
