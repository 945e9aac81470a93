"""A disk that stops or fails at a chosen call."""

from __future__ import annotations

import os
from collections.abc import Callable

from deskhand.store.files import Files, StrPath


class Crash(BaseException):
    """The process ended here, as far as the test is concerned; nothing after it may have an effect."""


class FaultyFiles(Files):
    """Counts the calls that change the disk; at number *at* (from 1) it crashes, or raises *error* instead."""

    def __init__(
        self,
        at: int | None = None,
        error: int | None = None,
        *,
        only: Callable[[str, StrPath | int], bool] = lambda operation, path: True,
    ) -> None:
        self.at = at
        self.error = error
        self.only = only
        self.calls: list[str] = []
        self.fired = False

    def before(self, operation: str, path: StrPath | int) -> None:
        """Count, and fail where told; after a crash every further call crashes too."""
        if self.fired and self.error is None:
            raise Crash
        if not self.only(operation, path):
            return
        self.calls.append(f"{operation} {path}")
        if len(self.calls) == self.at:
            self.fired = True
            if self.error is None:
                raise Crash
            raise OSError(self.error, os.strerror(self.error))
