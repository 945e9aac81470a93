"""The end of the log as it stands on disk, held against the head and against what is remembered outside the desk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from deskhand.core.chain import claim
from deskhand.core.record import MAX_LINE, line_hash
from deskhand.store.audit_read import hash_at
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.head import Head, read_head
from deskhand.store.machine import machine_id, state_folder
from deskhand.store.mirror import Finding, Mirror, Verdict
from deskhand.store.segments import Listing, open_raw, scan

FINE = frozenset({Verdict.OK, Verdict.NEW, Verdict.MOVED})
"""Verdicts of the mirror with which nothing is wrong."""


def fault(listing: Listing, head: Head) -> str | None:
    """Why the log does not end as *head* says; None when it does.  Cheap: one line is read."""
    segment = next((each for each in listing.segments if each.name == head.file), None)
    if segment is None:
        return f"{head.file} is missing, or its first line is damaged"
    if segment.size < head.offset:
        return f"{head.file} ends before record {head.seq}, which was durable"
    if not stands(segment.path, head):
        return f"record {head.seq} in {head.file} is not the one that was written"
    return None


def stands(path: Path, place: Head) -> bool:
    """Whether the line of *path* that ends where *place* says is the record that it says.  OSError as `open`."""
    begin = max(0, place.offset - MAX_LINE)
    with open_raw(path) as stream:
        stream.seek(begin)
        lines = stream.read(place.offset - begin).splitlines(keepends=True)
    says = claim(lines[-1]) if lines else None
    return says is not None and says.seq == place.seq and line_hash(lines[-1]) == place.hash


def remembered(files: Files, desk: Desk, environ: Mapping[str, str]) -> Finding | None:
    """What is remembered outside the desk, held against the end of its log; None when there is no log or no head.

    A live daemon writes both, one after the other: what seems behind is looked at again as far as it was written.
    """
    segments = scan(desk.audit).segments
    head, _ = read_head(desk.audit)
    if not segments or head is None:
        return None
    state = state_folder(environ)
    mirror = Mirror(files, state, desk.root, machine_id(files, state))
    found = segments[0].fact("log_id")
    log_id = found if isinstance(found, str) else None
    finding = mirror.check(log_id, head.link, lambda seq: hash_at(desk.audit, seq))
    if finding.verdict is Verdict.BEHIND and finding.mirror is not None:
        later, _ = read_head(desk.audit)
        known = finding.mirror
        if later is not None and later.seq >= known.seq and hash_at(desk.audit, known.seq) == known.hash:
            return Finding(Verdict.OK, f"this desk acted last, up to record {known.seq}", known)
    return finding
