"""Maintenance windows: whether one is open, until when, and what it mutes."""

from __future__ import annotations

from datetime import tzinfo

from msgspec import Struct

from deskhand.core.settings import Window
from deskhand.engine.cron import Cron

SEVERITIES = ("P0", "P1", "P2", "P3")


class Open(Struct, frozen=True):
    """A window that is open."""

    name: str
    reason: str
    until: float
    """Epoch seconds."""
    mutes_from: str


class Maintenance:
    """The windows of a desk.  ConfigError when the times of one never come."""

    def __init__(self, windows: tuple[Window, ...], zone: tzinfo) -> None:
        self._windows = [(window, Cron(window.cron, zone)) for window in windows]
        self._known: tuple[float, float, Open | None] = (0.0, 0.0, None)
        """From when to when the answer holds, and the answer."""

    def at(self, now: float) -> Open | None:
        """The window that is open and lasts longest; None when none is."""
        if not self._windows:
            return None
        start, end, found = self._known
        if not start <= now < end:
            found = self._look(now)
            self._known = now, found.until if found is not None else self._next_begin(now), found
        return found

    def _look(self, now: float) -> Open | None:
        found: list[Open] = []
        for window, cron in self._windows:
            begun = _up_to(cron, now - window.length, now)
            if begun:
                found.append(Open(window.name, window.reason, begun[-1] + window.length, window.mutes_from))
        return max(found, key=lambda each: each.until, default=None)

    def _next_begin(self, now: float) -> float:
        following = (next(cron.after(now), None) for _, cron in self._windows)
        return min((moment for moment in following if moment is not None), default=float("inf"))

    def next_change(self, now: float) -> float | None:
        """Epoch seconds at which a window opens or ends next; None when there are no windows."""
        if not self._windows:
            return None
        self.at(now)
        return self._known[1]

    def mutes(self, severity: str, now: float) -> bool:
        """Whether an alert of this severity (`P0`-`P3`) is muted now."""
        found = self.at(now)
        if found is None or found.mutes_from == "none":
            return False
        return SEVERITIES.index(severity) >= SEVERITIES.index(found.mutes_from)


def _up_to(cron: Cron, after: float, until: float) -> list[float]:
    found = []
    for moment in cron.after(after):
        if moment > until:
            break
        found.append(moment)
    return found
