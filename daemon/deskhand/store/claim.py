"""Making a drop ours: out of the inbox and into ``claimed/``, whole, once, and out of everybody else's reach.

Rules: nothing is opened that could block or that is a link; what is taken is exactly what was observed as settled, or
it is "not yet".  A file or folder is renamed only when it is certain that nobody else can still write to it (our own,
one name, same filesystem, no writer before and after); otherwise it is copied, compared, and its source is removed
later, when the task is on record (:func:`remove_source`).  Links are never taken: a card says what they were.

It decides nothing about recipes and gives no ids; see ``store.accept``.  Errors of the staging area (no space, too
many open files) are ``OSError``; errors that concern one drop are outcomes.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Literal

from msgspec import Struct

from deskhand.core.names import visible
from deskhand.core.settle import Kind, Observation
from deskhand.core.task import Source
from deskhand.store.claim_batch import Batch
from deskhand.store.claim_copy import Changed, SourceError, copy_file, copy_tree
from deskhand.store.drop_file import DropFile
from deskhand.store.folder import Entry, Folder, entry_of, observation
from deskhand.store.lease import Lease, has_writer, lease
from deskhand.store.place import Place
from deskhand.store.staging import PROBLEMS, Claim, Mark, make_folder
from deskhand.store.tree import Tree, survey, walk

RENAME_REFUSED = frozenset({errno.EXDEV, errno.EPERM, errno.EACCES, errno.EROFS, errno.EBUSY, errno.ETXTBSY})
"""Errors of a rename after which a copy may still work."""
NOT_AS_SEEN = frozenset(
    {errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO, errno.ESTALE, errno.EBUSY, errno.EAGAIN}
)
"""Errors of opening a drop that say: it is not what was observed; look again."""

MAY_PASS = frozenset(
    {
        *(errno.EIO, errno.EINTR, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ETIMEDOUT, errno.ECONNRESET),
        *(errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH, errno.ENOTCONN),
    }
)
"""Errors in reading a drop that say nothing about the drop."""


class Claimed(Struct, frozen=True):
    """A drop that is ours and not yet on record."""

    path: Path
    name: str
    """Its original name, undecodable bytes kept as surrogates."""
    inbox: str
    route: str | None
    kind: Literal["file", "folder"]
    source: Source
    source_path: Path | None = None
    """What was copied and has to go when the task is on record."""
    mark: Mark = Mark.PLAIN
    drop: DropFile | None = None
    """What ``deskhand drop`` said about it."""
    why: str | None = None
    """More about a mark that quarantines it."""
    owner: int | None = None
    """OS user id that the folder of a drop by command belongs to."""

    @property
    def problem(self) -> str | None:
        """Why it is quarantined; None when it is not."""
        text = PROBLEMS.get(self.mark)
        return f"{text}: {self.why}" if text and self.why else text


class Postponed(Struct, frozen=True):
    """Not yet."""

    reason: str
    writer: bool = False
    """Somebody has it open for writing."""
    unreadable: bool = False
    """It could not be read, which may pass: a mount that is away, too many open files."""


class Declined(Struct, frozen=True):
    """It cannot be taken as it is; it stays where it is."""

    reason: str
    bytes: int = 0


class Gone(Struct, frozen=True):
    """Nothing stands under that name any more."""


Outcome = Claimed | Postponed | Declined | Gone


def claim(batch: Batch, place: Place, seen: Observation) -> Outcome:
    """Take the drop at *place*, which was last observed as *seen*.  OSError when the staging area does not work."""
    try:
        return _claim(batch, place, seen, batch.parent(place))
    except Changed as changed:
        return Postponed(str(changed))
    except SourceError as error:
        return declined(error, seen.size)


def declined(error: SourceError, size: int) -> Postponed | Declined | Gone:
    """What an error in reading a drop means for it."""
    if error.errno == errno.ENOENT:
        return Gone()
    if error.errno in NOT_AS_SEEN:
        return Postponed("it is not what it was a moment ago")
    if error.errno in MAY_PASS:
        return Postponed(f"it cannot be read: {error.strerror}", unreadable=True)
    if error.errno in (errno.EACCES, errno.EPERM):
        return Declined("permission denied", size)
    if error.errno == errno.ENAMETOOLONG:
        return Declined("its path is too long", size)
    return Declined(f"it cannot be read: {error.strerror}", size)


def _claim(batch: Batch, place: Place, seen: Observation, folder: Folder) -> Outcome:
    try:
        entry = folder.look(place.name)
    except OSError as error:
        raise SourceError.of(error) from error
    if entry.kind is not seen.kind:
        raise Changed
    match entry.kind:
        case Kind.FILE:
            return _claim_file(batch, place, seen, folder)
        case Kind.FOLDER:
            return _claim_folder(batch, place, seen, folder)
        case Kind.LINK:
            return _claim_link(batch, place, entry, folder)
        case Kind.SPECIAL:
            return Declined("a FIFO, socket or device; only files and folders are taken")


def _claim_file(batch: Batch, place: Place, seen: Observation, folder: Folder) -> Outcome:
    try:
        fd = folder.file(place.name)
    except OSError as error:
        raise SourceError.of(error) from error
    try:
        entry = entry_of(place.name, os.fstat(fd))
        if observation(entry) != seen:
            raise Changed
        with lease(fd, place.text) as held:
            if held.writer:
                return Postponed("somebody has it open for writing", writer=True)
            if held.writer is False and _ours(batch, place, entry):
                moved = _move_file(batch, place, entry, held, fd)
                if moved is not None:
                    return moved
            return _copy_file(batch, place, entry, folder, fd)
    finally:
        os.close(fd)


def source_of(seen: Entry | Observation) -> Source:
    """The identity that goes on record."""
    return Source(seen.dev, seen.ino, seen.size, seen.mtime_ns, seen.ctime_ns)


def _ours(batch: Batch, place: Place, entry: Entry) -> bool:
    return not place.copy_only and entry.uid == batch.uid and entry.nlink == 1


def _move_file(batch: Batch, place: Place, entry: Entry, held: Lease, fd: int) -> Claimed | Postponed | None:
    """Rename it and make sure that it was the one, still with one name and without a writer; None = copy it."""
    try:
        taken = batch.rename(place)
    except FileNotFoundError:
        raise Changed from None
    except OSError as error:
        if error.errno in RENAME_REFUSED:
            return None
        raise
    now = os.lstat(taken)
    if (now.st_dev, now.st_ino, now.st_nlink) != (entry.dev, entry.ino, 1) or not _quiet(held, fd, entry):
        batch.give_back(taken, place)
        return Postponed("somebody began to write to it", writer=True)
    return Claimed(taken, place.name, place.inbox, place.route, "file", source_of(entry))


def _quiet(held: Lease, fd: int, entry: Entry) -> bool:
    after = os.fstat(fd)
    unchanged = (after.st_size, after.st_mtime_ns) == (entry.size, entry.mtime_ns)
    return unchanged and (held.intact() or os.name == "nt")


def _copy_file(batch: Batch, place: Place, entry: Entry, folder: Folder, fd: int) -> Claimed:
    partial = copy_file(batch.files, batch.desk, fd, entry)
    try:
        if not _still(folder, entry):
            raise Changed
        return _publish(batch, place, partial, Claim(place.inbox, place.route, Mark.COPY, source_of(entry)), "file")
    except BaseException:
        batch.files.unlink(partial)
        raise


def _still(folder: Folder, entry: Entry) -> bool:
    try:
        return folder.look(entry.name) == entry
    except FileNotFoundError:
        return False


def _publish(batch: Batch, place: Place, partial: Path, claimed: Claim, kind: Literal["file", "folder"]) -> Claimed:
    """Make a finished copy durable and give it its name in ``claimed/``.

    What stands there is a drop for the next start, and the original goes when that is on record: after a power cut a
    name without its bytes would be taken for the whole of it.
    """
    if kind == "folder":
        batch.files.fsync_tree(partial)
    else:
        batch.files.fsync_file(partial)
    target = make_folder(batch.files, batch.desk, claimed) / place.name
    batch.files.rename(partial, target)
    source = claimed.source
    if source is None:
        raise ValueError("a copy without the identity of its source")
    return Claimed(target, place.name, place.inbox, place.route, kind, source, place.path, claimed.mark)


def _claim_link(batch: Batch, place: Place, entry: Entry, folder: Folder) -> Outcome:
    """Put a card in the link's place; the link goes when the card is on record."""
    try:
        target = folder.link_target(place.name)
    except OSError as error:
        raise SourceError.of(error) from error
    text = f"This was a symbolic link to\n\n    {visible(target)}\n\nIt was not followed, and nothing was read there.\n"
    partial = batch.desk.partial / f"{os.urandom(8).hex()}.txt"
    batch.files.create(partial, text.encode("utf-8", "backslashreplace"), sync=False)
    try:
        return _publish(batch, place, partial, Claim(place.inbox, place.route, Mark.LINK, source_of(entry)), "file")
    except BaseException:
        batch.files.unlink(partial)
        raise


