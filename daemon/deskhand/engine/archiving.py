"""Packing a desk into an archive, as the audit log has it at one record, and reading that back.

What vanished while it was read is looked for anew from a later record of the log, a few times; what is gone for good by
then is said, and the archive does not count as verified.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct, convert

from deskhand import __version__
from deskhand.core.backup_facts import FORMAT, BackupFacts, HeadFacts
from deskhand.core.backup_name import AGE, PARTIAL
from deskhand.core.record import timestamp
from deskhand.core.settings import Settings
from deskhand.engine.at_head import AtHead, Follower, received_since
from deskhand.engine.backups_on_record import last_ratio
from deskhand.errors import IntegrityError, StoreError
from deskhand.operations.backup_readme import readme
from deskhand.store import age_file
from deskhand.store.archive_check import Verified, verify_file
from deskhand.store.archive_write import ArchiveWriter
from deskhand.store.backup_audit import copy_log
from deskhand.store.backup_queue import QueueCopy
from deskhand.store.backup_tree import Trees, opened, whole
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.head import Head, read_head

OPERATION = "making a backup"
ATTEMPTS = 4
"""How often it is begun from a later record when something vanished."""
ROOM = 64 << 20
"""Bytes that must stay free on the disk for the desk's own work."""
ENTRY = 250
"""Bytes that an entry takes beside its content."""
Carry = Callable[[str, dict[str, Any]], dict[str, Any]]
"""Has a command carried out by the deciding thread, as ``host.client.request`` does; answered when it is durable."""
Progress = Callable[[str, int, int], None]
"""Called with what is being done, bytes done and bytes in all."""


class Standing(Struct, frozen=True):
    """What the deciding thread says when a backup begins (the command `backup_head`)."""

    log_id: str
    head: HeadFacts
    staged: dict[str, str]
    """Key -> where the input of a task lay that was not in a state folder."""
    clock_unconfirmed: bool


class Vanished(Exception):
    """Something was not where it had to be; a later record of the log says why."""

    def __init__(self, odd: dict[str, str]) -> None:
        super().__init__(", ".join(odd))
        self.odd = odd


def nobody(doing: str, done: int, total: int) -> None:
    """Nobody watches."""


