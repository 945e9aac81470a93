"""Places of a desk that others than its owner can change or read, though they should not.

Only what every user can do counts: that a group may write is how people share a desk.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from deskhand.core.state import STATE_FOLDERS
from deskhand.store.desk import Desk


class Loose(Struct, frozen=True):
    """One place, relative to the desk, and what is wrong with it."""

    path: str
    reason: str


def loose(desk: Desk) -> list[Loose]:
    """What is too open.  What is not there is not; OSError when a place cannot be looked at."""
    return list(_found(desk))


def _found(desk: Desk) -> Iterator[Loose]:
    folders = [desk.root, desk.queue, *(desk.folder(name) for name in STATE_FOLDERS), desk.audit, desk.recipes]
    for path in [*folders, desk.recipes / "blessed", desk.config]:
        found = _stat(path)
        if found is None:
            continue
        shown = "." if path == desk.root else str(path.relative_to(desk.root))
        if found.st_mode & stat.S_IWOTH:
            yield Loose(shown, "every user can change it")
        if hasattr(os, "geteuid") and found.st_uid not in (os.geteuid(), 0):
            yield Loose(shown, f"it belongs to the user with the id {found.st_uid}")
    secret = _stat(desk.salt)
    if secret is not None and secret.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield Loose(str(desk.salt.relative_to(desk.root)), "others can read the desk's secret")
    inbox = _stat(desk.inbox)
    if inbox is not None and inbox.st_mode & stat.S_IWOTH and not inbox.st_mode & stat.S_ISVTX:
        yield Loose(desk.inbox.name, "every user can take away what others dropped")


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None
