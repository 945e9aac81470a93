"""What crashes and finished work leave behind: temporary files of ours, half copies, working folders, rotated logs.

Only what has not changed for a while counts, so nothing that is just being written does.  It only reads.
"""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterator
from pathlib import Path

from msgspec import Struct

from deskhand.store.desk import Desk

_ROTATED = re.compile(r"deskhand\.log\.\d+\Z")
_WORKING = re.compile(r"(\d{8}-\d{6}-[a-z2-7]{6})-\d+\Z")


class Leftover(Struct, frozen=True):
    """Something that may go."""

    path: Path
    files: int
    bytes: int
    changed: float
    """Epoch seconds of the newest change in it."""


def temporary(desk: Desk, before: float, busy: Container[str]) -> Iterator[Leftover]:
    """Our temporary files that did not change since *before* (epoch seconds).

    *busy*: keys of the tasks that are being run, whose working folders stay.
    """
    ours = [desk.queue, desk.requests, desk.approvals, desk.audit, desk.vault / "_deskhand"]
    paths = [path for folder in ours for path in _names(folder) if _is_temporary(path.name)]
    paths += _names(desk.partial)
    paths += [path for path in _names(desk.dropped) if path.name.startswith(".") and path.name.endswith(".partial")]
    for path in _names(desk.work):
        found = _WORKING.match(path.name)
        if found is not None and found[1] not in busy:
            paths.append(path)
    yield from _old(paths, before)


def rotated(desk: Desk, before: float) -> Iterator[Leftover]:
    """Rotated operational logs that were last written before *before* (epoch seconds)."""
    yield from _old([path for path in _names(desk.logs) if _ROTATED.match(path.name)], before, by_content=True)


def _is_temporary(name: str) -> bool:
    return name.startswith(".deskhand-") and name.endswith(".tmp")


def _names(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _old(paths: list[Path], before: float, *, by_content: bool = False) -> Iterator[Leftover]:
    for path in paths:
        try:
            found = _survey(path, by_content=by_content)
        except FileNotFoundError:
            continue  # it was in use after all
        if found.changed < before:
            yield found


def _survey(path: Path, *, by_content: bool) -> Leftover:
    """*by_content*: a rotated log is renamed again and again; only what was written counts."""
    own = path.lstat()
    files, total, changed = 0, 0, own.st_mtime if by_content else max(own.st_mtime, own.st_ctime)
    if not path.is_dir() or path.is_symlink():
        return Leftover(path, 1, own.st_size, changed)
    for where, folders, names in os.walk(path):
        for name in (*folders, *names):
            status = Path(where, name).lstat()
            changed = max(changed, status.st_mtime, status.st_ctime)
            if name in names:
                files, total = files + 1, total + status.st_size
    return Leftover(path, files, total, changed)
