"""Copied sources: whether one is still there unchanged, and removing it once its task is on record.

Rules: a source is removed only if it is still exactly what was copied; of a folder, only the files that were copied
are removed, and the folders when nothing is left in them; where that was cut off, it goes on with what is left.  A new
ctime alone says little (a second name of the file came or went), and a filesystem may get another device number at
every boot or mount; then the bytes are compared.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from deskhand.core.settle import Kind
from deskhand.core.task import Source, manifest_sha256
from deskhand.store.accept import take_in
from deskhand.store.claim import source_of
from deskhand.store.copied_folder import Manifest, as_old, originals
from deskhand.store.files import Files
from deskhand.store.folder import Entry, Folder
from deskhand.store.tree import survey, walk


class Removed(StrEnum):
    """What became of a source."""

    GONE = "gone"
    """Nothing stands under its name any more."""
    REPLACED = "replaced"
    """Something else stands there: a new drop."""
    STUCK = "stuck"
    """It is still there and cannot be removed."""
    UNSURE = "unsure"
    """It may be what is left of it, and nothing says any more what was copied."""


def alike(one: Source, other: Source) -> bool:
    """Whether the two are the same but for the ctime and the number of the device."""
    return marks(one) == marks(other)


def marks(source: Source) -> tuple[int, int, int]:
    """What does not change when other names of a file come and go, or its filesystem gets another device number."""
    return source.ino, source.bytes, source.mtime_ns


def matches(path: Path, source: Source) -> bool:
    """Whether what stands at *path* may be what *source* identifies; False also when it cannot be looked at."""
    try:
        with Folder.open(path.parent) as folder:
            return alike(_identity(folder, path.name), source)
    except OSError:
        return False


def _identity(folder: Folder, name: str) -> Source:
    entry = folder.look(name)
    if entry.kind is not Kind.FOLDER:
        return source_of(entry)
    return source_of(survey(folder, name, uid=None, limit=1_000_000).seen)


def remove(
    files: Files, path: Path, source: Source, sha256: str, manifest: Callable[[], Manifest | None] = lambda: None
) -> Removed:
    """Remove the source at *path*, whose copy is on record with the input hash *sha256*.

    *manifest* is asked what was copied when a folder is not as it was; None = nothing says that any more.
    """
    try:
        with Folder.open(path.parent) as folder:
            try:
                entry = folder.look(path.name)
            except FileNotFoundError:
                away = path.parent.stat().st_dev != source.dev  # a share that is not mounted now
                return Removed.STUCK if away else Removed.GONE
            if entry.kind is Kind.FOLDER:
                return _remove_folder(files, folder, path, entry, source, sha256, manifest)
            if not _same(folder, path, entry, source, sha256):
                return Removed.REPLACED
            files.unlink(path)
            return Removed.GONE
    except OSError:
        return Removed.STUCK


def _same(folder: Folder, path: Path, entry: Entry, source: Source, sha256: str) -> bool:
    found = _identity(folder, path.name)
    return found == source or (alike(found, source) and _bytes_are(path, entry.kind, sha256))


def _bytes_are(path: Path, kind: Kind, sha256: str) -> bool:
    if kind not in (Kind.FILE, Kind.FOLDER):
        return False
    inputs, _ = take_in(None, path, "folder" if kind is Kind.FOLDER else "file")
    return manifest_sha256(inputs) == sha256


def _remove_folder(
    files: Files,
    folder: Folder,
    path: Path,
    entry: Entry,
    source: Source,
    sha256: str,
    manifest: Callable[[], Manifest | None],
) -> Removed:
    with folder.folder(path.name) as top:
        nodes = list(walk(top))  # before it is compared: what comes into it later is not among what goes
    doomed: list[str] | None
    if _same(folder, path, entry, source, sha256):
        doomed = [node.path for node in nodes if node.entry.kind is not Kind.FOLDER]
    elif entry.ino != source.ino:
        return Removed.REPLACED
    else:
        copied = manifest()
        if copied is None:
            return Removed.UNSURE if as_old(nodes, source) else Removed.REPLACED
        doomed = originals(path, nodes, source, copied)
    if doomed is None:
        return Removed.REPLACED
    for name in doomed:
        files.unlink(path / name)
    folders = [path, *(path / node.path for node in nodes if node.entry.kind is Kind.FOLDER)]
    empty = [_remove_empty(files, one) for one in reversed(folders)]
    return Removed.GONE if all(empty) else Removed.REPLACED


def _remove_empty(files: Files, path: Path) -> bool:
    """Remove a folder; False when something is in it that was not there a moment ago."""
    try:
        files.remove_known(path)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True
