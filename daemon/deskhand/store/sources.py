"""Copied sources: whether one is still there unchanged, and removing it once its task is on record.

Rules: a source is removed only if it is still exactly what was copied; of a folder, only the files that were copied
are removed, and the folders when nothing is left in them.  A new ctime alone says little (a second name of the file
came or went); then the bytes are compared.
"""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path

from deskhand.core.settle import Kind
from deskhand.core.task import Source, manifest_sha256
from deskhand.store.accept import take_in
from deskhand.store.claim import source_of
from deskhand.store.files import Files
from deskhand.store.folder import Folder
from deskhand.store.tree import survey, walk


class Removed(StrEnum):
    """What became of a source."""

    GONE = "gone"
    """Nothing stands under its name any more."""
    REPLACED = "replaced"
    """Something else stands there: a new drop."""
    STUCK = "stuck"
    """It is still there and cannot be removed."""


def alike(one: Source, other: Source) -> bool:
    """Whether the two are the same but for the ctime."""
    return (one.dev, one.ino, one.bytes, one.mtime_ns) == (other.dev, other.ino, other.bytes, other.mtime_ns)


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


def remove(files: Files, path: Path, source: Source, sha256: str) -> Removed:
    """Remove the source at *path*, whose copy is on record with the input hash *sha256*."""
    try:
        with Folder.open(path.parent) as folder:
            try:
                entry = folder.look(path.name)
            except FileNotFoundError:
                away = path.parent.stat().st_dev != source.dev  # a share that is not mounted now
                return Removed.STUCK if away else Removed.GONE
            found = _identity(folder, path.name)
            if found != source and not (alike(found, source) and _bytes_are(path, entry.kind, sha256)):
                return Removed.REPLACED
            if entry.kind is Kind.FOLDER:
                return _remove_tree(files, folder, path)
            files.unlink(path)
            return Removed.GONE
    except OSError:
        return Removed.STUCK


def _bytes_are(path: Path, kind: Kind, sha256: str) -> bool:
    if kind not in (Kind.FILE, Kind.FOLDER):
        return False
    inputs, _ = take_in(None, path, "folder" if kind is Kind.FOLDER else "file")
    return manifest_sha256(inputs) == sha256


def _remove_tree(files: Files, folder: Folder, path: Path) -> Removed:
    with folder.folder(path.name) as top:
        doomed = [node.path for node in walk(top) if node.entry.kind is not Kind.FOLDER]
    for name in doomed:
        files.unlink(path / name)
    for _, _, names in os.walk(path):
        if names:
            return Removed.REPLACED
    files.remove_tree(path)
    return Removed.GONE
