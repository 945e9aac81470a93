"""What a log says after a crash: which lines stay, and whether what is wrong may be cut off.

Rules: everything up to the head was durable, so anything wrong there is damage and refused by name.  Beyond the head
every complete line that continues the chain stays; the first one that does not, and all that follows, may be cut,
but only in the newest file.  With no head only an incomplete last line may be cut.  A log that a newer deskhand began
or went on with is refused before anything is written; what stands further back is looked at when it is replayed.

:func:`examine` reads and judges; :func:`mend` writes what it decided.  Older files are held against the facts in the
first line of the next one (name, size, numbers); their lines are read again by ``deskhand audit verify``.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from deskhand.core.chain import Link, explain, follow, link_of
from deskhand.core.compatibility import NEWER, unknown
from deskhand.core.record import Draft, Record, decode, line_hash
from deskhand.errors import IntegrityError
from deskhand.store.files import Files
from deskhand.store.head import HEAD_NAME, HEAD_VERSION, Head, head_version, read_head
from deskhand.store.open_segment import OpenSegment, open_for_writing
from deskhand.store.segments import OPENING_TYPES, Segment, batches, scan

OPERATION = "open the audit log"
CUT_INLINE = 8 * 1024
"""Bytes of a cut that fit into the record itself; of a longer one the record has the beginning, a file all of it."""
_BLOCK = 1 << 20
_HINT = "run `deskhand audit verify` for the whole list; restore audit_logs/ from a backup"


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was cut off at start."""

    file: str
    line: int
    """Number of the first line that was cut."""
    kept_bytes: int
    cut_bytes: int
    cut_sha256: str
    reason: str
    copy: str | None
    """Name of the file in audit_logs/ that has the cut bytes, when they do not fit into the record."""


@dataclass(frozen=True, slots=True)
class Found:
    """A log that may be gone on with."""

    segments: tuple[Segment, ...]
    link: Link
    """The last record that stays."""
    keep: int
    """Bytes of the newest segment that stay."""
    line: int
    """Number of the line behind them."""
    known: int
    """Bytes of the newest segment that the head vouches for."""
    reason: str | None
    """Why what follows is cut; None when nothing does."""

    @property
    def newest(self) -> Segment:
        """The segment that is written on."""
        return self.segments[-1]


@dataclass(slots=True)
class _Walk:
    """Where a check of one segment stands, and the line that broke it."""

    link: Link
    lines: int = 0
    offset: int = 0
    bad: bytes | None = None
    after: bytes | None = None

    def run(self, segment: Segment, end: int, accept: Callable[[bytes], bool] | None = None) -> None:
        """Follow the chain up to the byte offset *end*; *accept* may refuse lines that chain."""
        for batch in batches(segment.path, self.offset, end):
            if self.bad is not None:
                self.after = batch[0]
                return
            link, good = follow(self.link, batch)
            if accept is not None:
                good = next((index for index, line in enumerate(batch[:good]) if not accept(line)), good)
                link = link_of(batch[good - 1], self.link.seq + good) if good else self.link
            self.link, self.lines = link, self.lines + good
            self.offset += sum(map(len, batch[:good]))
            if good < len(batch):
                self.bad = batch[good]
                if good + 1 < len(batch):
                    self.after = batch[good + 1]
                    return


def examine(folder: Path) -> Found:
    """Judge the log in *folder*; IntegrityError (file, line, what to do) when it must not be gone on with."""
    listing = scan(folder)
    head, no_head = read_head(folder)
    if (version := head_version(folder)) is not None and version > HEAD_VERSION:
        cause = f"it has form {version}; this deskhand knows form {HEAD_VERSION}"
        raise IntegrityError(OPERATION, cause, path=folder / HEAD_NAME, hint=NEWER)
    for path, reason in listing.damaged:
        _refuse(path, 1, reason)
    segments = listing.segments
    if not segments:
        if no_head == "it is missing":
            raise IntegrityError(OPERATION, "there is no audit log", path=folder, hint="run `deskhand init`")
        raise IntegrityError(OPERATION, "the log is gone, its head is still there", path=folder / HEAD_NAME, hint=_HINT)
    _check_joints(segments)
    first = 0 if head is None else _index(segments, head, folder)
    link = segments[first].start
    for segment, after in pairwise(segments[first:]):
        link = _check_closed(segment, link, head, after.prev)
    return _check_newest(segments, link, head, no_head)


