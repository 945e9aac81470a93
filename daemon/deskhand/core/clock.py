"""The two clocks, as an argument."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """What the store and the engine know of time."""

    def wall(self) -> float:
        """Seconds since the epoch; may jump."""

    def monotonic_ns(self) -> int:
        """Nanoseconds of a clock that never goes back; it should go on while the machine is asleep."""
