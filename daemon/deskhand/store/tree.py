"""A folder with everything below it: observed, compared and listed without ever following a link or opening a file.

Rules: at most `DEPTH_MAX` levels; entries are visited sorted by name, so that two walks over the same tree agree.
It only reads.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator

from msgspec import Struct

from deskhand.core.settle import Kind, Observation
from deskhand.store.folder import Entry, Folder

DEPTH_MAX = 100
"""Levels of folders in a dropped folder; deeper ones are refused before descriptors run out."""


class Node(Struct, frozen=True):
    """One entry below the top of a tree."""

    path: str
    """Relative to the top, `/`-separated, undecodable bytes kept as surrogates."""
    entry: Entry
    parent: Folder
    """The open folder that it is in; only valid until the next node is asked for."""


def walk(top: Folder, prefix: str = "", depth: int = 0) -> Iterator[Node]:
    """Every entry below *top*, a folder before what is in it.  OSError ELOOP when it is too deep."""
    if depth >= DEPTH_MAX:
        raise OSError(errno.ELOOP, f"more than {DEPTH_MAX} levels of folders", str(top.path))
    for entry in sorted(top.entries(), key=lambda entry: os.fsencode(entry.name)):
        path = f"{prefix}{entry.name}"
        yield Node(path, entry, top)
        if entry.kind is Kind.FOLDER:
            with top.folder(entry.name) as inner:
                yield from walk(inner, f"{path}/", depth + 1)


class Tree(Struct, frozen=True):
    """A folder's tree summed up."""

    seen: Observation
    movable: bool
    """Every entry is owned by the given user, and no file has a second name."""
    odd: str | None
    """The first link or special file in it, as a sentence; None when there is none."""


def survey(parent: Folder, name: str, *, uid: int | None, limit: int) -> Tree:
    """Look at the tree *name* in *parent*; stops counting above *limit* entries.  OSError when it cannot be read.

    ``observation.mark`` is the first 8 bytes of a SHA-256 over paths, kinds, inodes, sizes and times.
    """
    digest = hashlib.sha256()
    own = parent.look(name)
    size = count = files = 0
    mtime, ctime = own.mtime_ns, own.ctime_ns
    movable = uid is not None and own.uid == uid
    odd: str | None = None
    with parent.folder(name) as top:
        for node in walk(top):
            entry = node.entry
            count += 1
            mtime, ctime = max(mtime, entry.mtime_ns), max(ctime, entry.ctime_ns)
            line = (entry.kind.value, entry.dev, entry.ino, entry.size, entry.mtime_ns, entry.ctime_ns)
            digest.update(os.fsencode(node.path) + repr(line).encode())
            movable = movable and entry.uid == uid and entry.dev == own.dev
            if entry.kind is Kind.FILE:
                files += 1
                size += entry.size
                movable = movable and entry.nlink == 1
            elif entry.kind is not Kind.FOLDER:
                files += 1
                odd = odd or f"{entry.kind.value} inside: {node.path}"
            if count > limit:
                files = max(files, limit + 1)
                break
    mark = int.from_bytes(digest.digest()[:8], "big")
    seen = Observation(Kind.FOLDER, own.dev, own.ino, size, mtime, ctime, files, mark)
    return Tree(seen, movable, odd)
