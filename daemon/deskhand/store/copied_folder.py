"""What still stands of a folder that was copied: told from a new drop by the list of what was copied.

Its removal can be cut off half way, and then its size and times are not those on record any more.  Rules: of a folder
with the recorded inode a file is original when the list has it with these bytes and it was not written since.  Files
that somebody added are never among what may go; files that somebody changed make the whole of it a new drop.
Without the list, the times of the files say what it may be, and nothing of it may go.

It reads only; ``store.sources`` removes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from deskhand.core.settle import Kind
from deskhand.core.task import InputFile, Source
from deskhand.store.accept import take_in
from deskhand.store.drop_file import plain_name
from deskhand.store.tree import Node

Manifest = tuple[InputFile, ...]


def originals(path: Path, nodes: Sequence[Node], source: Source, manifest: Manifest) -> list[str] | None:
    """Paths of what was copied from *path* and still stands in it, of all its *nodes*; None when it is a new drop.

    A folder that has files besides is a new drop as well, unless the first files in the order of removal are gone:
    then ours had begun, and what was added is the new drop, without the rest of the old one.
    """
    copied = {one.path: one for one in manifest}
    standing = [node for node in nodes if node.entry.kind is not Kind.FOLDER]
    ours: list[str] = []
    missing = set(copied)
    for node in standing:
        known = copied.get(plain_name(node.path))
        if known is None:
            if node.entry.kind is not Kind.FILE and node.entry.ctime_ns <= source.ctime_ns:
                ours.append(node.path)  # a link or special file is in no list; this one was there before the copy
            continue
        missing.discard(known.path)
        if not _is(path, node, source, known):
            return None
        ours.append(node.path)
    added = len(ours) < len(standing)
    return None if added and not _begins(missing, copied) else ours


def as_old(nodes: Sequence[Node], source: Source) -> bool:
    """Whether everything in it was there, and as it is, when the folder was copied."""
    return all(node.entry.ctime_ns <= source.ctime_ns for node in nodes if node.entry.kind is not Kind.FOLDER)


def _is(path: Path, node: Node, source: Source, known: InputFile) -> bool:
    entry = node.entry
    if entry.kind is not Kind.FILE or entry.size != known.bytes or entry.mtime_ns > source.mtime_ns:
        return False
    return take_in(None, path / node.path, "file")[0][0].sha256 == known.sha256


def _begins(missing: set[str], copied: dict[str, InputFile]) -> bool:
    """Whether *missing* are the first in the order in which a tree is walked."""
    order = sorted(copied, key=lambda path: os.fsencode(path).split(b"/"))
    return bool(missing) and missing == set(order[: len(missing)])