class Packer:
    """One backup in the making: written, read back, encrypted; none of it has its name yet."""

    def __init__(
        self,
        files: Files,
        desk: Desk,
        settings: Settings,
        carry: Carry,
        begun: float,
        full: bool,
        only: Literal["history"] | None,
        encrypted: bool,
        progress: Progress,
    ) -> None:
        self._files = files
        self._desk = desk
        self._settings = settings
        self._carry = carry
        self._begun = begun
        self._full = full
        self._only = only
        self._encrypted = encrypted
        self._progress = progress

    # -- beforehand --------------------------------------------------------------------------------------------

    def folders(self) -> list[str]:
        """Folders of the desk that are taken as they stand."""
        if self._only is not None:
            return ["vault/_deskhand"]
        root, found = self._desk.root, ["watch_inbox", "vault"]
        inside = [
            os.path.relpath(path, root)
            for inbox in self._settings.inboxes
            if (path := os.path.normpath(root / os.path.expanduser(inbox.path))).startswith(f"{root}{os.sep}")
        ]
        for name in (*inside, *self._settings.backup.include):
            name = name.rstrip("/")
            if not any(name == known or name.startswith(f"{known}/") for known in found):
                found.append(name)
        return found

    def require_room(self, folder: Path) -> int:
        """Bytes that there are to pack.  StoreError when the disk will hardly hold them packed."""
        roots = [self._desk.root / name for name in self.folders()]
        roots += [self._desk.audit] if self._only is not None else [self._desk.audit, self._desk.queue]
        count = total = 0
        for root in roots:
            files, size = _weigh(os.fspath(root), days=self._full)
            count, total = count + files, total + size
        needed = round(total * min(1.0, last_ratio(self._desk) * 1.25)) + count * ENTRY
        needed = needed * 2 if self._encrypted else needed
        free = shutil.disk_usage(folder).free
        if free < needed + ROOM:
            cause = f"about {needed} bytes are needed and {max(0, free - ROOM)} may be used"
            raise StoreError(OPERATION, cause, path=folder, hint="make room on the disk; nothing was touched")
        return total

    # -- packing -----------------------------------------------------------------------------------------------

    def pack(self, partial: Path, total: int) -> tuple[BackupFacts, dict[str, str]]:
        """Write the archive; what is in it, and what of the desk's tasks is not as the log says."""
        follower = Follower(self._desk.audit)
        if (known := read_head(self._desk.audit)[0]) is not None:
            follower.to(known)  # most of the log; what is new is soon read when the head is told, and tasks move on
        for attempt in range(1, ATTEMPTS + 1):
            if attempt > 1:
                self._carry("scan", {})  # what is gone for good comes on record
            standing = convert(self._carry("backup_head", {}), Standing)
            try:
                return self._packed(partial, standing, follower, total, last=attempt == ATTEMPTS)
            except (Vanished, FileNotFoundError):
                if attempt == ATTEMPTS:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _packed(
        self, partial: Path, standing: Standing, follower: Follower, total: int, *, last: bool
    ) -> tuple[BackupFacts, dict[str, str]]:
        head = Head(standing.head.seq, standing.head.hash, standing.head.file, standing.head.offset)
        then = follower.to(head)
        done = 0

        def packed(size: int) -> None:
            nonlocal done
            done += size
            self._progress("packing", min(done, total), total)

        writer = ArchiveWriter(self._files, partial, progress=packed)
        try:
            trees = Trees(writer, os.fsencode(self._desk.root), self._settings.backup.exclude, self._begun)
            odd = {} if self._only is not None else self._queue(trees, then, standing, head)
            if odd and not last:
                raise Vanished(odd)
            for key, what in odd.items():
                trees.left_out.append(f"{what} ({key}): the desk itself does not have it")
            self._rest(trees)
            copy_log(trees, self._desk.audit, head, self._begun)
            facts = writer.finish(
                lambda writer: self._facts(writer, trees, standing, then), self._readme(head), self._begun
            )
        except BaseException:
            with suppress(OSError):
                writer.discard()
            raise
        return facts, odd

    def _queue(self, trees: Trees, then: AtHead, standing: Standing, head: Head) -> dict[str, str]:
        copy = QueueCopy(self._desk, trees, then.tasks, then.ended, standing.staged, full=self._full)
        copy.copy(lambda: received_since(self._desk.audit, head))
        self._single(trees, self._desk.queue / "README.md", b"queue/README.md")
        if self._encrypted:
            self._single(trees, self._desk.salt, b"queue/.salt")
        else:
            trees.leave_out(b"queue/.salt", "the desk's secret")
        return copy.missing

    def _rest(self, trees: Trees) -> None:
        if self._only is None:
            self._single(trees, self._desk.config, os.fsencode(self._desk.config.name))
        folders = [os.fsencode(name) for name in self.folders()]
        for name in folders:
            trees.tree(name)
        for name in folders:
            trees.look_again(name)

    @staticmethod
    def _single(trees: Trees, path: Path, name: bytes) -> None:
        with suppress(FileNotFoundError), opened(path) as (fd, found):
            data, found = whole(fd, found)
            trees.put_bytes(data, name, mtime_ns=found.st_mtime_ns)

    def _facts(self, writer: ArchiveWriter, trees: Trees, standing: Standing, then: AtHead) -> BackupFacts:
        return BackupFacts(
            format=FORMAT,
            deskhand=__version__,
            name=writer.path.name.removesuffix(PARTIAL),
            created=timestamp(self._begun),
            full=self._full,
            log_id=standing.log_id,
            head=standing.head,
            desk=self._settings.name,
            only=self._only,
            counts=then.counts,
            entries=len(writer.hashes),
            bytes=writer.bytes,
            modes=writer.modes,
            mtimes_ns=writer.mtimes_ns,
            folders=tuple(trees.folders),
            links=trees.links,
            left_out=tuple(trees.left_out),
            escaped=trees.escaped,
        )

    def _readme(self, head: Head) -> str:
        created, name = timestamp(self._begun)[:19].replace("T", " "), self._settings.name
        history = self._only is not None
        return readme(name, created, __version__, head.seq, full=self._full, history=history, salt=self._encrypted)

    # -- afterwards --------------------------------------------------------------------------------------------

    def verify(self, partial: Path, odd: dict[str, str]) -> Verified:
        """Read it back.  IntegrityError when it is not what the desk is; what the desk itself lacks is no error."""
        found = verify_file(partial, lambda done, total: self._progress("verifying", done, total))
        strange = [
            problem
            for problem in found.problems
            if not any(key[:15] in (text := f"{problem.entry} {problem.reason}") and key[-6:] in text for key in odd)
        ]
        if odd and found.more_problems and not strange:
            cause = f"files of {len(odd)} unfinished tasks went while they were read"
            raise StoreError(OPERATION, cause, path=self._desk.queue, hint="who deletes them? try again later")
        if strange or found.more_problems:
            cause = f"what was written is not what it should be: {found.reason}"
            raise IntegrityError(OPERATION, cause, path=partial, hint="it was removed; is the disk in order?")
        return found

    def encrypt(self, partial: Path, recipients: list[Any]) -> Path:
        """Put the encrypted archive in the plain one's place; it was verified before."""
        target = partial.with_name(f"{partial.name.removesuffix(PARTIAL)}{AGE}{PARTIAL}")
        self._progress("encrypting", 0, 1)
        age_file.encrypt(self._files, partial, target, recipients)
        self._files.unlink(partial)
        return target


def _weigh(root: str, *, days: bool) -> tuple[int, int]:
    """Files below a folder and their bytes.  Without *days*, what was filed away by day is not counted."""
    count = total = 0
    left = [root]
    while left:
        with suppress(OSError), os.scandir(left.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        skipped = entry.name == ".work" or (not days and entry.path.endswith(_day_of(entry.name)))
                        left += [] if skipped else [entry.path]
                    elif entry.is_file(follow_symlinks=False):
                        count, total = count + 1, total + entry.stat(follow_symlinks=False).st_size
    return count, total


def _day_of(name: str) -> str:
    """How the path of a day's folder ends that is called *name*; anything else has no such end."""
    is_day = len(name) == 10 and name[4] == name[7] == "-"
    return os.path.join("completed", name) if is_day else "\0"