def _claim_folder(batch: Batch, place: Place, seen: Observation, folder: Folder) -> Outcome:
    tree = _survey(batch, folder, place.name, seen)
    if tree.seen != seen:
        raise Changed
    if tree.movable and not place.copy_only:
        writer = _tree_writer(folder, place)
        if writer:
            return Postponed("somebody writes in it", writer=True)
        moved = _move_folder(batch, place, tree) if writer is False else None
        if moved is not None:
            return moved
    partial = copy_tree(batch.files, batch.desk, folder, place.name)
    try:
        if _survey(batch, folder, place.name, seen).seen != seen:
            raise Changed
        mark = Mark.ODD if tree.odd else Mark.COPY
        return _publish(batch, place, partial, Claim(place.inbox, place.route, mark, source_of(seen)), "folder")
    except BaseException:
        batch.files.remove_tree(partial)
        raise


def _survey(batch: Batch, folder: Folder, name: str, seen: Observation) -> Tree:
    try:
        return survey(folder, name, uid=batch.uid, limit=seen.entries + 1_000_000)
    except OSError as error:
        raise SourceError.of(error) from error


def _tree_writer(folder: Folder, place: Place) -> bool | None:
    """Whether anybody has a file of the tree open for writing; None when that is unknown for one of them."""
    unknown = False
    try:
        with folder.folder(place.name) as top:
            for node in walk(top):
                if node.entry.kind is not Kind.FILE:
                    continue
                fd = node.parent.file(node.entry.name)
                try:
                    writer = has_writer(fd, node.parent.path / node.entry.name)
                finally:
                    os.close(fd)
                if writer:
                    return True
                unknown = unknown or writer is None
    except OSError as error:
        raise SourceError.of(error) from error
    return None if unknown else False


def _move_folder(batch: Batch, place: Place, tree: Tree) -> Claimed | Postponed | None:
    """Rename the tree; back if anybody changed it or opened a file in it meanwhile.  None = copy it."""
    try:
        taken = batch.rename(place)
    except FileNotFoundError:
        raise Changed from None
    except OSError as error:
        if error.errno in RENAME_REFUSED:
            return None
        raise
    with Folder.open(taken.parent) as folder:
        after = survey(folder, place.name, uid=batch.uid, limit=tree.seen.entries + 1_000_000).seen
        calm = (after.dev, after.ino, after.mark) == (tree.seen.dev, tree.seen.ino, tree.seen.mark)
        if calm and not _tree_writer(folder, place):
            return Claimed(taken, place.name, place.inbox, place.route, "folder", source_of(tree.seen))
    batch.give_back(taken, place)
    return Postponed("somebody writes in it", writer=True)