def _index(segments: tuple[Segment, ...], head: Head, folder: Path) -> int:
    for index, segment in enumerate(segments):
        if segment.name == head.file:
            return index
    cause = f"the file is gone, but the head says that it has {head.offset} bytes up to record {head.seq}"
    raise IntegrityError(OPERATION, cause, path=folder / head.file, hint=_HINT)


def _check_joints(segments: tuple[Segment, ...]) -> None:
    """Every file must begin like one, and say of the one before what is so."""
    for segment in segments:
        _refuse_newer(segment, segment.opening, 1)
    opening = segments[0].opening
    if opening is None or opening.type not in OPENING_TYPES or (opening.type == "log.genesis") != (opening.seq == 1):
        _refuse(segments[0].path, 1, "it does not begin with log.genesis or segment.open")
    for before, segment in pairwise(segments):
        if segment.opening is None or segment.opening.type != "segment.open":
            _refuse(segment.path, 1, "it does not begin with segment.open")
        if segment.fact("previous") != before.name:
            cause = f"the file is missing: {segment.name} follows on it, not on {before.name}"
            raise IntegrityError(
                OPERATION, cause, path=before.path.with_name(str(segment.fact("previous"))), hint=_HINT
            )
        if segment.fact("bytes") != before.size:
            cause = f"it has {before.size} bytes, but {segment.name} closed it with {segment.fact('bytes')}"
            raise IntegrityError(OPERATION, cause, path=before.path, hint=_HINT)
        if (segment.fact("first_seq"), segment.fact("last_seq")) != (before.first_seq, segment.first_seq - 1):
            _refuse(segment.path, 1, f"its numbers do not fit those of {before.name}")


def _check_closed(segment: Segment, link: Link, head: Head | None, vouched: str) -> Link:
    """A file that is followed by another was durable as a whole: every line must be right."""
    walk = _Walk(link)
    if head is not None and head.file == segment.name:
        _check_to_head(segment, walk, head)
    walk.run(segment, segment.size)
    if walk.bad is not None:
        _refuse_bad(segment, walk, vouched)
    if walk.link.hash != vouched:
        _refuse(segment.path, walk.lines, "the line was changed: the next file continues another one")
    return walk.link


def _check_to_head(segment: Segment, walk: _Walk, head: Head) -> None:
    if segment.size < head.offset:
        cause = f"it ends at byte {segment.size}, but the head says that it was durable up to byte {head.offset}"
        raise IntegrityError(OPERATION, cause, path=segment.path, hint=_HINT)
    walk.run(segment, head.offset)
    if walk.bad is not None:
        if walk.after is None and not walk.bad.endswith(b"\n"):
            _refuse(segment.path, walk.lines + 1, f"the head says that a line ends at byte {head.offset}; none does")
        _refuse_bad(segment, walk, head.hash)
    if walk.link.seq != head.seq:
        _refuse(segment.path, walk.lines, f"record {walk.link.seq} ends where the head says that {head.seq} does")
    if walk.link != head.link:
        _refuse(segment.path, walk.lines, f"the line was changed: the head says that its SHA-256 is {head.hash}")


def _check_newest(segments: tuple[Segment, ...], link: Link, head: Head | None, no_head: str | None) -> Found:
    segment = segments[-1]
    if segment.packed:
        hint = f"unpack it: gunzip {segment.path.name}"
        raise IntegrityError(OPERATION, "the newest file is packed, and it is written on", path=segment.path, hint=hint)
    if segment.start != link:
        _refuse(segment.path, 1, "it does not continue the file before")
    walk, known = _Walk(link), 0
    if head is not None and head.file == segment.name:
        _check_to_head(segment, walk, head)
        known = head.offset
    walk.run(segment, segment.size, partial(_is_record, segment, walk))
    reason = None
    if walk.bad is not None:
        reason = explain(walk.link, walk.bad, None).reason if not _chains(walk) else "the line is no record"
        whole = walk.bad.endswith(b"\n") or walk.after is not None
        if walk.lines == 0 or (head is None and whole):
            _refuse_bad(segment, walk, None, f" (head: {no_head})" if head is None else "")
    return Found(segments, walk.link, walk.offset, walk.lines + 1, known, reason)


