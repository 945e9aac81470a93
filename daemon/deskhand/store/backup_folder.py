"""``backups/``: who may write there now, what stands there, and giving an archive its name.

One backup is made or pruned at a time: whoever does holds a lock on the folder, which the system gives back however the
process ends.  So what is unfinished there while the lock is ours was left by somebody who is gone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from msgspec import Struct

from deskhand.core.backup_name import AGE, PARTIAL, backup_name, created, is_partial, order
from deskhand.errors import HeldError
from deskhand.store.desk import Desk
from deskhand.store.files import Files

if sys.platform != "win32":
    import fcntl

BLOCK = 1 << 20


class Archive(Struct, frozen=True):
    """A finished backup that stands in a folder."""

    name: str
    created: float
    """Epoch seconds, from its name."""
    bytes: int


@contextmanager
def held(files: Files, desk: Desk, operation: str) -> Iterator[Path]:
    """The folder, ours for as long as this lasts.  HeldError when somebody else is at it; OSError from the disk."""
    if not desk.backups.is_dir():
        files.make_folder(desk.backups)
        files.fsync_folder(desk.root)
    fd = os.open(desk.backups, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0))
    try:
        if sys.platform != "win32":
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                cause = "another backup is being made or pruned"
                raise HeldError(operation, cause, path=desk.backups, hint="try again when it is over") from None
        yield desk.backups
    finally:
        os.close(fd)


def sweep(files: Files, folder: Path) -> list[str]:
    """Remove what is unfinished; only for whoever holds the folder.  The names that are gone."""
    gone = [name for name in sorted(os.listdir(folder)) if is_partial(name)]
    for name in gone:
        files.unlink(folder / name)
    return gone


def free_name(folder: Path, now: float) -> str:
    """A name for a backup begun at *now* that neither a plain nor an encrypted one has."""
    number = 1
    while True:
        name = backup_name(now, number)
        if not any(os.path.lexists(folder / f"{name}{end}") for end in ("", AGE, PARTIAL, AGE + PARTIAL)):
            return name
        number += 1


def listing(folder: Path) -> list[Archive]:
    """Every finished backup in *folder*, newest first; none when there is no such folder."""
    found = []
    with suppress(FileNotFoundError):
        for name in os.listdir(folder):
            moment = created(name)
            if moment is None:
                continue
            with suppress(FileNotFoundError):
                about = os.lstat(folder / name)
                if os.path.isfile(folder / name) and not os.path.islink(folder / name):
                    found.append(Archive(name, moment, about.st_size))
    return sorted(found, key=lambda one: order(one.name), reverse=True)


def finish(files: Files, partial: Path) -> Path:
    """Give a whole, durable archive its name, for good; its new path.  FileExistsError when that is taken."""
    path = partial.with_name(partial.name.removesuffix(PARTIAL))
    files.rename(partial, path)
    files.fsync_folder(path.parent)
    return path


def digest(path: Path, *, from_disk: bool = False) -> str:
    """SHA-256 of a file.  *from_disk*: what the system remembers of it is forgotten first, where that is possible."""
    found = sha256()
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0))
    try:
        if from_disk and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        while block := os.read(fd, BLOCK):
            found.update(block)
    finally:
        os.close(fd)
    return found.hexdigest()


def copy_to(files: Files, source: Path, folder: Path, sha256_of_source: str) -> Path:
    """A copy of a backup in another folder: written beside, durable, read back, then named.

    OSError when the disk refuses, FileNotFoundError when the folder is not there (it is not made: a disk that is not
    mounted must not be taken for an empty one), ValueError when what was read back is something else.
    """
    if not folder.is_dir():
        raise FileNotFoundError(2, "the folder is not there", os.fspath(folder))
    partial = folder / f"{source.name}{PARTIAL}"
    files.unlink(partial)
    with source.open("rb") as stream:
        files.copy(stream, partial, limit=sys.maxsize)
    if digest(partial, from_disk=True) != sha256_of_source:
        files.unlink(partial)
        raise ValueError("what was read back is not what was written")
    return finish(files, partial)
