"""The named facts about a desk that checks are made of: one closed registry of names, units and meanings.

What is measured is in ``engine.facts``.  A fact that cannot be had is *unknown*, with the reason, and never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

from msgspec import Struct

from deskhand.core.state import TERMINAL, State
from deskhand.core.units import show_duration, show_size

Value: TypeAlias = float | int | bool | str
Unit = Literal["count", "seconds", "bytes", "percent", "text", "truth"]


class Described(Struct, frozen=True):
    """A fact with a name."""

    unit: Unit
    meaning: str


class Fact(Struct, frozen=True):
    """What was found: a value, or why there is none."""

    value: Value | None = None
    unknown: str | None = None
    """Why the value is not known; set exactly when *value* is None."""


_TASKS = {
    f"tasks.{state.value}": Described("count", f"Tasks that are {state.value.replace('_', ' ')} now.")
    for state in State
    if state not in TERMINAL
}

FACTS: Mapping[str, Described] = MappingProxyType(
    {
        **_TASKS,
        "tasks.oldest_pending_s": Described(
            "seconds", "Age of the oldest task that may be started; 0 when there is none."
        ),
        "tasks.overdue": Described("count", "Attempts that run longer than their timeout and a minute."),
        "tasks.completed_today": Described("count", "Tasks completed since midnight, local time."),
        "tasks.failed_today": Described("count", "Tasks failed, quarantined or lost since midnight, local time."),
        "approvals.waiting": Described("count", "Requests that nobody has answered, those in doubt included."),
        "approvals.oldest_s": Described("seconds", "Age of the oldest unanswered request; 0 when there is none."),
        "intake.stalled": Described("count", "Drops that stay unfinished."),
        "desk.paused": Described("text", "`no`, `intake` (draining) or `all`."),
        "disk.free_bytes": Described("bytes", "Free on the disk of `queue/`, for this user."),
        "disk.free_percent": Described("percent", "The same, of the disk's size."),
        "disk.inodes_free": Described(
            "count", "Files that can still be made there; unknown where the disk has no limit."
        ),
        "audit.ok": Described("truth", "Whether the whole audit log verifies, up to its head."),
        "backup.verified_age_s": Described("seconds", "Age of the newest verified backup."),
        "drill.good_age_s": Described("seconds", "Age of the last recovery drill that went well."),
        "scheduler.lag_s": Described("seconds", "How late the last scheduled work began."),
        "scheduler.missed_today": Described("count", "Scheduled times missed since midnight, local time."),
        "clock.confirmed": Described("truth", "False after a jump of the clock that nobody has confirmed."),
        "watcher.mode": Described("text", "`events`, or `scan only` when folders are only looked at."),
    }
)
"""Name -> what it is."""


def shown(metric: str, value: Value) -> str:
    """A value as people read it."""
    unit = FACTS[metric].unit
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    match unit:
        case "seconds":
            return show_duration(round(value)) if value >= 1 else f"{value:.3g}s"
        case "bytes":
            return _size(value)
        case "percent":
            return f"{value:.1f} %"
        case _:
            return f"{value:g}"


def _size(value: float) -> str:
    exact = show_size(int(value))
    if not exact.isdigit() or value < 10_000:
        return exact
    for unit, factor in (("GB", 1000**3), ("MB", 1000**2), ("kB", 1000)):
        if value >= factor:
            return f"{value / factor:.1f}{unit}"
    return exact
