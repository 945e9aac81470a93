"""The backups in ``backups/`` with what the audit log says of each.  Read only."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from deskhand.core.backup_name import AGE
from deskhand.engine.backups_on_record import Recorded, recorded
from deskhand.errors import StoreError
from deskhand.store.backup_folder import Archive, listing
from deskhand.store.desk import Desk


class Known(Struct, frozen=True):
    """A backup that is there; None where nothing is known."""

    name: str
    created: float
    """Epoch seconds."""
    bytes: int
    """Of the file, now."""
    encrypted: bool
    on_record: bool
    """Whether the log says that it was made here."""
    kind: str | None = None
    """`daily`, `full` or `history`."""
    files: int | None = None
    sha256: str | None = None
    head_seq: int | None = None
    verified: bool | None = None
    """What the last look at it found.  False also when the file has another size than was recorded."""
    verified_at: float | None = None
    """Epoch seconds of that look."""
    targets: dict[str, bool] = {}
    """Second target -> whether it was verified there."""
    failed_targets: tuple[str, ...] = ()
    """Second targets that did not take it the last time."""


def known(desk: Desk) -> list[Known]:
    """Every backup of *desk*, newest first.  StoreError when folder or log cannot be read."""
    try:
        said = recorded(desk)
        return [_known(archive, said.get(archive.name, Recorded())) for archive in listing(desk.backups)]
    except OSError as error:
        cause = error.strerror or str(error)
        raise StoreError("listing the backups", cause, path=error.filename or desk.backups) from error


def _known(archive: Archive, about: Recorded) -> Known:
    facts: dict[str, Any] = about.made or {}
    size = facts.get("bytes")
    resized = size is not None and size != archive.bytes
    kind = "history" if facts.get("only") else "full" if facts.get("full") else "daily"
    return Known(
        name=archive.name,
        created=archive.created,
        bytes=archive.bytes,
        encrypted=archive.name.endswith(AGE),
        on_record=about.made is not None,
        kind=kind if about.made is not None else None,
        files=facts.get("files"),
        sha256=facts.get("sha256"),
        head_seq=facts.get("head_seq"),
        verified=False if resized else about.verified,
        verified_at=about.verified_at,
        targets=about.targets,
        failed_targets=tuple(sorted(about.failed)),
    )
