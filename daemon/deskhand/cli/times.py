"""Times as people write and read them: local, and relative to now.  Pure: now and the zone are arguments."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

from deskhand.core.units import parse_duration
from deskhand.errors import UsageError

_AGO = re.compile(r"\d+(?:\.\d+)?(?:ms|s|m|h|d)\Z")
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?\Z")


def span(seconds: float) -> str:
    """A length of time in one or two units: ``12 ms``, ``4.2 s``, ``3 min``, ``2 h 5 min``, ``6 d 2 h``, ``12 d``."""
    seconds = abs(seconds)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    if hours < 24:
        return _two(minutes, 60, "h", "min")
    return _two(hours, 24, "d", "h") if hours < 240 else f"{round(hours / 24)} d"


def _two(count: int, size: int, large: str, small: str) -> str:
    whole, rest = divmod(count, size)
    return f"{whole} {large} {rest} {small}" if rest else f"{whole} {large}"


def ago(moment: float, now: float) -> str:
    """``5 min ago``, ``in 2 h`` or ``now``."""
    if abs(now - moment) < 1:
        return "now"
    return f"{span(now - moment)} ago" if moment < now else f"in {span(moment - now)}"


def local(moment: float, zone: tzinfo | None = None, *, seconds: bool = True) -> str:
    """``2026-11-20 19:53:31`` in *zone*; None = the machine's."""
    shown = datetime.fromtimestamp(moment, UTC).astimezone(zone)
    return f"{shown:%Y-%m-%d %H:%M:%S}" if seconds else f"{shown:%Y-%m-%d %H:%M}"


def when(moment: float, now: float, zone: tzinfo | None = None) -> str:
    """``2026-11-20 19:53:31 (5 min ago)``."""
    return f"{local(moment, zone)} ({ago(moment, now)})"


def past(text: str, now: float, zone: tzinfo | None = None) -> float:
    """``2h`` (ago), ``2026-11-20`` or ``2026-11-20 08:00`` as epoch seconds.  UsageError for anything else."""
    if _AGO.match(text.strip()):
        return now - parse_duration(text.strip())
    return _moment(text, now, zone)


def future(text: str, now: float, zone: tzinfo | None = None) -> float:
    """``2h`` (from now), ``08:00`` (the next one), a date or a date with time, as epoch seconds.  UsageError else."""
    stripped = text.strip().removeprefix("+")
    if _AGO.match(stripped):
        return now + parse_duration(stripped)
    clock = _CLOCK.match(stripped)
    if clock is None:
        return _moment(text, now, zone)
    hour, minute, second = (int(part or 0) for part in clock.groups())
    here = datetime.fromtimestamp(now, UTC).astimezone(zone)
    wanted = here.replace(hour=hour, minute=minute, second=second, microsecond=0)
    if wanted.timestamp() <= now:
        wanted = _at(wanted.replace(tzinfo=None) + timedelta(days=1), zone)
    return wanted.timestamp()


def _moment(text: str, now: float, zone: tzinfo | None) -> float:
    try:
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo is not None else _at(moment, zone)).timestamp()
    except (ValueError, OverflowError):
        raise UsageError(
            "reading a time", f"{text!r} is no time", hint="write 2h, 2026-11-20 or '2026-11-20 08:00'"
        ) from None


def _at(moment: datetime, zone: tzinfo | None) -> datetime:
    """A wall-clock time in *zone*; the machine's is asked each time, as it differs between summer and winter."""
    return moment.astimezone() if zone is None else moment.replace(tzinfo=zone)
