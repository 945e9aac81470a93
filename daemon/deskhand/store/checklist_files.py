"""The files of checklists: the person's YAML in ``vault/checklists/``, and the notes with the results of runs.

A checklist that cannot be read is listed with what is wrong; it does not run.  Notes are pictures: what they say is on
record, so they are not synced.  What a person ticked in one is read back with the owner of the file.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from msgspec import Struct

from deskhand.core import checklist_file, holidays
from deskhand.core.checklist import Checklist
from deskhand.core.holidays import Holidays
from deskhand.core.strict_yaml import MAX_BYTES
from deskhand.errors import DeskhandError, StoreError, UsageError
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.recipe_files import read_bytes, sha256

NOTE_MAX = 1024 * 1024
"""Bytes of a note that are read back."""
_Identity = tuple[int, ...]


class Found(Struct, frozen=True):
    """A file in ``vault/checklists/``."""

    name: str
    checklist: Checklist | None
    """None exactly when there are *problems*."""
    sha256: str
    problems: tuple[str, ...] = ()
    """`<file>:<line>:<column>: <key>: <message>`."""


class Written(NamedTuple):
    """A note as it stands."""

    text: str
    uid: int
    """Owner of the file."""


class ChecklistFiles:
    """The checklists of a desk, and their notes."""

    def __init__(self, files: Files, desk: Desk, holidays: Path) -> None:
        self._files = files
        self._folder = desk.vault / "checklists"
        self._notes = desk.vault / "_deskhand" / "checklists"
        self._holidays = holidays
        self._cache: dict[str, tuple[_Identity, Found]] = {}
        self._closed: tuple[_Identity | None, Holidays] = (None, Holidays())

    def path(self, name: str) -> Path:
        """`vault/checklists/<name>.yaml`."""
        return self._folder / f"{name}.yaml"

    def look(self) -> Mapping[str, Found]:
        """Every checklist by name, sorted; files that did not change are not read again."""
        try:
            names = sorted(name for name in os.listdir(self._folder) if name.endswith(".yaml") and name[0] != ".")
        except FileNotFoundError:
            names = []
        except OSError as error:
            raise StoreError("listing checklists", error.strerror or str(error), path=self._folder) from error
        self._cache = {name: self._cached(name) for name in names}
        return MappingProxyType({name.removesuffix(".yaml"): found for name, (_, found) in self._cache.items()})

    def _cached(self, file: str) -> tuple[_Identity, Found]:
        path = self._folder / file
        identity = _identity(path)
        known = self._cache.get(file)
        return known if known is not None and known[0] == identity != () else (identity, self._read(path))

    def _read(self, path: Path) -> Found:
        name = path.name.removesuffix(".yaml")
        try:
            data = read_bytes(path)
        except (OSError, DeskhandError) as error:
            cause = error.cause if isinstance(error, DeskhandError) else error.strerror or str(error)
            return Found(name, None, "", (f"{path.name}: {cause}",))
        reading = checklist_file.read(data, name)
        problems = tuple(violation.at(path.name) for violation in reading.violations)
        return Found(name, reading.checklist, sha256(data), problems)

    def closed_days(self) -> tuple[Holidays, bool]:
        """The holidays, and whether they were read anew.  No file: none."""
        identity = _identity(self._holidays)
        if identity == self._closed[0]:
            return self._closed[1], False
        found = Holidays()
        if identity:
            try:
                found = holidays.read(read_bytes(self._holidays))
            except (OSError, DeskhandError) as error:
                raise StoreError("reading the holidays", str(error), path=self._holidays) from error
        self._closed = identity, found
        return found, True

    # -- notes -------------------------------------------------------------------------------------------------

    def note_path(self, note: str) -> Path:
        """`vault/_deskhand/checklists/<note>`."""
        return self._notes / note

    def free_note(self, day: str, name: str) -> str:
        """A name for the note of a new run that no note has: ``2026-11-20-morning.md``, ``2026-11-20-morning-2.md``."""
        number = 1
        while True:
            note = f"{day}-{name}.md" if number == 1 else f"{day}-{name}-{number}.md"
            if not os.path.lexists(self._notes / note):
                return note
            number += 1

    def read_note(self, note: str) -> Written | None:
        """A note as it stands, with its owner; None when it is gone, no regular file, or too long."""
        flags = os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            with open(os.open(self._notes / note, flags), "rb") as stream:
                about = os.fstat(stream.fileno())
                data = stream.read(NOTE_MAX + 1)
        except OSError:
            return None
        if not stat.S_ISREG(about.st_mode) or len(data) > NOTE_MAX:
            return None
        return Written(data.decode("utf-8", "replace"), about.st_uid)

    def note_identity(self, note: str) -> tuple[int, ...]:
        """Changes whenever the note does; empty when there is none."""
        return _identity(self._notes / note)

    def write_note(self, note: str, text: str) -> None:
        """Make the note say *text*.  StoreError when the disk refuses."""
        path = self._notes / note
        try:
            self._files.make_folder(self._notes, mode=0o755)
            self._files.write_atomic(path, text.encode("utf-8", "backslashreplace"), mode=0o644, sync=False)
        except OSError as error:
            raise StoreError("writing a checklist's note", error.strerror or str(error), path=path) from error


def read_one(desk: Desk, name: str) -> bytes:
    """The bytes of a checklist.  UsageError when there is none of that name."""
    path = desk.vault / "checklists" / f"{name}.yaml"
    if checklist_file.NAME.match(name) is None:
        raise UsageError("reading a checklist", f"{name!r} is no name of a checklist", hint="use a-z, 0-9 and '-'")
    try:
        return read_bytes(path, MAX_BYTES)
    except FileNotFoundError:
        hint = "deskhand checklist list"
        raise UsageError("reading a checklist", "there is no such checklist", path=path, hint=hint) from None
    except OSError as error:
        raise StoreError("reading a checklist", error.strerror or str(error), path=path) from error


def starter_checklists() -> dict[str, str]:
    """Name -> SHA-256 of every checklist that comes with deskhand."""
    folder = Path(__file__).parent.parent / "starter" / "vault" / "checklists"
    return {path.name.removesuffix(".yaml"): sha256(path.read_bytes()) for path in sorted(folder.glob("*.yaml"))}


def _identity(path: Path) -> _Identity:
    try:
        seen = os.lstat(path)
    except OSError:
        return ()
    return seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size, seen.st_ino
