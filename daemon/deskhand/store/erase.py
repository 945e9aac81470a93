"""Erasing what a desk has of one finished task: its files, wherever they stand, and its id and names in what we wrote.

Rules: nothing of the audit log is touched, nothing in the vault but our own corner, and nothing in ``backups/``.  It
can be repeated after a crash: the task file, which alone knows the names and the salt, goes last.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from msgspec import Struct

from deskhand.core.names import Part, is_id, key_of, visible
from deskhand.core.state import STATE_FOLDERS
from deskhand.core.task import TaskFile
from deskhand.store import task_files
from deskhand.store.desk import Desk
from deskhand.store.files import Files, FsyncError
from deskhand.store.removal import by_day, discard, size
from deskhand.store.scrub import Traces, scrub_log, scrub_note

_PASSES = 5
"""How often the operational log is looked through while it is rotated under us."""


class Kept(Struct, frozen=True):
    """What a desk has of one task."""

    key: str
    paths: tuple[Path, ...]
    """Its files, task files last."""
    described: TaskFile | None
    """Its description, unchecked."""

    @property
    def names(self) -> tuple[str, ...]:
        """What was dropped, as it was called: the drop itself, the files in a folder, and its own `key:`."""
        if self.described is None:
            return ()
        inner = [name for entry in self.described.files if entry.path for name in (entry.path, _base(entry.path))]
        return tuple(dict.fromkeys([self.described.name, self.described.original_name, *inner]))

    @property
    def bytes(self) -> int:
        """Of all its files."""
        return sum(size(path)[1] for path in self.paths)


def _base(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def look(desk: Desk, key: str) -> Kept:
    """Everything that stands below ``queue/``, or in our corner of the vault, under the task's id.  OSError."""
    found = sorted(_standing(desk, key), key=lambda path: (path.name.endswith(f".{Part.TASK}"), path))
    described = next((one for path in reversed(found) if (one := task_files.peek(path)) is not None), None)
    return Kept(key, tuple(found), described)


def _standing(desk: Desk, key: str) -> Iterator[Path]:
    states = [desk.folder(name) for name in STATE_FOLDERS]
    days = [day for folder in states for day in by_day(folder)]
    folders = (desk.accepted, desk.dropped, desk.removing, desk.requests, *states, *days)
    for folder in folders:
        for entry in _listed(folder):
            identifier = os.path.basename(entry).partition(".")[0]
            if is_id(identifier) and key_of(identifier) == key:
                yield Path(entry)
    for entry in _listed(desk.work):
        if os.path.basename(entry).startswith(f"{key}-"):
            yield Path(entry)
    traces = Traces(key)
    for path in (desk.vault / "_deskhand").rglob("*"):
        if traces.has_id(path.name) or key in path.name:
            yield path


def _listed(folder: Path) -> list[str]:
    try:
        return [os.path.join(folder, name) for name in os.listdir(folder)]
    except FileNotFoundError:
        return []


def erase(files: Files, desk: Desk, kept: Kept) -> list[str]:
    """Erase it; what could not be erased, as sentences.  FsyncError is passed on."""
    problems: list[str] = []
    traces = Traces(kept.key, kept.names)
    for path in sorted((desk.vault / "_deskhand").rglob("*.md")):
        _try(problems, path, partial(scrub_note, files, path, traces))
    for _ in range(_PASSES):
        logs = sorted(desk.logs.glob("deskhand.log*"))
        if not sum([_try(problems, path, partial(scrub_log, files, path, traces)) for path in logs]):
            break
    for path in kept.paths:
        if problems and path.name.endswith(f".{Part.TASK}"):
            return problems  # it is needed to try again
        _try(problems, path, partial(discard, files, path))
    for folder in dict.fromkeys(path.parent for path in kept.paths):
        with suppress(FileNotFoundError):
            files.fsync_folder(folder)
    return problems


def _try(problems: list[str], path: Path, call: Callable[[], int | bool | None]) -> int:
    """What *call* returns as a number; an error becomes one of the *problems*."""
    try:
        return int(call() or 0)
    except FsyncError:
        raise
    except OSError as error:
        problems.append(f"{visible(path.name)}: {error.strerror or error}")
        return 0
