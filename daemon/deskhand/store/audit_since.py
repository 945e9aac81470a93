"""Following the log's chain from the last verified place on, and remembering how far that went.

The mark lies in ``logs/`` and may be lost: then all is verified again.  It saves reading what was read before; it
proves nothing about what stands before it, which is what ``audit verify`` and ``health --full`` read.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from deskhand.core.chain import Link, explain, follow
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.head import Head, read_head
from deskhand.store.log_end import fault, stands
from deskhand.store.segments import Listing, Segment, batches, scan

MARK_NAME = "verified.json"
AT_ONCE = 32 * 1024**2
"""Bytes of the log that one look follows; the next one goes on from there."""


class Mark(Struct, frozen=True, forbid_unknown_fields=True):
    """The last record up to which the chain was followed."""

    log_id: str
    seq: int
    hash: str
    """SHA-256 of its raw line (hex)."""
    file: str
    offset: int
    """Bytes of that file up to the end of its line."""
    at: float
    """Epoch seconds of the look."""


class Followed(Struct, frozen=True):
    """What one look found."""

    error: str | None
    """What is wrong, with file and line; None: nothing."""
    checked: int = 0
    """Records followed this time."""
    up_to: int = 0
    """Number of the last record that is verified, this time or earlier."""
    head: int = 0
    """Number of the last durable record."""
    mark: Mark | None = None
    """To be remembered; None when something is wrong."""


def follow_on(folder: Path, mark: Mark | None, now: float, *, limit: int = AT_ONCE) -> Followed:
    """Follow the chain of the log in *folder* from *mark* (None: from its beginning) to its head, *limit* bytes.

    OSError when a file cannot be read.
    """
    head, why = read_head(folder)
    listing = scan(folder)
    if not listing.segments and head is None:
        return Followed("there is no log")
    if head is None:
        return Followed(f"its head was not used: {why}; the next start verifies everything")
    wrong = _unreadable(listing, head) or fault(listing, head)
    if wrong is not None:
        return Followed(wrong, head=head.seq)
    segments = listing.segments
    found = segments[0].fact("log_id")
    log_id = found if isinstance(found, str) else ""
    if mark is not None and (mark.log_id != log_id or mark.seq > head.seq):
        mark = None  # of another log, or of a desk that was put back: the mirror has more to say about that
    place = _begin(segments, mark)
    if isinstance(place, str):
        return Followed(place, head=head.seq)
    return _Walk(segments, head, limit).run(*place, log_id, now)


def _unreadable(listing: Listing, head: Head) -> str | None:
    """A file that does not begin as it must, but for one that was just being made."""
    for path, reason in listing.damaged:
        if not (path.name > head.file and reason == "the file is empty"):
            return f"{path.name}: {reason}"
    return None


def _begin(segments: tuple[Segment, ...], mark: Mark | None) -> tuple[int, int, Link] | str:
    """Where to begin: index of the file, byte, and the link before it; or why the mark is not the log's."""
    if mark is None:
        return 0, 0, segments[0].start
    link = Link(mark.seq, mark.hash)
    for index, segment in enumerate(segments):
        if segment.name == mark.file:
            if segment.size < mark.offset or not stands(
                segment.path, Head(mark.seq, mark.hash, mark.file, mark.offset)
            ):
                return f"{mark.file}: record {mark.seq}, which was verified before, is not there any more as it was"
            return index, mark.offset, link
    for index, segment in enumerate(segments):  # its file was put away; the next one says how that ended
        if segment.start.seq >= mark.seq:
            if segment.start.seq == mark.seq and segment.start != link:
                return f"{segment.name} does not continue record {mark.seq}, which was verified before"
            return index, 0, segment.start
    return f"{mark.file}, which was verified before, is gone"


class _Walk:
    def __init__(self, segments: tuple[Segment, ...], head: Head, limit: int) -> None:
        self._segments = segments
        self._head = head
        self._limit = limit

    def run(self, index: int, offset: int, link: Link, log_id: str, now: float) -> Followed:
        first, left, head = link.seq, self._limit, self._head
        for segment in self._segments[index:]:
            last = segment.name == head.file
            for batch in batches(segment.path, offset, head.offset if last else segment.size):
                link, good = follow(link, batch)
                if good < len(batch):
                    number = link.seq + 1 - segment.start.seq
                    reason = explain(link, batch[good], None).reason
                    return Followed(f"{segment.name}:{number}: {reason}", head=head.seq)
                size = sum(map(len, batch))
                offset, left = offset + size, left - size
                if left <= 0:
                    break
            if last or left <= 0:
                mark = Mark(log_id, link.seq, link.hash, segment.name, offset, now)
                if last and offset == head.offset and link != head.link:
                    return Followed(
                        f"{segment.name} does not end with record {head.seq} as its head says", head=head.seq
                    )
                return Followed(None, link.seq - first, link.seq, head.seq, mark)
            offset = 0
        return Followed(f"{head.file} is missing", head=head.seq)


def read_mark(desk: Desk) -> Mark | None:
    """The remembered mark; None when there is none that can be used."""
    try:
        return msgspec.json.decode((desk.logs / MARK_NAME).read_bytes(), type=Mark)
    except (OSError, ValueError):
        return None


def write_mark(files: Files, desk: Desk, mark: Mark) -> None:
    """Remember *mark*.  OSError when the disk refuses."""
    files.make_folder(desk.logs, mode=0o755)
    files.write_atomic(desk.logs / MARK_NAME, msgspec.json.encode(mark) + b"\n", sync=False)
