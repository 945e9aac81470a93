"""Copied sources: whether one is still there unchanged, and removing it once its task is on record.

Rules: a source is removed only if it is still exactly what was copied; of a folder, only the files that were copied
are removed, and the folders when nothing is left in them.
"""

from __future__ import annotations

import os
from pathlib import Path

from deskhand.core.settle import Kind
from deskhand.core.task import Source
from deskhand.store.claim import source_of
from deskhand.store.files import Files
from deskhand.store.folder import Folder
from deskhand.store.tree import survey, walk


def matches(path: Path, source: Source) -> bool:
    """Whether what stands at *path* is what *source* identifies; False also when it cannot be looked at."""
    try:
        with Folder.open(path.parent) as folder:
            return _identity(folder, path.name) == source
    except OSError:
        return False


def _identity(folder: Folder, name: str) -> Source:
    entry = folder.look(name)
    if entry.kind is not Kind.FOLDER:
        return source_of(entry)
    return source_of(survey(folder, name, uid=None, limit=1_000_000).seen)


def remove(files: Files, path: Path, source: Source) -> bool:
    """Remove the source at *path*; True when nothing of it is there any more, False when that is impossible."""
    try:
        with Folder.open(path.parent) as folder:
            try:
                entry = folder.look(path.name)
            except FileNotFoundError:
                return True
            if _identity(folder, path.name) != source:
                # Somebody put something else there: the source is gone, and this is a new drop.
                return True
            if entry.kind is not Kind.FOLDER:
                files.unlink(path)
                return True
            return _remove_tree(files, folder, path)
    except OSError:
        return False


def _remove_tree(files: Files, folder: Folder, path: Path) -> bool:
    with folder.folder(path.name) as top:
        doomed = [node.path for node in walk(top) if node.entry.kind is not Kind.FOLDER]
    for name in doomed:
        files.unlink(path / name)
    for _, _, names in os.walk(path):
        if names:
            return False
    files.remove_tree(path)
    return True
