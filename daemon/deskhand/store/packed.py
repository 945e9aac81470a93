"""Gzip as closed files of the log are kept in: always the same bytes for the same content, and read strictly.

What is written is one member (RFC 1952) without a name and without a time, so that two machines with the same zlib
make the same file.  What is read may come from any gzip; it must be one whole member with nothing behind it, and its
checksum and length must be right.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from deskhand.errors import IntegrityError

SUFFIX = ".gz"
LIMIT = 1 << 32
"""Bytes of content from which on the format no longer says how many there are."""
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
_BLOCK = 1 << 16
_GZIP = 31
"""What zlib calls a member with header and checksum."""


class Packing:
    """A file that gives the packed form of *source* when it is read, and hashes both."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._crc = 0
        self._over = False
        self._ready = _HEADER
        self.plain = sha256()
        self.packed = sha256()
        self.plain_bytes = 0
        self.packed_bytes = 0

    def read(self, size: int) -> bytes:
        """At least one more byte and about *size*; nothing at the end.  OSError when the source cannot be read."""
        while not self._over and len(self._ready) < size:
            block = self._source.read(_BLOCK)
            if block:
                self.plain.update(block)
                self.plain_bytes += len(block)
                self._crc = zlib.crc32(block, self._crc)
                self._ready += self._deflate.compress(block)
            else:
                self._ready += self._deflate.flush() + struct.pack("<II", self._crc, self.plain_bytes % LIMIT)
                self._over = True
        data, self._ready = self._ready, b""
        self.packed.update(data)
        self.packed_bytes += len(data)
        return data


class _Unpacking(io.RawIOBase):
    """The content of a packed file, forward only."""

    def __init__(self, raw: BinaryIO, path: Path) -> None:
        self._raw = raw
        self._path = path
        self._inflate = zlib.decompressobj(_GZIP)
        self._left = b""
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        target = self._at + offset if whence == os.SEEK_CUR else offset
        if whence == os.SEEK_END or target < self._at:
            raise io.UnsupportedOperation("a packed file is read forward")
        skipped = bytearray(_BLOCK)
        while self._at < target and self.readinto(memoryview(skipped)[: target - self._at]):
            pass
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._next(len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _next(self, size: int) -> bytes:
        data = b""
        while not data and not self._inflate.eof:
            block = self._left or self._raw.read(_BLOCK)
            if not block:
                raise self._damaged("it ends too early")
            try:
                data = self._inflate.decompress(block, size)
            except zlib.error as error:
                raise self._damaged(str(error)) from error
            self._left = self._inflate.unconsumed_tail
        if not data and (self._inflate.unused_data or self._raw.read(1)):
            raise self._damaged("something stands behind its end")
        return data

    def _damaged(self, why: str) -> IntegrityError:
        hint = "put it back from a backup"
        return IntegrityError(
            "unpacking the audit log", f"the packed file is damaged: {why}", path=self._path, hint=hint
        )

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


def unpack(raw: BinaryIO, path: Path, buffer: int) -> io.BufferedReader:
    """The content of the packed file that *raw* is open on, as if it were a file of its own.

    Reading raises IntegrityError when the file is damaged; all of it is only known to be sound once the end was read.
    """
    return io.BufferedReader(_Unpacking(raw, path), buffer)


def content_size(raw: BinaryIO) -> int:
    """Bytes of content as the end of the packed file says; 0 when it is too short to say."""
    end = raw.seek(0, os.SEEK_END)
    raw.seek(max(0, end - 4))
    data = raw.read(4)
    raw.seek(0)
    return int(struct.unpack("<I", data)[0]) if len(data) == 4 else 0
