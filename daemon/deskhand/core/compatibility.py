"""Whether a record may be read by this deskhand, or was made by a newer one.

Rule: what is not known is not skipped.  A record type, or a field of a known type, that is not in the registry may be
the very thing that says what must not happen next, so a log that has one is refused as a whole, with nothing decided.
There are no optional extras in format 1; whoever adds anything to it makes a later deskhand, which may read this
format, and not the other way round.
"""

from __future__ import annotations

from deskhand.core.record import TYPES, Record

FORMAT = 1
"""Version of everything on disk, in the genesis record."""
NEWER = "use the deskhand that wrote this (the newest one that worked here), or a newer one"
"""What to do next."""


def unknown(record: Record) -> str | None:
    """Why *record* was made by a newer deskhand than this; None when it was not."""
    allowed = TYPES.get(record.type)
    if allowed is None:
        return f"made by a newer deskhand: this one knows no record type {record.type!r:.60}"
    if not record.fields.keys() <= allowed:
        extra = min(record.fields.keys() - allowed)
        return f"made by a newer deskhand: this one knows no field {extra!r:.60} in {record.type}"
    if record.type == "log.genesis" and record.fields.get("format") != FORMAT:
        return f"it has format {record.fields.get('format')!r:.20}; this deskhand reads and writes format {FORMAT}"
    return None
