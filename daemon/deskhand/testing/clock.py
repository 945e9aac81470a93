"""A clock that moves only when told."""

from __future__ import annotations


class FakeClock:
    """``core.clock.Clock`` under a test's control."""

    def __init__(self, wall: float = 1_790_000_000.0, monotonic_ns: int = 1_000_000_000) -> None:
        self._wall = wall
        self._monotonic_ns = monotonic_ns

    def wall(self) -> float:
        """Seconds since the epoch."""
        return self._wall

    def monotonic_ns(self) -> int:
        """Nanoseconds, never going back."""
        return self._monotonic_ns

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self._wall += seconds
        self._monotonic_ns += int(seconds * 1e9)

    def step(self, seconds: float) -> None:
        """Set the wall clock forward or back without time passing."""
        self._wall += seconds
