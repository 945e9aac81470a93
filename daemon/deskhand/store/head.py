"""``audit_logs/head``: how far the log was durable when this was written, a lower bound.

One line of 256 bytes, fields separated by one space, filled up with spaces:
``deskhand-head-1 <seq> <hash of that line> <offset behind it> <file> <sum>``, where sum is the first 16 hex digits of
the SHA-256 of everything before it (without the space).  It is overwritten in place after every sync and not synced
itself: after a power cut an older one may be back, never one that promises too much.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from deskhand.core.chain import Link
from deskhand.store.files import Files

HEAD_NAME = "head"
HEAD_SIZE = 256
HEAD_VERSION = 1
_VERSION = re.compile(rb"deskhand-head-([1-9]\d{0,8}) ")
_LINE = re.compile(r"(deskhand-head-1 (\d+) ([0-9a-f]{64}) (\d+) (audit_[0-9_-]+\.jsonl)) ([0-9a-f]{16}) *\n\Z")
_READS = 5


@dataclass(frozen=True, slots=True)
class Head:
    """The last record that is known to be durable."""

    seq: int
    hash: str
    """SHA-256 of its raw line (hex)."""
    file: str
    """Name of the segment it stands in."""
    offset: int
    """Bytes of that file up to the end of its line."""

    @property
    def link(self) -> Link:
        """Its place in the chain."""
        return Link(self.seq, self.hash)


def encode_head(head: Head) -> bytes:
    """The file's content."""
    text = f"deskhand-head-1 {head.seq} {head.hash} {head.offset} {head.file}"
    return f"{text} {_sum(text)}".ljust(HEAD_SIZE - 1).encode() + b"\n"


def decode_head(data: bytes) -> Head:
    """The inverse of :func:`encode_head`; ValueError with the reason when *data* is no head."""
    found = _LINE.match(data.decode("ascii", "replace"))
    if found is None or len(data) != HEAD_SIZE:
        raise ValueError("it is not one line of the form deskhand-head-1")
    text, seq, digest, offset, name, total = found.groups()
    if _sum(text) != total:
        raise ValueError("its checksum is wrong")
    return Head(int(seq), digest, name, int(offset))


def _sum(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


def read_head(folder: Path) -> tuple[Head | None, str | None]:
    """The head in *folder*, or None and why there is none.

    Read again a few times when it does not add up, because a live daemon may be writing it.
    """
    reason = "it is missing"
    for _ in range(_READS):
        try:
            return decode_head((folder / HEAD_NAME).read_bytes()), None
        except FileNotFoundError:
            return None, "it is missing"
        except ValueError as error:
            reason = str(error)
    return None, reason


def head_version(folder: Path) -> int | None:
    """The form that the head in *folder* says it has; None when there is none or it says nothing of the kind."""
    try:
        found = _VERSION.match((folder / HEAD_NAME).read_bytes())
    except FileNotFoundError:
        return None
    return None if found is None else int(found[1])


class HeadFile:
    """The head, open for overwriting.  OSError when the disk refuses."""

    def __init__(self, files: Files, folder: Path, head: Head) -> None:
        """Write *head*, making the file when it is missing or no head."""
        self._files = files
        path = folder / HEAD_NAME
        if not path.is_file() or path.is_symlink() or path.stat().st_size != HEAD_SIZE:
            files.write_atomic(path, encode_head(head))
        self._fd = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0))
        try:
            self.write(head)
        except BaseException:
            self.close()
            raise

    def write(self, head: Head) -> None:
        """Overwrite in place: the size never changes, so a full disk does not matter."""
        self._files.pwrite(self._fd, encode_head(head), 0)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)
