"""The desk's secret: what keeps the hashes of names that belong to no task from being found out by trying.

It lies in ``queue/.salt``, outside the log, and stays the same for as long as the file is there, so that one `key:` has
one hash in all runs of the daemon.  When it is lost a new one is made: what was hashed with the old one is then no more
found, and can no more be guessed either.
"""

from __future__ import annotations

import os
import secrets

from msgspec import Struct

from deskhand.errors import StoreError
from deskhand.store.desk import Desk
from deskhand.store.files import Files, FsyncError

SIZE = 32
"""Bytes."""


class DeskSalt(Struct, frozen=True):
    """What ``core.task.commitment`` is called with for names that have no task file."""

    text: str
    """Hex digits."""
    new: bool
    """It was made just now: older hashes cannot be compared with any more."""


def load(files: Files, desk: Desk) -> DeskSalt:
    """The desk's secret; made, durably, when there is none or no whole one.  StoreError when it can be neither read
    nor written."""
    try:
        data = _read(desk)
        if data is not None:
            return DeskSalt(data.hex(), new=False)
        data = secrets.token_bytes(SIZE)
        files.write_atomic(desk.salt, data)
    except FsyncError:
        raise
    except OSError as error:
        raise StoreError("reading the desk's secret", error.strerror or str(error), path=desk.salt) from error
    return DeskSalt(data.hex(), new=True)


def _read(desk: Desk) -> bytes | None:
    if desk.salt.is_symlink() or not desk.salt.is_file():
        return None
    fd = os.open(desk.salt, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0))
    try:
        data = os.read(fd, SIZE + 1)
    finally:
        os.close(fd)
    return data if len(data) == SIZE else None
