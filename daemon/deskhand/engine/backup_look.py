"""A look at one backup: what is in it, and whether it is the file that the audit log says was made."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from deskhand.engine.backups_on_record import recorded
from deskhand.errors import StoreError, UsageError
from deskhand.store.archive_check import Problem, Progress, verify_file
from deskhand.store.backup_folder import digest
from deskhand.store.desk import Desk

OTHER = "it is not the file on record: it was changed after it was made"


class Looked(Struct, frozen=True):
    """What was found out."""

    path: Path
    ok: bool | None
    """None: nothing is known about what is in it."""
    reason: str | None
    """The first thing that is wrong, or why nothing is known."""
    sha256: str
    as_recorded: bool | None
    """Whether it has the hash on record; None when the log here does not know it."""
    files: int = 0
    bytes: int = 0
    """Unpacked."""
    records: int = 0
    """Of the audit log in it."""
    unfinished: int = 0
    head_seq: int | None = None
    problems: tuple[Problem, ...] = ()
    more_problems: int = 0


def look_at(desk: Desk | None, path: Path, progress: Progress | None = None) -> Looked:
    """Verify the backup at *path*, and hold it against what the log of *desk* says.  StoreError when it cannot be
    read."""
    try:
        sha256 = digest(path)
        as_recorded = _as_recorded(desk, path.name, sha256)
    except OSError as error:
        raise StoreError("verifying a backup", error.strerror or str(error), path=path) from error
    other = () if as_recorded is not False else (Problem("", OTHER),)
    try:
        found = verify_file(path, progress)
    except UsageError as error:
        return Looked(
            path, False if other else None, OTHER if other else error.cause, sha256, as_recorded, problems=other
        )
    problems = (*other, *found.problems)
    return Looked(
        path=path,
        ok=not problems,
        reason=OTHER if other else found.reason,
        sha256=sha256,
        as_recorded=as_recorded,
        files=found.entries,
        bytes=found.bytes,
        records=found.records,
        unfinished=found.unfinished,
        head_seq=None if found.facts is None else found.facts.head.seq,
        problems=problems,
        more_problems=found.more_problems,
    )


def _as_recorded(desk: Desk | None, name: str, sha256: str) -> bool | None:
    """Only the log's word counts here; one that is damaged knows nothing, and says so elsewhere."""
    if desk is None:
        return None
    try:
        about = recorded(desk).get(name)
    except ValueError:
        return None
    return None if about is None or about.made is None else about.made.get("sha256") == sha256
