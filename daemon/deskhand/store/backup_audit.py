"""Copying the audit log into an archive as it was at one record."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import BinaryIO, cast

from deskhand.core.backup_facts import AUDIT
from deskhand.store.backup_tree import Trees, opened
from deskhand.store.head import HEAD_NAME, Head, encode_head
from deskhand.store.segments import SNAPSHOT_NAME, scan


def copy_log(trees: Trees, folder: Path, head: Head, now: float) -> None:
    """Put the log in *folder* in, up to *head*, with everything that lies beside it and is no secret.

    FileNotFoundError when a file of it went while it was read (an old day is put away): try again.
    """
    later = {segment.name for segment in scan(folder).segments if segment.first_seq > head.seq}
    for name in sorted(os.listdir(folder)):
        snapshot = SNAPSHOT_NAME.match(name)
        if name.startswith(".") or name in later or name == HEAD_NAME:
            continue
        if snapshot is not None and int(snapshot[1]) > head.seq:
            continue
        if trees.excluded(name):
            trees.leave_out(os.fsencode(f"audit_logs/{name}"), "it looks like a secret")
            continue
        with opened(folder / name) as (fd, found):
            if stat.S_ISREG(found.st_mode):
                _put(trees, name, fd, found, head.offset if name == head.file else None)
    trees.put_bytes(encode_head(head), HEAD_NAME.encode(), mtime_ns=round(now * 1e9), prefix=AUDIT)


def _put(trees: Trees, name: str, fd: int, found: os.stat_result, end: int | None) -> None:
    if end is None:
        trees.put(fd, found, os.fsencode(name), prefix=AUDIT)
        return
    entry = trees.entry(os.fsencode(name), AUDIT)
    mode = stat.S_IMODE(found.st_mode) & 0o777
    trees.writer.add_stream(entry, cast(BinaryIO, _Begin(fd, end)), size=end, mode=mode, mtime_ns=found.st_mtime_ns)


class _Begin(io.RawIOBase):
    """The first bytes of an open file."""

    def __init__(self, fd: int, end: int) -> None:
        super().__init__()
        self._fd = fd
        self._at = 0
        self._end = end

    def read(self, size: int = -1) -> bytes:
        """The next block; nothing behind the end."""
        block = os.pread(self._fd, max(0, min(size, self._end - self._at)), self._at)
        self._at += len(block)
        return block
