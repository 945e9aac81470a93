"""What the log says about incidents, for the verbs that write and list them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, tzinfo

from deskhand.cli.frame import Frame
from deskhand.core.incident import Incident, Severity
from deskhand.core.record import Record, decode
from deskhand.operations.incident_note import Event, events
from deskhand.store.audit_read import Filter, lines, since

BEFORE = 6 * 3600.0
"""Seconds before its opening at which the timeline of a closed incident begins."""


def zone() -> tzinfo:
    """Where people here live."""
    return datetime.now().astimezone().tzinfo or UTC


def happened(frame: Frame, begin: float) -> list[Event]:
    """What tells what happened since *begin* (epoch seconds), in order."""
    return events(record for record in _records(frame, begin) if record.ts >= begin)


def _records(frame: Frame, moment: float) -> Iterator[Record]:
    """Records since *moment* and some before it; what is none is for ``audit verify`` to name."""
    for line in since(frame.desk.audit, moment):
        with suppress(ValueError):
            yield decode(line)


def recorded(frame: Frame) -> list[tuple[Incident, float | None]]:
    """Every incident there was, with the time of its closing (epoch seconds; None: open), oldest first."""
    found: dict[str, tuple[Incident, float | None]] = {}
    for line in lines(frame.desk.audit, Filter(type="incident.*")):
        record = line.record
        if record is None:
            continue
        key, fields = str(record.fields.get("incident")), record.fields
        if record.type == "incident.opened":
            title = str(fields.get("reason") or "")
            found[key] = (Incident(key, Severity(fields["severity"]), title, record.ts), None)
        elif key in found:
            found[key] = (found[key][0], record.ts)
    return list(found.values())
