"""A pause that the intake makes by itself when the desk has trouble, and ends by itself."""

from __future__ import annotations

import os

from deskhand.engine.intake_facts import EVERY_INBOX, InboxChange

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
"""Seconds; each pause is twice the one before."""


class Hold:
    """Doubling pauses; told once when they begin and once when they end."""

    def __init__(self) -> None:
        self.until = 0.0
        """Monotonic seconds before which nothing is tried."""
        self._pause = 0.0
        self._changes: list[InboxChange] = []

    @property
    def held(self) -> bool:
        """Whether the last attempt failed."""
        return self._pause > 0

    def failed(self, error: OSError, now: float) -> None:
        """The desk had trouble."""
        if not self.held:
            reason = f"nothing is taken for now: {error.strerror or os.strerror(error.errno or 0)}"
            self._changes.append(InboxChange(EVERY_INBOX, degraded=True, reason=reason))
        self._pause = min(LONGEST_PAUSE, self._pause * 2 or FIRST_PAUSE)
        self.until = now + self._pause

    def worked(self) -> None:
        """A drop was taken."""
        if self.held:
            self._changes.append(InboxChange(EVERY_INBOX, degraded=False, reason="drops can be taken again"))
        self._pause = self.until = 0.0

    def changes(self) -> list[InboxChange]:
        """What is to be told, once."""
        told, self._changes = self._changes, []
        return told
