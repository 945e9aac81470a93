"""Which backups are kept: the grammar and the meaning of restic's ``forget``.

``keep-last N`` keeps the newest N; ``keep-hourly|daily|weekly|monthly|yearly N`` the newest of each of the last N
hours, days, weeks ... that have one; ``keep-within D`` everything less than D older than the newest, and
``keep-within-hourly D`` ... the newest of each hour ... within D.  A backup that one of them keeps is kept.  While an
``N`` is not used up, the oldest one is kept too.  Hours and days are those of UTC, as in the names.

Beside that, never given up: what is not verified, what is on hold for a reason that a person has to look at, and the
newest verified one of a kind.  Pure: the clock, and whether it can be trusted, are arguments.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from statistics import median

from msgspec import Struct

SHRUNK = 0.5
"""The newest backup is suspiciously small below this share of the median of those before it."""
SHRUNK_LEAST = 3
"""Backups that there must be before the newest, to say what is usual."""
AHEAD = 3600.0
"""Seconds by which a backup may be newer than the clock says it is."""
_WITHIN = re.compile(r"(?:(\d{1,4})y)?(?:(\d{1,5})m)?(?:(\d{1,6})d)?(?:(\d{1,7})h)?\Z", re.ASCII)


class Within(Struct, frozen=True):
    """A duration of the calendar, as in ``1y5m7d2h``: years, months, days, hours."""

    years: int = 0
    months: int = 0
    days: int = 0
    hours: int = 0

    def before(self, moment: datetime) -> datetime:
        """*moment* less this; a day that a month does not have runs over into the next, the year 1 is the first."""
        months = moment.year * 12 + moment.month - 1 - self.years * 12 - self.months
        year, month = divmod(months, 12)
        if year < 1:
            return datetime.min.replace(tzinfo=UTC)
        try:
            first = moment.replace(year=year, month=month + 1, day=1)
            return first + timedelta(days=moment.day - 1) - timedelta(days=self.days, hours=self.hours)
        except OverflowError:
            return datetime.min.replace(tzinfo=UTC)


def parse_within(text: str) -> Within | None:
    """``30d``, ``1y5m7d2h`` (``m`` is months); None for nothing.  ValueError, as the end of a sentence, else."""
    if not text:
        return None
    found = _WITHIN.match(text)
    if found is None:
        raise ValueError("must be like 30d or 1y5m7d2h: years, months, days, hours, in this order")
    within = Within(*(int(part or 0) for part in found.groups()))
    if within == Within():
        raise ValueError("must not be nothing; leave it empty instead")
    return within


class Keep(Struct, frozen=True):
    """A policy.  Numbers: 0 = this rule keeps nothing, -1 = it keeps all."""

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within: Within | None = None
    within_hourly: Within | None = None
    within_daily: Within | None = None
    within_weekly: Within | None = None
    within_monthly: Within | None = None
    within_yearly: Within | None = None

    @property
    def empty(self) -> bool:
        """Whether it says nothing: then everything is kept."""
        return self == Keep()


class Backup(Struct, frozen=True):
    """What is known of a backup that is there."""

    name: str
    created: float
    """Epoch seconds."""
    bytes: int
    entries: int | None = None
    """Files in it; None = not known."""
    verified: bool | None = None
    """None: nobody has looked; False: looked at and found bad."""
    group: str = "daily"
    """Backups of one group replace each other."""


class Fate(Struct, frozen=True):
    """What becomes of a backup, and why."""

    name: str
    keep: bool
    reasons: tuple[str, ...]


class Plan(Struct, frozen=True):
    """What pruning would do."""

    fates: tuple[Fate, ...]
    """Newest first."""
    suspended: str | None = None
    """Why nothing is given up at all; None = nothing speaks against it."""

    @property
    def given_up(self) -> tuple[Fate, ...]:
        """What would be deleted."""
        return tuple(fate for fate in self.fates if not fate.keep)


Bucket = Callable[[datetime, int], object]
BUCKETS: tuple[tuple[str, Bucket], ...] = (
    ("last", lambda moment, number: number),
    ("hourly", lambda moment, number: (moment.year, moment.month, moment.day, moment.hour)),
    ("daily", lambda moment, number: (moment.year, moment.month, moment.day)),
    ("weekly", lambda moment, number: moment.isocalendar()[:2]),
    ("monthly", lambda moment, number: (moment.year, moment.month)),
    ("yearly", lambda moment, number: moment.year),
)


def plan(backups: Iterable[Backup], keep: Keep, now: float, *, clock_unconfirmed: bool = False) -> Plan:
    """What to do with *backups* at *now* (epoch seconds)."""
    newest_first = sorted(backups, key=lambda one: (one.created, one.name), reverse=True)
    suspended = _clock_problem(newest_first, now, clock_unconfirmed)
    fates: dict[str, Fate] = {}
    for group in dict.fromkeys(one.group for one in newest_first):
        members = [one for one in newest_first if one.group == group]
        suspended = suspended or _shrunk(group, members)
        fates.update(_group(members, keep))
    if suspended is not None:
        fates = {
            name: fate if fate.keep else Fate(name, True, (f"pruning is suspended; else: {fate.reasons[0]}",))
            for name, fate in fates.items()
        }
    return Plan(tuple(fates[one.name] for one in newest_first), suspended)


def _group(members: Sequence[Backup], keep: Keep) -> dict[str, Fate]:
    """*members*: newest first, of one group."""
    good = [one for one in members if one.verified]
    reasons = chosen([one.created for one in good], keep)
    said = dict(zip([one.name for one in good], reasons, strict=True))
    fates = {}
    for one in members:
        why = said.get(one.name)
        if why is None:
            words = "it is damaged; look at it" if one.verified is False else "nobody has verified it"
            fates[one.name] = Fate(one.name, True, (words,))
        elif why or keep.empty:
            fates[one.name] = Fate(one.name, True, why or ("no rule says what to keep",))
        elif one is good[0]:
            fates[one.name] = Fate(one.name, True, ("the newest that is verified",))
        else:
            fates[one.name] = Fate(one.name, False, ("no rule keeps it",))
    return fates


def chosen(moments: Sequence[float], keep: Keep) -> list[tuple[str, ...]]:
    """For each of *moments* (epoch seconds, newest first) the rules that keep it."""
    times = [datetime.fromtimestamp(moment, UTC) for moment in moments]
    found: list[list[str]] = [[] for _ in times]
    for name, bucket in BUCKETS:
        _counted(times, found, name, bucket, getattr(keep, name))
        within = keep.within if name == "last" else getattr(keep, f"within_{name}")
        if within is not None and times:
            _within(times, found, "within" if name == "last" else f"within-{name}", bucket, within)
    return [tuple(each) for each in found]


def _counted(times: list[datetime], found: list[list[str]], name: str, bucket: Bucket, count: int) -> None:
    last: object = None
    for number, moment in enumerate(times):
        if count == 0:
            return
        value, oldest = bucket(moment, number), number == len(times) - 1
        if value != last or oldest:
            found[number].append(f"keep-{name}" if value != last else f"keep-{name} (the oldest)")
            last, count = value, count - (count > 0)


def _within(times: list[datetime], found: list[list[str]], name: str, bucket: Bucket, within: Within) -> None:
    limit, last = within.before(times[0]), None
    for number, moment in enumerate(times):
        value = bucket(moment, number)
        if moment > limit and value != last:
            found[number].append(f"keep-{name}")
            last = value


def _clock_problem(newest_first: Sequence[Backup], now: float, clock_unconfirmed: bool) -> str | None:
    if clock_unconfirmed:
        return "the clock jumped by more than a day and nobody has confirmed it"
    if newest_first and newest_first[0].created > now + AHEAD:
        return f"{newest_first[0].name} is from the future: the clock is or was wrong"
    return None


def _shrunk(group: str, members: Sequence[Backup]) -> str | None:
    """*members*: newest first.  Compared are the verified ones."""
    good = [one for one in members if one.verified]
    if len(good) <= SHRUNK_LEAST:
        return None
    newest, *before = good
    sizes = [one.bytes for one in before]
    if newest.bytes < SHRUNK * median(sizes):
        return f"{newest.name} has {newest.bytes} bytes, and {round(median(sizes))} were usual ({group})"
    counts = [one.entries for one in before if one.entries is not None]
    if newest.entries is not None and len(counts) >= SHRUNK_LEAST and newest.entries < SHRUNK * median(counts):
        return f"{newest.name} has {newest.entries} files, and {round(median(counts))} were usual ({group})"
    return None
