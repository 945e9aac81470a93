"""What the watcher and the intake report besides drops: plain facts, each told once."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from deskhand.core.task import Source

Identity = tuple[int, int]
"""Device and inode."""
EVERY_INBOX = "*"
"""In place of an inbox's name when the desk as a whole is concerned."""


class Taken(Struct, frozen=True, forbid_unknown_fields=True):
    """A drop that is on record."""

    inbox: str
    source: Source
    input_sha256: str

    @property
    def identity(self) -> Identity:
        """Of the original."""
        return self.source.dev, self.source.ino


class InboxChange(Struct, frozen=True):
    """An inbox, or the noticing of changes in it, works less well or well again."""

    inbox: str
    degraded: bool
    reason: str


class Refused(Struct, frozen=True):
    """A drop that was not taken as it is, or that could not be tidied away."""

    inbox: str
    name: str
    """Undecodable bytes kept as surrogates."""
    reason: str
    bytes: int


class StalledDrop(Struct, frozen=True):
    """A drop that has been unfinished for longer than `intake.stalled_after`."""

    inbox: str
    name: str
    """Undecodable bytes kept as surrogates."""
    path: Path
    since: float
    """Epoch seconds: when it was first seen."""

    def __str__(self) -> str:
        return str(self.path)


class ScanResult(Struct, frozen=True):
    """What one scan did."""

    handed_out: int
    """Drops given to the workers."""
    waiting: int
    """Drops seen and not finished yet."""
    complete: bool
    """Whether every local inbox was listed to its end."""
    changes: tuple[InboxChange, ...] = ()
