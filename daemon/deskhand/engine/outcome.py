"""What an attempt reports back to the deciding thread."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from deskhand.core.event import Usage


class Finished(Struct, frozen=True):
    """An attempt of task *key* is over, its files (if any) are durable beside the task."""

    key: str
    attempt: int
    result: Literal["ok", "failed", "unready", "cut", "drained", "cancelled", "damaged"]
    """As in ``core.event.Ended``; `damaged`: it was not run because its files are not those on record."""
    reason: str | None = None
    usage: Usage = Usage()
    results: tuple[str, ...] = ()
    """SHA-256 of each result."""
    names: tuple[str, ...] = ()
    """Files that now stand beside the task."""


class Handed(Struct, frozen=True):
    """Delivery of task *key*'s results succeeded, or did not."""

    key: str
    targets: tuple[dict[str, str], ...] = ()
    """`path_commit` (salted) and `sha256` of each."""
    problem: str | None = None
    given_up: str | None = None
    """Why the problem stays however often it is tried: goes on record, so it names no path."""


Report = Finished | Handed
