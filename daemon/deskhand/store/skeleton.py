"""A fresh desk: the folders and starter files that ``deskhand init`` makes.

What is in it comes from ``deskhand/starter/`` (a picture of a desk) and the list of folders below.  Writing never
overwrites: a file that is there, whatever it says, belongs to the person.  The audit log, its genesis and its keys
are not part of the skeleton.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files as resources
from importlib.resources.abc import Traversable
from pathlib import Path

from deskhand.core.state import STATE_FOLDERS
from deskhand.errors import StoreError
from deskhand.store.files import Files

KEEP = ".deskhand-keep"
"""Holds an otherwise empty folder in version control and archives; a name that is never a drop nor a foreign file."""
_KEEP_TEXT = b"Keeps this folder where empty folders get lost. deskhand ignores it.\n"

FOLDERS = (
    *("watch_inbox", "watch_inbox/hand-over", "vault/Notes", "vault/recipes/drafts"),
    *(f"queue/{name}" for name in STATE_FOLDERS),
)
"""Folders that have to be seen even while they are empty."""

_NOT_OURS = ("__pycache__", "__init__.py")


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the skeleton."""

    path: str
    """Relative, `/`-separated."""
    data: bytes
    mode: int


def entries() -> tuple[Entry, ...]:
    """Every file of a fresh desk, sorted by path.  Blessed recipes are read-only, everything else is the owner's."""
    kept = [Entry(f"{folder}/{KEEP}", _KEEP_TEXT, 0o644) for folder in FOLDERS]
    return tuple(sorted([*kept, *_starter(resources("deskhand") / "starter", "")], key=lambda entry: entry.path))


def write(files: Files, folder: Path) -> tuple[str, ...]:
    """Make a fresh desk in *folder* (made if missing) and return the paths that were written.

    What exists is left alone, so calling it again repairs a desk.  Durable when it returns.  StoreError with the
    path when the disk refuses.
    """
    written: list[str] = []
    touched = [part.parent for part in (folder, *folder.parents) if not part.exists()]
    path = folder
    try:
        files.make_folder(folder, mode=0o755)
        for entry in entries():
            path = folder / entry.path
            _make_folders(files, folder, path.parent, touched)
            try:
                files.create(path, entry.data, mode=entry.mode)
            except FileExistsError:
                continue
            written.append(entry.path)
            touched.append(path.parent)
        files.fsync_folders(reversed(touched))
    except OSError as error:
        raise StoreError("making a desk", error.strerror or str(error), path=path) from error
    return tuple(written)


def _make_folders(files: Files, top: Path, folder: Path, touched: list[Path]) -> None:
    for part in [*reversed(folder.relative_to(top).parents), folder.relative_to(top)]:
        made = top / part
        if not made.is_dir():
            # queue/ holds other people's documents; the rest is as open as the umask lets it be.
            files.make_folder(made, mode=0o700 if part.parts[:1] == ("queue",) else 0o755)
            touched.append(made.parent)


def _starter(place: Traversable, prefix: str) -> list[Entry]:
    found: list[Entry] = []
    for item in place.iterdir():
        path = f"{prefix}{item.name}"
        if item.name in _NOT_OURS:
            continue
        if item.is_dir():
            found += _starter(item, f"{path}/")
        else:
            mode = 0o444 if path.startswith("vault/recipes/blessed/") else 0o644
            found.append(Entry(path, item.read_bytes(), mode))
    return found
