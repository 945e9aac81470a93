"""Restoring a desk in its own place.

The new desk is put together and verified beside the old one, on the same filesystem, and made durable; then the two
folders swap their names in one step.  Before that step nothing of the old desk has changed, after it the new one is
whole, and the old one is kept.  docs/adr/0013-restore-swaps-the-desk.md says why it is the whole folder.

The audit log is never rewound.  If the desk's own log is sound and goes on from where the backup ends, it goes on with
``restore.performed``, and says which tasks are unfinished now: their files come from the old desk where they are
intact, else from the backup.  Only if it is lost or damaged does the backup's log go on, and the record names the gap.
Drops that waited in the backup may have been taken since, so they come to a folder beside the inbox, where nothing
takes them.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from deskhand.core.clock import Clock
from deskhand.core.record import Actor, Draft
from deskhand.engine.joining import Base, Joining
from deskhand.engine.view import look
from deskhand.errors import DeskhandError, UsageError
from deskhand.store import audit_verify
from deskhand.store.archive_read import Archive
from deskhand.store.audit_log import AuditLog
from deskhand.store.audit_read import hash_at
from deskhand.store.backup_folder import digest
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.lock import DeskLock
from deskhand.store.restore_folder import OPERATION, Progress, refusing, settle, unpack_beside


class Restored(Struct, frozen=True):
    """What was done."""

    desk: Path
    kept: Path
    """Where the old desk stands now."""
    log: str
    """`live`: the desk's own log went on; `backup`: the backup's, with a gap."""
    gap: str | None
    """What is not in the log any more; None when nothing is missing."""
    in_doubt: int
    """Unfinished tasks that may have run since: those that must not be repeated blindly are put to a person."""
    missing: int
    """Unfinished tasks whose files were neither in the old desk nor in the backup: the next start says LOST."""
    drops_aside: int
    """Files in ``restored-drops/``."""


def restore_in_place(
    files: Files,
    desk: Desk,
    archive: Archive,
    *,
    clock: Clock,
    actor: Actor,
    stamp: str,
    progress: Progress | None = None,
) -> Restored:
    """Put the desk that is in *archive* in the place of *desk*; *stamp* names the folder of the old one.

    The daemon must be stopped: HeldError.  UsageError when this desk cannot be swapped or the backup is of another one,
    IntegrityError when the backup is damaged, StoreError when the disk refuses; in every case the old desk stands as it
    was.
    """
    beside = desk.root.with_name(f"{desk.root.name}-restoring-{stamp}")
    kept = desk.root.with_name(f"{desk.root.name}-before-restore-{stamp}")
    for path in (beside, kept):
        if os.path.lexists(path):
            raise UsageError(OPERATION, "there is something already", path=path, hint="move it away")
    with DeskLock(files, desk, secrets.token_hex(4)), refusing(desk.root):
        require_swap(files, desk.root)
        base = _base(desk, archive)
        made = unpack_beside(files, archive, beside, progress)
        try:
            work = Joining(files, desk, Desk(beside), archive, base, made.tasks)
            work.join()
            restored = _record(files, work, clock, actor, kept)
            settle(files, beside)
            files.exchange(beside, desk.root)
        except (OSError, DeskhandError):
            files.remove_tree(beside)
            raise
        # From here on the new desk stands; what fails now is about the name of the old one.
        files.fsync_folder(desk.root.parent)
        files.rename(beside, kept)
        files.fsync_folder(desk.root.parent)
    return restored


def require_swap(files: Files, root: Path) -> None:
    """UsageError unless the folder *root* can swap names with one beside it: tried with two empty ones."""
    hint = "restore beside it instead: --to DIR, and work there"
    if os.path.ismount(root):
        raise UsageError(OPERATION, "the desk is where a filesystem is mounted", path=root, hint=hint)
    one, other = (root.with_name(f".deskhand-swap-{secrets.token_hex(4)}") for _ in range(2))
    made: list[Path] = []
    try:
        for path in (one, other):
            files.new_folder(path)
            made.append(path)
        files.exchange(one, other)
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EINVAL):
            cause = "this filesystem cannot swap two folders in one step"
        else:
            cause = f"nothing can be made beside the desk: {error.strerror or error}"
        raise UsageError(OPERATION, cause, path=root, hint=hint) from error
    finally:
        for path in made:
            files.remove_known(path)


def _base(desk: Desk, archive: Archive) -> Base:
    facts = archive.facts
    found = audit_verify.verify(desk.audit)
    if not found.ok:
        first = found.errors[0]
        what = "the desk's own log is gone" if not found.files else f"the desk's own log is damaged: {first.reason}"
        return Base(None, f"{what}; records after {facts.head.seq} are not known")
    if found.log_id != facts.log_id:
        cause = "it is a backup of another desk: their logs are not the same"
        raise UsageError(OPERATION, cause, path=archive.path, hint="restore it beside this one: --to DIR")
    if found.last_seq < facts.head.seq:
        return Base(None, f"the desk's own log ends at record {found.last_seq}, before the backup's")
    own = hash_at(desk.audit, facts.head.seq)
    if own is not None and own != facts.head.hash:
        cause = f"record {facts.head.seq} of the desk's own log is another one than in the backup"
        raise UsageError(OPERATION, cause, path=archive.path, hint="restore it beside this one: --to DIR")
    return Base(look(desk), None)


def _record(files: Files, work: Joining, clock: Clock, actor: Actor, kept: Path) -> Restored:
    """Let the new desk's log go on with what was done; it is paused then."""
    archive, base = work.archive, work.base
    restored = Restored(
        desk=work.old.root,
        kept=kept,
        log="backup" if base.view is None else "live",
        gap=base.gap,
        in_doubt=work.in_doubt,
        missing=work.missing,
        drops_aside=work.drops_aside,
    )
    who = msgspec.to_builtins(actor)
    fields = {
        "name": archive.facts.name,
        "sha256": digest(archive.path),
        "head_seq": archive.facts.head.seq,
        "actor": who,
        "gap": restored.gap,
        "in_doubt": restored.in_doubt,
        "missing": restored.missing,
        "drops_aside": restored.drops_aside,
        "log": restored.log,
    }
    with _open(files, work.new, clock) as log:
        log.append(Draft("restore.performed", fields))
        if base.view is None:  # whatever was unfinished at the backup's head may have run since
            log.append(Draft("desk.adopted", {"actor": who, "reason": base.gap}))
        log.append(Draft("desk.paused", {"actor": who, "reason": "restored"}))
        log.commit()
    return restored


@contextmanager
def _open(files: Files, desk: Desk, clock: Clock) -> Iterator[AuditLog]:
    log = AuditLog.open(files, desk.audit, clock=clock)
    try:
        yield log
    finally:
        log.close()
