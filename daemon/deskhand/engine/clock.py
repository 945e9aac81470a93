"""The real clocks."""

from __future__ import annotations

import time


class SystemClock:
    """``core.clock.Clock`` on this machine."""

    def wall(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic_ns(self) -> int:
        """Nanoseconds since some start."""
        return time.monotonic_ns()
