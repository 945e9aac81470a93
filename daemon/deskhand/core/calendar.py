"""Days, weeks and months as stretches of time, in the zone where people live."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Literal

from msgspec import Struct

Length = Literal["day", "week", "month"]
_MONTH = re.compile(r"(\d{4})-(\d\d)\Z")


class Stretch(Struct, frozen=True):
    """From midnight to midnight."""

    title: str
    """`2026-11-20`, `week of 2026-11-16`, `2026-11`."""
    since: float
    until: float
    """Epoch seconds."""
    steps: tuple[float, ...]
    """Where its hours (of a day) or days begin; epoch seconds."""


def day_named(text: str, today: date) -> date:
    """``today``, ``yesterday``, ``2026-11-20``, or ``2026-11`` (its first day).  ValueError for anything else."""
    word = text.strip().lower()
    if word in ("today", "yesterday"):
        return today - timedelta(days=word == "yesterday")
    month = _MONTH.match(word)
    return date(int(month[1]), int(month[2]), 1) if month else date.fromisoformat(word)


def stretch(day: date, length: Length, zone: tzinfo | None) -> Stretch:
    """The day, the week from Monday, or the month that *day* is in; *zone* None is the machine's."""
    if length == "day":
        first, following, title = day, day + timedelta(days=1), f"{day}"
    elif length == "week":
        first = day - timedelta(days=day.weekday())
        following, title = first + timedelta(days=7), f"week of {first}"
    else:
        first = day.replace(day=1)
        following, title = (first + timedelta(days=31)).replace(day=1), f"{first:%Y-%m}"
    since, until = _midnight(first, zone), _midnight(following, zone)
    if length == "day":
        steps = tuple(since + 3600.0 * hour for hour in range(round((until - since) / 3600)))
    else:
        steps = tuple(_midnight(first + timedelta(days=n), zone) for n in range((following - first).days))
    return Stretch(title, since, until, steps)


def last_day(now: float) -> Stretch:
    """The 24 hours before *now* (epoch seconds)."""
    since = now - 86_400.0
    return Stretch("the last 24 hours", since, now, tuple(since + 3600.0 * hour for hour in range(24)))


def _midnight(day: date, zone: tzinfo | None) -> float:
    return datetime.combine(day, time(0), zone).timestamp() if zone else datetime.combine(day, time(0)).timestamp()
