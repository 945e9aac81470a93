"""Taking what ``deskhand drop`` left in ``dropped/``: the id it carries, or quarantine.

Rules: a folder there is whole or it is not there (see ``store.drop_file``), so nothing waits.  Whatever is not exactly
what that command makes is claimed as forged, under an id of our own; nobody's description is believed twice.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

from msgspec.structs import replace

from deskhand.core.names import is_id, key_of
from deskhand.core.settle import Kind
from deskhand.store.claim import Claimed, Declined, Gone, Outcome, claim, source_of
from deskhand.store.claim_batch import Batch
from deskhand.store.claim_copy import SourceError
from deskhand.store.desk import Desk
from deskhand.store.drop_file import DROP_FILE, DROP_FILE_MAX, PAYLOAD, DropFile, original_name, read
from deskhand.store.files import Files
from deskhand.store.folder import Folder, observation
from deskhand.store.place import Place
from deskhand.store.staging import Claim, Mark, make_folder
from deskhand.store.tree import survey

INBOX = "drop"
ABANDONED = 86_400.0
"""Seconds after which nobody writes on what is not finished."""
WRONG_SHAPE = frozenset(
    {errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG}
)
"""Errors that come from what lies there, not from the state of the desk."""


def waiting(desk: Desk) -> list[str]:
    """The names of what is there to be taken, oldest id first; what is still being written is left out."""
    try:
        return sorted(name for name in os.listdir(desk.dropped) if not name.startswith("."))
    except FileNotFoundError:
        return []


def sweep(files: Files, desk: Desk, now: float) -> None:
    """Remove what commands that were cut off left half-written; *now*: epoch seconds.

    A command that still writes has changed something in it within a day.
    """
    for path in desk.dropped.glob(".*.partial"):
        if not is_id(path.name[1:].removesuffix(".partial")):
            continue
        with suppress(OSError):  # another user's cannot be removed, one that vanishes got its name
            with Folder.open(desk.dropped) as folder:
                changed = survey(folder, path.name, uid=None, limit=1_000_000).seen.mtime_ns / 1e9
            if now - changed > ABANDONED:
                files.remove_tree(path)


def holds(desk: Desk, key: str) -> bool:
    """Whether the drop that is to become task *key* waits there."""
    return any(is_id(name) and key_of(name) == key for name in waiting(desk))


def take(batch: Batch, name: str, free: Callable[[str], bool]) -> Outcome:
    """Claim ``dropped/<name>``.  *free* says whether a short id may be used, and reserves it."""
    desk = batch.desk
    try:
        with Folder.open(desk.dropped) as folder:
            entry = folder.look(name)
            if entry.kind is Kind.SPECIAL:
                return Declined("a FIFO, socket or device in the staging area")
            if entry.kind is Kind.LINK:
                return claim(batch, Place(INBOX, desk.dropped, None, name), observation(entry))
            if entry.kind is Kind.FOLDER:
                with folder.folder(name) as inner:
                    found = _open(batch, inner, name, free)
                    return replace(found, owner=entry.uid) if isinstance(found, Claimed) else found
            return _forged(batch, name, "file", "a file where a folder belongs")
    except FileNotFoundError:
        return Gone()
    except SourceError as error:
        return Declined(f"it cannot be read: {error.strerror}")


def _open(batch: Batch, inner: Folder, name: str, free: Callable[[str], bool]) -> Outcome:
    names = {entry.name: entry for entry in inner.entries()}
    try:
        about = _description(batch, inner, name) if names else None
        if about is None or set(names) == {DROP_FILE}:
            # The payload was taken just before the daemon ended; its task is in accepted/ or on record.
            batch.files.remove_tree(batch.desk.dropped / name)
            return Gone()
        if set(names) != {DROP_FILE, PAYLOAD}:
            raise ValueError("something else lies beside the payload")
        return _claimed(batch, inner, name, about, free)
    except ValueError as error:
        return _forged(batch, name, "folder", str(error))
    except OSError as error:
        if error.errno not in WRONG_SHAPE:
            raise
        return _forged(batch, name, "folder", f"{DROP_FILE}: {error.strerror}")


def _description(batch: Batch, inner: Folder, name: str) -> DropFile:
    entry = inner.look(DROP_FILE)
    if entry.kind is not Kind.FILE or entry.size > DROP_FILE_MAX:
        raise ValueError(f"{DROP_FILE} is not a small file")
    fd = inner.file(DROP_FILE)
    try:
        return read(os.read(fd, DROP_FILE_MAX + 1), name)
    finally:
        os.close(fd)


def _claimed(batch: Batch, inner: Folder, name: str, about: DropFile, free: Callable[[str], bool]) -> Claimed:
    entry = inner.look(PAYLOAD)
    path = batch.desk.dropped / name / PAYLOAD
    original = original_name(about)
    if entry.uid != batch.uid:
        raise ValueError("its payload belongs to somebody else")
    if entry.kind is Kind.FILE and entry.nlink == 1:
        if not free(key_of(about.id)):
            raise ValueError("its id is used already")
        return Claimed(path, original, about.inbox, about.route, "file", source_of(entry), drop=about)
    if entry.kind is not Kind.FOLDER:
        raise ValueError("its payload is neither a file nor a folder of its own")
    tree = survey(inner, PAYLOAD, uid=batch.uid, limit=1_000_000)
    if not tree.movable or tree.odd is not None:
        wrong = "links or special files" if tree.odd else "files with other names or owners"  # no names: it is recorded
        raise ValueError(f"its payload has {wrong}")
    if not free(key_of(about.id)):
        raise ValueError("its id is used already")
    return Claimed(path, original, about.inbox, about.route, "folder", source_of(tree.seen), drop=about)


def _forged(batch: Batch, name: str, kind: Literal["file", "folder"], why: str) -> Claimed:
    """Move it out of the way as it is; it becomes a quarantined task."""
    source = batch.desk.dropped / name
    target = make_folder(batch.files, batch.desk, Claim(INBOX, None, Mark.FORGED)) / name
    with Folder.open(source.parent) as folder:
        seen = source_of(folder.look(name))
    batch.files.rename(source, target)
    batch.moved_from(Place(INBOX, batch.desk.dropped, None, name))
    return Claimed(target, name, INBOX, None, kind, seen, mark=Mark.FORGED, why=why)
