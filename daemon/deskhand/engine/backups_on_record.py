"""What the audit log says about backups: made, verified, given up.  Read only; lines are looked at as text first."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from deskhand.core.record import Record, decode
from deskhand.store.desk import Desk
from deskhand.store.segments import batches, scan

_NEEDLE = b'"type":"backup.'
DESK = "desk"
"""What the log calls ``backups/``, as a target."""


class Recorded(Struct):
    """What is on record about one backup."""

    made: dict[str, object] | None = None
    """Fields of the `backup.created` for ``backups/``."""
    verified: bool | None = None
    """What the last look at it found; None when there was none."""
    verified_at: float | None = None
    """Epoch seconds of that look."""
    targets: dict[str, bool] = {}
    """Second target -> whether it was verified there."""
    failed: dict[str, str] = {}
    """Second target -> why it is not there."""
    pruned: bool = False
    """Whether it was given up."""


def recorded(desk: Desk) -> dict[str, Recorded]:
    """Name -> what the log says.  OSError when it cannot be read; nothing is verified here."""
    found: dict[str, Recorded] = {}
    for record in _records(desk):
        name = record.fields.get("name")
        if not isinstance(name, str):
            continue
        about = found.setdefault(name, Recorded())
        fields = record.fields
        match record.type:
            case "backup.created" if fields.get("target") == DESK:
                about.made, about.pruned = fields, False
                about.verified, about.verified_at = bool(fields.get("verified")), record.ts
            case "backup.created":
                about.targets[str(fields.get("target"))] = bool(fields.get("verified"))
                about.failed.pop(str(fields.get("target")), None)
            case "backup.failed" if fields.get("target") != DESK:
                about.failed[str(fields.get("target"))] = str(fields.get("reason"))
            case "backup.verified":
                about.verified, about.verified_at = bool(fields.get("ok")), record.ts
            case "backup.pruned":
                about.pruned = True
            case _:
                pass
    return found


def last_ratio(desk: Desk) -> float:
    """How much smaller than its content the last backup became, by the log; 1 when there is none."""
    ratio = 1.0
    for record in _records(desk):
        packed, unpacked = record.fields.get("bytes"), record.fields.get("unpacked_bytes")
        if record.type == "backup.created" and isinstance(packed, int) and isinstance(unpacked, int) and unpacked:
            ratio = packed / unpacked
    return ratio


def _records(desk: Desk) -> Iterator[Record]:
    for segment in scan(desk.audit).segments:
        for batch in batches(segment.path):
            for line in batch:
                if _NEEDLE in line and line.endswith(b"\n"):
                    yield decode(line)
