"""Reading the log back at start: the newest snapshot that can be trusted, and the records after it."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from deskhand.core.chain import explain, follow
from deskhand.core.compatibility import NEWER, unknown
from deskhand.core.record import Record, decode
from deskhand.errors import IntegrityError
from deskhand.store.head import Head
from deskhand.store.segments import SNAPSHOT_NAME, Segment, batches, scan

_OPERATION = "replay the audit log"


def replay(folder: Path, head: Head, having: bytes = b"") -> tuple[bytes | None, Iterator[Record]]:
    """The newest usable snapshot and every record after it, up to *head*; without one, every record.

    *having*: only records whose line has this in it; the others are checked and not taken apart.

    Raises IntegrityError when there is no usable snapshot and the first days are not here, or (while iterating) when
    a line does not continue the chain, or was made by a newer deskhand.
    """
    segments = scan(folder).segments
    last = next((index for index, segment in enumerate(segments) if segment.name == head.file), len(segments) - 1)
    for index in range(last, -1, -1):  # a daemon may have begun the next file since
        segment = segments[index]
        if segment.first_seq == 1:
            return None, _records(segments[index:], head, having)
        snapshot = read_snapshot(segment)
        if snapshot is not None:
            return snapshot, _records(segments[index:], head, having)
    raise IntegrityError(
        _OPERATION,
        "no usable snapshot, and the log does not begin here",
        path=folder,
        hint="put the older files of the log back",
    )


def read_snapshot(segment: Segment) -> bytes | None:
    """The snapshot that *segment* begins with, when it is there and has the recorded hash."""
    name, digest = segment.fact("snapshot"), segment.fact("snapshot_sha256")
    if not isinstance(name, str) or SNAPSHOT_NAME.match(name) is None:
        return None
    try:
        data = segment.path.with_name(name).read_bytes()
    except OSError:
        return None
    return data if sha256(data).hexdigest() == digest else None


def _records(segments: tuple[Segment, ...], head: Head, having: bytes) -> Iterator[Record]:
    link = segments[0].start
    for segment in segments:
        number = 0
        for batch in batches(segment.path, 0, head.offset if segment.name == head.file else segment.size):
            link, good = follow(link, batch)
            for line in batch[:good]:
                number += 1
                if having not in line:
                    continue
                try:
                    record = decode(line)
                except ValueError as error:
                    raise _damaged(segment, number, str(error)) from error
                if (newer := unknown(record)) is not None:
                    raise IntegrityError(_OPERATION, f"line {number}: {newer}", path=segment.path, hint=NEWER)
                yield record
            if good < len(batch):
                raise _damaged(segment, number + 1, explain(link, batch[good], None).reason)
        if segment.name == head.file:
            return


def _damaged(segment: Segment, line: int, reason: str) -> IntegrityError:
    hint = "run `deskhand audit verify` for the whole list"
    return IntegrityError(_OPERATION, f"line {line}: {reason}", path=segment.path, hint=hint)