def _is_record(segment: Segment, walk: _Walk, line: bytes) -> bool:
    try:
        record = decode(line)
    except ValueError:
        return False
    _refuse_newer(segment, record, walk.lines + record.seq - walk.link.seq)
    return True


def _refuse_newer(segment: Segment, record: Record | None, line: int) -> None:
    newer = None if record is None else unknown(record)
    if newer is not None:
        raise IntegrityError(OPERATION, f"line {line}: {newer}", path=segment.path, hint=NEWER)


def _chains(walk: _Walk) -> bool:
    return walk.bad is not None and follow(walk.link, [walk.bad])[1] == 1


def _refuse_bad(segment: Segment, walk: _Walk, vouched: str | None, note: str = "") -> NoReturn:
    bad = walk.bad or b""
    if _chains(walk):
        _refuse(segment.path, walk.lines + 1, f"the line is no record{note}")
    if walk.after is not None:
        vouched = walk.after[9:73].decode("ascii", "replace")
    fault = explain(walk.link, bad, vouched)
    _refuse(segment.path, walk.lines + (0 if fault.before and walk.lines else 1), fault.reason + note)


def _refuse(path: Path, line: int, reason: str) -> NoReturn:
    raise IntegrityError(OPERATION, f"line {line}: {reason}", path=path, hint=_HINT)


Encode = Callable[[Draft, Link], bytes]
"""Makes a line out of a draft and the link that it continues."""


def mend(files: Files, found: Found, encode: Encode) -> tuple[OpenSegment, Link, Recovered | None]:
    """Make what stays durable, cut the rest off, and put ``log.recovered`` in its place.

    What stays beyond the head is written again before it is synced: after a sync that failed, the kernel may hold
    pages that look clean and are not on the disk.  OSError when the disk refuses.
    """
    segment = OpenSegment.open(files, found.newest.path, found.keep)
    try:
        return _mend(files, found, encode, segment)
    except BaseException:
        segment.close()
        raise


def _mend(
    files: Files, found: Found, encode: Encode, segment: OpenSegment
) -> tuple[OpenSegment, Link, Recovered | None]:
    path, link, recovered = found.newest.path, found.link, None
    fd = open_for_writing(path)
    try:
        for offset in range(found.known, found.keep, _BLOCK):
            files.pwrite(fd, os.pread(fd, min(_BLOCK, found.keep - offset), offset), offset)
        if found.reason is not None:
            cut = b"".join(line for batch in batches(path, found.keep) for line in batch)
            recovered = _recovered(found, cut)
            line = encode(_draft(recovered, cut), link)
            if recovered.copy is not None:
                files.write_atomic(path.with_name(recovered.copy), cut)
            # The record goes over the bytes that it keeps, so there is no moment without either.
            files.pwrite(fd, line, found.keep)
            files.truncate(fd, found.keep + len(line))
            link = Link(link.seq + 1, line_hash(line))
            segment.size += len(line)
        files.fdatasync(fd)
    finally:
        os.close(fd)
    return segment, link, recovered


def _recovered(found: Found, cut: bytes) -> Recovered:
    return Recovered(
        file=found.newest.name,
        line=found.line,
        kept_bytes=found.keep,
        cut_bytes=len(cut),
        cut_sha256=sha256(cut).hexdigest(),
        reason=found.reason or "",
        copy=f"cut_{found.link.seq + 1}.bin" if len(cut) > CUT_INLINE else None,
    )


def _draft(recovered: Recovered, cut: bytes) -> Draft:
    fields: dict[str, Any] = {
        "file": recovered.file,
        "kept_bytes": recovered.kept_bytes,
        "cut_bytes": recovered.cut_bytes,
        "cut": base64.b64encode(cut[:CUT_INLINE]).decode(),
        "cut_sha256": recovered.cut_sha256,
        "reason": f"line {recovered.line}: {recovered.reason}",
    }
    return Draft("log.recovered", fields)
