"""What every layer knows of the operational log: four verbs, passed in as an argument.

An event is a short constant phrase; what varies goes into fields.  Payloads, secrets and file contents are never
logged; names are (escaped by the log itself).  The audit log is something else: see ``core.record``.
"""

from __future__ import annotations

from typing import Protocol


class Log(Protocol):
    """A logger with its context bound.  No call ever raises or waits for anything but the disk."""

    def debug(self, event: str, **fields: object) -> object:
        """Of use only when something is being looked into."""

    def info(self, event: str, **fields: object) -> object:
        """Something normal happened."""

    def warning(self, event: str, **fields: object) -> object:
        """Something needs attention and work goes on."""

    def error(self, event: str, **fields: object) -> object:
        """Something did not work."""


class NoLog:
    """A logger for short commands: what they have to say, they answer."""

    def debug(self, event: str, **fields: object) -> None:
        """Nothing."""

    def info(self, event: str, **fields: object) -> None:
        """Nothing."""

    def warning(self, event: str, **fields: object) -> None:
        """Nothing."""

    def error(self, event: str, **fields: object) -> None:
        """Nothing."""
