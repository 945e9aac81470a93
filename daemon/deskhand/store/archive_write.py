"""Writing a backup's archive: a standard zip file, entry by entry, with the hash of each.

What is written goes through :class:`Files`, in large pieces.  Nothing here decides what belongs in a backup, and
nothing is durable before :meth:`ArchiveWriter.finish` returns.  OSError as the system gave it.
"""

from __future__ import annotations

import io
import os
import time
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from deskhand.core.backup_facts import FACTS_NAME, MANIFEST_NAME, PLAIN_MODE, README_NAME, BackupFacts, encode_facts
from deskhand.core.manifest import encode_manifest
from deskhand.store.files import Files

BLOCK = 1 << 20
"""Bytes read and packed at a time."""
PENDING = 4 << 20
"""Bytes collected before they are written."""
STORED_BELOW = 64
"""Bytes; packing less makes it longer."""
LEVEL = 3
"""Of zlib: three times as fast as 6, and a few percent larger."""
PACKED_ALREADY = frozenset(
    {".zip", ".gz", ".xz", ".zst", ".bz2", ".7z", ".age", ".jpg", ".jpeg", ".png", ".mp4", ".mp3", ".m4a", ".docx"}
)
"""Endings of files that do not get any smaller."""
_FIRST_DATE, _LAST_DATE = 315_532_800, 4_354_819_198
"""The first and the last second that a zip's directory can say."""


class _Sink(io.RawIOBase):
    """A new file as ``zipfile`` wants it, written in large pieces; what it goes back to is mostly still in memory."""

    def __init__(self, files: Files, fd: int) -> None:
        super().__init__()
        self._files = files
        self._fd = fd
        self._base = 0
        """Where in the file the buffer begins."""
        self._buffer = bytearray()
        self._at = 0
        self.refused: OSError | None = None
        """Why something could not be written; the file is good for nothing then."""

    def write(self, data: object) -> int:
        """Put *data* at the place that was sought."""
        view = memoryview(data).cast("B")  # type: ignore[arg-type]
        end = self._base + len(self._buffer)
        if self._at == end:
            self._buffer += view
            if len(self._buffer) >= PENDING:
                self.push()
        elif self._at >= self._base and self._at + len(view) <= end:
            start = self._at - self._base
            self._buffer[start : start + len(view)] = view
        else:
            self.push()
            self._put(lambda: self._files.pwrite(self._fd, bytes(view), self._at))
        self._at += len(view)
        return len(view)

    def push(self) -> None:
        """Hand everything to the system."""
        if self._buffer:
            self._put(lambda: self._files.write_all(self._fd, bytes(self._buffer)))
            self._base += len(self._buffer)
            self._buffer.clear()

    def _put(self, call: Callable[[], None]) -> None:
        try:
            call()
        except OSError as error:
            self.refused = error
            raise

    def seekable(self) -> bool:
        """It is."""
        return True

    def writable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """The place."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place: absolute, or the end."""
        self._at = offset if whence == os.SEEK_SET else self._base + len(self._buffer) + offset
        return self._at

    def flush(self) -> None:
        """Nothing: ``zipfile`` asks for it after every entry."""


class ArchiveWriter:
    """One archive being made at a new path.  Call :meth:`finish` or :meth:`discard`."""

    def __init__(self, files: Files, path: Path, *, progress: Callable[[int], None] = lambda done: None) -> None:
        """*progress* is told of bytes packed.  FileExistsError when the name is taken."""
        self.path = path
        self.hashes: dict[str, str] = {}
        """Entry -> SHA-256 of its bytes."""
        self.bytes = 0
        """Unpacked, of all entries."""
        self.modes: dict[str, str] = {}
        self.mtimes_ns: dict[str, int] = {}
        self._files = files
        self._progress = progress
        self._fd = files.open_new(path)
        self._sink = _Sink(files, self._fd)
        self._zip = zipfile.ZipFile(self._sink, "w", compresslevel=LEVEL)

    def check(self) -> None:
        """Raise again what the disk said when it refused what was written: it is no trouble with what is read."""
        if self._sink.refused is not None:
            raise self._sink.refused

    def add(self, name: str, data: bytes, *, mode: int = PLAIN_MODE, mtime_ns: int) -> str:
        """Put a small file in, from memory; its SHA-256."""
        info = _info(name, mode, mtime_ns, len(data))
        self._zip.writestr(info, data, compresslevel=LEVEL)
        return self._added(name, sha256(data).hexdigest(), len(data), mode, mtime_ns)

    def add_stream(self, name: str, source: BinaryIO, *, size: int, mode: int = PLAIN_MODE, mtime_ns: int) -> str:
        """Put a file in, block by block; its SHA-256.  *size*: about how long it is."""
        info = _info(name, mode, mtime_ns, size)
        digest, done = sha256(), 0
        with self._zip.open(info, "w", force_zip64=size >= (1 << 31)) as entry:
            while block := source.read(BLOCK):
                digest.update(block)
                entry.write(block)
                done += len(block)
                self._progress(len(block))
        self._progress(-done)  # told again as a whole
        return self._added(name, digest.hexdigest(), done, mode, mtime_ns)

    def _added(self, name: str, digest: str, size: int, mode: int, mtime_ns: int) -> str:
        self.hashes[name] = digest
        self.bytes += size
        self.mtimes_ns[name] = mtime_ns
        if mode != PLAIN_MODE:
            self.modes[name] = f"{mode:o}"
        self._progress(size)
        return digest

    def finish(self, facts: Callable[[ArchiveWriter], BackupFacts], readme: str, now: float) -> BackupFacts:
        """Put the three files in front of everything's end, and make the archive's bytes durable.

        *facts* is called when everything else is in; *now*: epoch seconds.
        """
        self.check()
        stamp = round(now * 1_000_000_000)
        self.add(README_NAME, readme.encode(), mode=0o644, mtime_ns=stamp)
        said = facts(self)
        encoded = encode_facts(said)
        hashes = {**self.hashes, FACTS_NAME: sha256(encoded).hexdigest()}
        for name, data in ((FACTS_NAME, encoded), (MANIFEST_NAME, encode_manifest(hashes))):
            self._zip.writestr(_info(name, 0o644, stamp, len(data)), data, compresslevel=LEVEL)
        self._zip.close()
        self._sink.push()
        self._files.fsync(self._fd)
        os.close(self._fd)
        self._fd = -1
        return said

    def discard(self) -> None:
        """Remove what there is of it; nothing when it was finished."""
        if self._fd < 0:
            return
        os.close(self._fd)
        self._fd = -1
        self._zip.fp = None  # or it writes its directory when it is collected
        self._files.unlink(self.path)


def _info(name: str, mode: int, mtime_ns: int, size: int) -> zipfile.ZipInfo:
    second = min(max(mtime_ns // 1_000_000_000, _FIRST_DATE), _LAST_DATE)
    info = zipfile.ZipInfo(name, time.gmtime(second)[:6])
    packed = size < STORED_BELOW or os.path.splitext(name)[1].lower() in PACKED_ALREADY
    info.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
    info.external_attr = (0o100000 | mode) << 16
    info.create_system = 3
    info.file_size = size
    info._compresslevel = LEVEL  # type: ignore[attr-defined]  # there is no public way for what is streamed
    return info
