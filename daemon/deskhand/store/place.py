"""Where a drop stands: inbox, routing folder, name.

It says what the paths are and does not look at the disk.
"""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct


class Place(Struct, frozen=True):
    """Where a drop stands."""

    inbox: str
    """Name of the inbox."""
    root: Path
    """The inbox folder."""
    route: str | None
    name: str
    copy_only: bool = False
    """True for polled inboxes: never renamed from."""

    @property
    def key(self) -> tuple[str, str | None, str]:
        """What tells it from every other place: inbox, route, name."""
        return self.inbox, self.route, self.name

    @property
    def text(self) -> str:
        """The drop's own path, as text."""
        middle = f"{self.route}{os.sep}" if self.route else ""
        return f"{self.root}{os.sep}{middle}{self.name}"

    @property
    def path(self) -> Path:
        """The drop's own path."""
        return Path(self.text)

    @property
    def parent(self) -> Path:
        """The folder it is in."""
        return self.root / self.route if self.route else self.root
