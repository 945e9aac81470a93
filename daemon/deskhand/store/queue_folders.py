"""The state folders: what stands in them, and moving a task's files from one to the other.

A task's files share a stem, its id, and move together.  A move is repeatable: a file that is already where it should
be is left there, so recovery simply moves again.  Nothing is ever replaced: a foreign file that has the name of one of
ours is moved out of the way first.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from deskhand.core.names import member
from deskhand.core.state import STATE_FOLDERS
from deskhand.store.desk import Desk
from deskhand.store.drop_file import DROP_FILE
from deskhand.store.files import Files
from deskhand.store.staging import remove_if_empty


class QueueFolders:
    """`queue/<state>/` of one desk."""

    def __init__(self, files: Files, desk: Desk) -> None:
        self._files = files
        self._desk = desk

    def ensure(self) -> None:
        """Make what is missing; a person may have removed an empty folder."""
        desk = self._desk
        hidden = (desk.partial, desk.claimed, desk.accepted, desk.dropped, desk.requests, desk.work)
        for path in (*(desk.folder(name) for name in STATE_FOLDERS), *hidden):
            self._files.make_folder(path)

    def names(self, folder: str) -> Iterator[str]:
        """The names in a state folder, hidden ones and READMEs left out, in no order."""
        with os.scandir(self._desk.folder(folder)) as entries:
            for entry in entries:
                if not entry.name.startswith(".") and entry.name != "README.md":
                    yield entry.name

    def kinds(self, folder: str) -> Iterator[tuple[str, bool]]:
        """Like :meth:`names`, each with whether it is a folder."""
        with os.scandir(self._desk.folder(folder)) as entries:
            for entry in entries:
                if not entry.name.startswith(".") and entry.name != "README.md":
                    yield entry.name, entry.is_dir(follow_symlinks=False)

    def staged(self) -> Iterator[str]:
        """The names of accepted drops that are not placed yet."""
        with os.scandir(self._desk.accepted) as entries:
            for entry in entries:
                yield entry.name

    def holds_claims(self) -> bool:
        """Whether anything that was claimed or handed in stands in the staging area."""
        return any(next(folder.iterdir(), None) for folder in (self._desk.claimed, self._desk.dropped))

    def modified(self, folder: str) -> int:
        """When names in the folder last changed (ns); changes whenever a scan could see something new."""
        return self._desk.folder(folder).stat().st_mtime_ns

    def exists(self, folder: str, name: str) -> bool:
        """Whether *name* stands in *folder* (never following a link)."""
        return os.path.lexists(f"{self._desk.folder(folder)}/{name}")

    def move(self, names: Iterable[str], source: Path, folder: str) -> tuple[str, ...]:
        """Move files into a state folder; the names that are in neither place are returned."""
        return tuple(name for name in names if not self.bring(f"{source}{os.sep}{name}", name, folder))

    def bring(self, path: str, name: str, folder: str) -> bool:
        """Move what stands at *path* into a state folder, as *name*; False when it is in neither place."""
        target = f"{self._desk.folder(folder)}{os.sep}{name}"
        try:
            self._files.rename(path, target)
        except FileNotFoundError:
            return os.path.lexists(target)
        except FileExistsError:
            if os.path.lexists(path):
                self.set_aside(folder, name)
                self._files.rename(path, target)
        return True

    def tidy_staging(self, folders: Iterable[Path]) -> None:
        """Remove the folders that payloads came from, where nothing is left.  What cannot be removed is found again."""
        for folder in folders:
            with suppress(OSError):
                if folder.parent == self._desk.dropped:
                    self._files.unlink(folder / DROP_FILE)
                if folder != self._desk.claimed:
                    remove_if_empty(self._files, folder)

    def rename(self, source: Path, target: Path) -> None:
        """Give one file its right name again; nothing happens when that name is taken or the file is gone."""
        with suppress(FileNotFoundError, FileExistsError):
            self._files.rename(source, target)

    def set_aside(self, folder: str, name: str) -> Path:
        """Move something that is not ours to `failed/<name>.foreign` (never run, never replaced); its new path."""
        failed = self._desk.folder("failed")
        base = name if len(os.fsencode(name)) <= 240 else name[:100]
        number = 1
        while True:
            target = failed / f"{base}.foreign{'' if number == 1 else f'-{number}'}"
            try:
                self._files.rename(self._desk.folder(folder) / name, target)
            except FileExistsError:
                number += 1
            else:
                return target

    def file_by_day(self, before: float) -> None:
        """Move completed tasks that were received before *before* (epoch seconds) to `completed/YYYY-MM-DD/`."""
        completed = self._desk.folder("completed")
        limit = f"{datetime.fromtimestamp(before, UTC):%Y%m%d}"
        for name in list(self.names("completed")):
            part = member(name)
            if part is None or part.id[:8] >= limit:
                continue
            day = completed / f"{part.id[:4]}-{part.id[4:6]}-{part.id[6:8]}"
            self._files.make_folder(day)
            self.rename(completed / name, day / name)

    def sync(self) -> None:
        """Make the names in all state folders durable (before a snapshot lets recovery start later)."""
        for name in STATE_FOLDERS:
            self._files.fsync_folder(self._desk.folder(name))
