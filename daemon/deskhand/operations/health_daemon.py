"""Judging the living daemon by what it says of itself, and by how long it took to say so."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct, field
from msgspec.structs import replace

from deskhand.core.health import Check, Verdict, worst_of
from deskhand.operations.words import age

SLOW_ANSWER = 1.0
"""Seconds above which an answer is slow."""
SLOW_TURN = 5.0
"""Seconds above which one turn of the deciding loop is slow."""
LATE = 30.0
"""Seconds that a ring of the clockwork may be late before it counts as held up; a busy machine has some."""
STEP_SHOWN = 3600.0
"""Seconds for which a clock that was set is shown."""
_RESTART = "deskhand run again; logs/deskhand.log says what happened"


class Vitals(Struct, frozen=True):
    """What only the living daemon knows.  Times are seconds."""

    turn_age: float
    """Since the end of the last turn of the deciding loop."""
    turn_took: float
    """How long that turn took."""
    turn_due: float
    """Within which the clockwork makes it turn."""
    lag: float
    """By which the clockwork's next ring is late; 0 = it is not."""
    watching: str
    """`events` or `scan only`."""
    watcher_errors: int = 0
    """Callbacks of the watcher that raised since the start."""
    heard: dict[str, float | None] = field(default_factory=dict)
    """Inbox -> how long it took until a file made there was heard of; None: it was not."""
    not_probed: dict[str, str] = field(default_factory=dict)
    """Inbox -> why no file could be made there."""
    stalled: tuple[str, ...] = ()
    """Drops that stay unfinished."""
    stuck: bool = False
    """What was decided cannot be written."""
    step: float = 0.0
    """By which the wall clock was set last in this run; 0 = never."""
    step_age: float = 0.0
    """How long ago."""


def answered(seconds: float) -> Check:
    """The daemon answered after so many seconds."""
    took = 1000 * seconds
    if seconds > SLOW_ANSWER:
        return Check("daemon", Verdict.DEGRADED, f"it answers slowly, after {seconds:.1f} s", "deskhand status", took)
    return Check("daemon", Verdict.OK, "it answers", None, took)


def silent(cause: str, *, accepts: bool) -> Check:
    """No daemon answered.  *accepts*: its process takes calls, so that it is the deciding thread that hangs."""
    if accepts:
        text = f"its process takes calls and the deciding thread does not answer them: {cause}"
        return Check("daemon", Verdict.DOWN, text, "look at logs/deskhand.log, then stop the process and run it again")
    return Check("daemon", Verdict.DOWN, cause, "deskhand run")


def loop(vitals: Vitals) -> Check:
    """Whether the deciding loop turns."""
    if vitals.stuck:
        fix = "make room on the disk: deskhand doctor"
        return Check("loop", Verdict.DOWN, "the audit log cannot be written, so everything waits", fix)
    if vitals.turn_age > 2 * vitals.turn_due + LATE:
        text = f"nothing made it turn for {age(vitals.turn_age)}; due is every {age(vitals.turn_due)}"
        return Check("loop", Verdict.DEGRADED, text, _RESTART)
    if vitals.turn_took > SLOW_TURN:
        text = f"its last turn took {vitals.turn_took:.1f} s"
        return Check("loop", Verdict.DEGRADED, text, "look for a slow disk: deskhand doctor")
    return Check("loop", Verdict.OK, f"its last turn was {age(vitals.turn_age)} ago")


def watcher(vitals: Vitals) -> Check:
    """Whether changes in the inboxes are heard of, tried with a file."""
    took = [1000 * seconds for seconds in vitals.heard.values() if seconds is not None]
    return replace(worst_of("watcher", _watcher(vitals)), latency_ms=max(took, default=None))


def _watcher(vitals: Vitals) -> Iterator[Check]:
    name = "watcher"
    if vitals.watching != "events":
        fix = "raise fs.inotify.max_user_watches and max_user_instances"
        yield Check(name, Verdict.DEGRADED, "changes are found only by the scan every scan_interval", fix)
        return
    for inbox, why in vitals.not_probed.items():
        yield Check(name, Verdict.UNKNOWN, f"inbox {inbox} could not be tried: {why}", "deskhand doctor")
    for inbox, seconds in vitals.heard.items():
        if seconds is None:
            text = f"a file made in inbox {inbox} was not heard of"
            yield Check(name, Verdict.DOWN, text, f"drops are found by the scan only; {_RESTART}")
    if vitals.watcher_errors:
        text = f"{vitals.watcher_errors} of its callbacks failed since the start"
        yield Check(name, Verdict.DEGRADED, text, "look at logs/deskhand.log")
    took = [seconds for seconds in vitals.heard.values() if seconds is not None]
    if took:
        yield Check(name, Verdict.OK, f"a file made in each inbox was heard of within {1000 * max(took):.0f} ms")
    elif not vitals.heard and not vitals.not_probed:
        yield Check(name, Verdict.OK, "no inbox is watched: each of them is polled")


def scheduler(vitals: Vitals) -> Check:
    """Whether what rings by the clock rings in time."""
    if vitals.lag > LATE:
        text = f"a time that was due {age(vitals.lag)} ago has not come"
        return Check("scheduler", Verdict.DOWN, text, _RESTART)
    return Check("scheduler", Verdict.OK, f"nothing is late by more than {LATE:g} s")


def clock(unconfirmed: bool, newest: float | None, now: float, vitals: Vitals | None) -> Check:
    """Whether time can be relied on.  *newest*: of the newest record (epoch seconds)."""
    if newest is not None and newest > now + 5.0:
        text = f"the newest record is {age(newest - now)} in the future: the clock was set back"
        return Check("clock", Verdict.DOWN, text, "set the clock")
    if unconfirmed:
        text = "it jumped by more than a day; nothing expires and nothing is pruned until that is confirmed"
        return Check("clock", Verdict.DEGRADED, text, "deskhand resume")
    if vitals is not None and vitals.step and vitals.step_age < STEP_SHOWN:
        way = "forward" if vitals.step > 0 else "back"
        text = f"it was set {way} by {age(abs(vitals.step))}, {age(vitals.step_age)} ago"
        return Check("clock", Verdict.DEGRADED, text, "look at the machine's time service")
    return Check("clock", Verdict.OK, "not before the newest record, and no jump waits to be confirmed")
