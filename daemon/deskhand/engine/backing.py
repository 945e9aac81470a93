"""Making a backup while the desk goes on.

The deciding thread only says where the log durably ends, and later puts the backup on record; everything else is done
here, by whoever calls: the command line beside a daemon, or a chore inside one.  The archive is written under another
name, durable, opened again and verified from its first byte to its last, and only then gets its name.

Nothing here waits for a task, and no task for this.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from deskhand.core.backup_facts import BackupFacts
from deskhand.core.backup_name import PARTIAL
from deskhand.core.settings import Settings
from deskhand.engine.archiving import OPERATION, Carry, Packer, Progress, nobody
from deskhand.engine.backup_copies import Copied, copy_to_targets
from deskhand.errors import DeskhandError, StoreError, nameless
from deskhand.store import age_file, backup_folder
from deskhand.store.desk import Desk
from deskhand.store.files import Files


class Made(Struct, frozen=True):
    """A backup that stands in ``backups/``."""

    name: str
    path: Path
    bytes: int
    sha256: str
    facts: BackupFacts
    verified: bool
    odd: dict[str, str]
    """Key -> what of an unfinished task the desk itself does not have as the log says."""
    seconds: float
    encrypted: bool
    swept: tuple[str, ...]
    """Unfinished backups of processes that are gone, removed."""
    copies: tuple[Copied, ...] = ()
    """What became of it at the second targets."""


def create(
    files: Files,
    desk: Desk,
    settings: Settings,
    carry: Carry,
    *,
    now: Callable[[], float] = time.time,
    full: bool = False,
    only: Literal["history"] | None = None,
    progress: Progress = nobody,
) -> Made:
    """Make a backup, put it on record, and take it to the second targets.

    StoreError when the disk refuses (nothing is left of it then, and nothing else was touched), HeldError when another
    one is being made, ConfigError when it cannot be encrypted as the settings say, IntegrityError when the log cannot
    be read or what was written is not what was read.  What fails at a second target is in :attr:`Made.copies`.
    """
    begun, started = now(), time.monotonic()
    recipients = age_file.recipients(settings.backup.encrypt_to) if settings.backup.encrypt_to else []
    try:
        with _speaking(desk), backup_folder.held(files, desk, OPERATION) as folder:
            swept = backup_folder.sweep(files, folder)
            maker = Packer(files, desk, settings, carry, begun, full, only, bool(recipients), progress)
            total = maker.require_room(folder)
            partial = folder / f"{backup_folder.free_name(folder, begun)}{PARTIAL}"
            facts, odd = maker.pack(partial, total)
            try:
                verified = maker.verify(partial, odd)
                if recipients:
                    partial = maker.encrypt(partial, recipients)
                digest = backup_folder.digest(partial)
                path = backup_folder.finish(files, partial)
            except BaseException:
                _drop(files, partial)
                raise
    except DeskhandError as error:
        _failed(carry, error, time.monotonic() - started)
        raise
    made = Made(
        name=path.name,
        path=path,
        bytes=path.stat().st_size,
        sha256=digest,
        facts=facts,
        verified=verified.ok,
        odd=odd,
        seconds=time.monotonic() - started,
        encrypted=bool(recipients),
        swept=tuple(swept),
    )
    carry("backup_created", {**_said(made), "target": "desk"})
    copies = copy_to_targets(files, desk, settings.backup.targets, path, digest)
    for copy in copies:
        _note_copy(carry, made, copy)
    return Made(**{**{name: getattr(made, name) for name in Made.__struct_fields__}, "copies": copies})


def _said(made: Made) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "name": made.name,
        "bytes": made.bytes,
        "sha256": made.sha256,
        "head_seq": made.facts.head.seq,
        "files": made.facts.entries,
        "full": made.facts.full,
        "encrypted": made.encrypted,
        "unpacked_bytes": made.facts.bytes,
        "verified": made.verified,
        "duration_s": round(made.seconds, 3),
        "left_out": len(made.facts.left_out),
        "odd": len(made.odd),
    }
    return fields if made.facts.only is None else {**fields, "only": made.facts.only}


def _note_copy(carry: Carry, made: Made, copy: Copied) -> None:
    about: dict[str, Any] = {"target": copy.target, "duration_s": round(copy.seconds, 3)}
    if copy.exit is not None:
        about["exit"] = copy.exit
    if copy.problem is None:
        carry("backup_created", {**_said(made), **about, "verified": copy.verified and made.verified})
    else:
        carry("backup_failed", {"name": made.name, "reason": copy.nameless, **about})


def _failed(carry: Carry, error: DeskhandError, seconds: float) -> None:
    """Put on record that there is no backup; not being able to is no second error."""
    with suppress(DeskhandError):
        carry("backup_failed", {"target": "desk", "reason": nameless(error), "duration_s": round(seconds, 3)})


@contextmanager
def _speaking(desk: Desk) -> Iterator[None]:
    """StoreError in place of OSError."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "make room on the disk; what was begun is removed, nothing else was touched" if full else None
        cause = error.strerror or str(error)
        raise StoreError(OPERATION, cause, path=error.filename or desk.backups, hint=hint) from error


def _drop(files: Files, partial: Path) -> None:
    """Leave nothing; what cannot be removed now is removed when the next one is made."""
    with suppress(OSError):
        files.unlink(partial)
