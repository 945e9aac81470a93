"""Which occurrence of a schedule is to be handled now, and how: from its times, the last handled one and the clock.

Rules: nothing is handled twice, and everything that was due since the last handled occurrence is accounted for, over
sleep, restarts and long work.  What cannot be run any more is *missed*, what shall not be run is *skipped*; both are
verdicts to be put on record, never silence.  Times are epoch seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice, takewhile
from typing import Literal

from msgspec import Struct

Policy = Literal["once", "skip", "all"]
"""What is made up for: the newest occurrence `once`, nothing (`skip`), or `all` of them, one after the other."""
Result = Literal["run", "missed", "skipped"]

Times = Callable[[float], Iterator[float]]
"""The occurrences after a moment, ascending."""
Closed = Callable[[float], str | None]
"""Why an occurrence is left out on purpose (a holiday); None = it is not."""

PROMPT = 60.0
"""Seconds of lateness that count as none: a busy machine, not a missed time."""
COUNTED = 1000
"""Occurrences that are counted; this number means that many or more."""
_SPANS = (3600.0, 86_400.0, 32 * 86_400.0, 400 * 86_400.0)


class Verdict(Struct, frozen=True):
    """What to do about one occurrence.  Afterwards everything up to it counts as handled."""

    occurrence: float
    result: Result
    late_s: float
    reason: str | None = None
    passed: int = 0
    """Earlier occurrences that are handled with it without having been run; see :data:`COUNTED`."""


def never_closed(occurrence: float) -> str | None:
    """A schedule without holidays."""
    return None


def due(
    times: Times, last: float, now: float, policy: Policy = "once", *, grace: float, closed: Closed = never_closed
) -> Verdict | None:
    """The next verdict, or None when nothing is due.  *grace*: seconds of lateness until an occurrence is missed.

    To be asked again with the verdict's occurrence as *last* until it says None, or once what is run is over.
    """
    first = next(times(last), None)
    if first is None or first > now:
        return None

    def is_open(occurrence: float) -> bool:
        return closed(occurrence) is None

    newest = _newest(times, last, now, is_open)
    if newest is None:
        final = _newest(times, last, now, lambda occurrence: True)
        assert final is not None, "the first one is not after now"
        return Verdict(final, "skipped", now - final, closed(final), _count(times, last, final))
    if policy == "all":
        return _oldest(times, last, now, grace, is_open)
    return _judge(newest, now, policy, grace, _count(times, last, newest))


def _oldest(times: Times, last: float, now: float, grace: float, is_open: Callable[[float], bool]) -> Verdict:
    """With policy `all`: what is too late, all at once, and then one after the other."""
    late = _newest(times, last, now, lambda occurrence: now - occurrence > grace and is_open(occurrence))
    if late is not None:
        return _judge(late, now, "all", grace, _count(times, last, late))
    oldest = next(occurrence for occurrence in times(last) if now - occurrence <= grace and is_open(occurrence))
    return _judge(oldest, now, "all", grace, _count(times, last, oldest))


def _judge(occurrence: float, now: float, policy: Policy, grace: float, passed: int) -> Verdict:
    late = now - occurrence
    if late > grace:
        return Verdict(occurrence, "missed", late, "came later than its grace allows", passed)
    if policy == "skip" and late > PROMPT:
        return Verdict(occurrence, "skipped", late, "is not made up for (catch_up: skip)", passed)
    return Verdict(occurrence, "run", late, None, passed)


def _newest(times: Times, after: float, until: float, wanted: Callable[[float], bool]) -> float | None:
    """The last wanted occurrence in (after, until], without walking through years of a schedule that comes often."""
    for span in (*_SPANS, until - after):
        start = max(after, until - span)
        found = None
        for occurrence in takewhile(lambda moment: moment <= until, times(start)):
            if wanted(occurrence):
                found = occurrence
        if found is not None or start == after:
            return found
    return None


def _count(times: Times, after: float, before: float) -> int:
    """How many occurrences lie between the two, neither counted."""
    return sum(1 for _ in islice(takewhile(lambda moment: moment < before, times(after)), COUNTED))
