"""Notes of incidents: ``vault/_deskhand/incidents/<id>.md``, written once and then the person's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from deskhand.errors import StoreError
from deskhand.store.desk import Desk
from deskhand.store.files import Files

MAX_BYTES = 4 * 1024**2
"""A note that has become larger is left as it is."""


class IncidentNotes:
    """The notes of one desk."""

    def __init__(self, files: Files, desk: Desk) -> None:
        self._files = files
        self._folder = desk.vault / "_deskhand" / "incidents"

    def path(self, incident: str) -> Path:
        """Where the note of an incident stands."""
        return self._folder / f"{incident}.md"

    def write(self, incident: str, text: str) -> Path:
        """Make the note, durably; one that is there is kept.  StoreError when the disk refuses."""
        path = self.path(incident)
        try:
            missing = [folder for folder in (self._folder, *self._folder.parents) if not folder.exists()]
            self._files.make_folder(self._folder, mode=0o755)
            self._files.create(path, text.encode("utf-8", "backslashreplace"), mode=0o644)
            self._files.fsync_folders([self._folder, *(folder.parent for folder in missing)])
        except FileExistsError:
            pass
        except OSError as error:
            raise StoreError("writing an incident's note", error.strerror or str(error), path=path) from error
        return path

    def revise(self, incident: str, change: Callable[[str], str]) -> Path | None:
        """Replace the note's text by what *change* makes of it; None when there is no note that can be changed.

        StoreError when the disk refuses.
        """
        path = self.path(incident)
        try:
            if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_BYTES:
                return None
            before = path.read_text("utf-8")
            after = change(before)
            if after != before:
                self._files.write_atomic(path, after.encode(), mode=0o644)
        except UnicodeDecodeError:
            return None
        except OSError as error:
            raise StoreError("writing an incident's note", error.strerror or str(error), path=path) from error
        return path
