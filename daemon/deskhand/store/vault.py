"""deskhand's own corner of the vault: ``vault/_deskhand/``.

Notes there are rendered elsewhere and rewritten here only when they say something new, so that a sync tool and an
open editor see no needless change.  Everything else in the vault belongs to the person: ``Dashboard.md`` is written
once with the desk (see ``store.skeleton``) and embeds the status note.  These notes are pictures; losing one loses
nothing, so nothing here is synced to the disk.
"""

from __future__ import annotations

from pathlib import Path

from deskhand.errors import StoreError
from deskhand.store.desk import Desk
from deskhand.store.files import Files


class Vault:
    """Writer of ``vault/_deskhand/``."""

    def __init__(self, files: Files, desk: Desk) -> None:
        self._files = files
        self._folder = desk.vault / "_deskhand"

    @property
    def status(self) -> Path:
        """`vault/_deskhand/status.md`."""
        return self._folder / "status.md"

    def write_status(self, text: str) -> bool:
        """Make the status note say *text*; False when it already did.  StoreError when the disk refuses."""
        return self._write(self.status, text)

    def write_dashboard(self, name: str, text: str) -> bool:
        """Make `vault/_deskhand/<name>.md` say *text*; False when it already did.  StoreError when the disk refuses."""
        return self._write(self._folder / f"{name}.md", text)

    def _write(self, path: Path, text: str) -> bool:
        data = text.encode("utf-8", "backslashreplace")
        try:
            if _read(path, len(data) + 1) == data:
                return False
            self._files.make_folder(self._folder, mode=0o755)
            self._files.write_atomic(path, data, mode=0o644, sync=False)
        except OSError as error:
            raise StoreError(f"writing {path.name}", error.strerror or str(error), path=path) from error
        return True


def _read(path: Path, limit: int) -> bytes | None:
    """At most *limit* bytes of a regular file; None when there is none (a link is replaced, not followed)."""
    if path.is_symlink() or not path.is_file():
        return None
    with path.open("rb") as stream:
        return stream.read(limit)
