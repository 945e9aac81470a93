"""Reading a backup's archive without believing it.

:func:`open_archive` refuses everything that is not plainly a backup before anything is read from it or written for it:
names that lead elsewhere, twins, links, entries that overlap or hide something, sizes that do not add up, entries that
the manifest does not have and the other way round.  :meth:`Archive.blocks` never gives more bytes than were announced,
and fails at the end when they are not the ones in the manifest.  ``store.archive_check`` says whether the desk in it
is one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from deskhand.core import entry_names, zip_format
from deskhand.core.backup_facts import (
    AUDIT,
    DATA,
    FACTS_NAME,
    MANIFEST_NAME,
    PLAIN_MODE,
    README_NAME,
    BackupFacts,
    decode_facts,
)
from deskhand.errors import IntegrityError, StoreError, UsageError

BLOCK = 1 << 20
"""Bytes read at a time, and the most that is unpacked at a time."""
ENTRIES_MAX = 5_000_000
"""Entries of an archive."""
INDEX_MAX = 1 << 30
"""Bytes of the zip file's directory."""
ABOUT_MAX = 1 << 28
"""Bytes of ``backup.json`` and of ``MANIFEST.sha256``."""
RATIO, RATIO_FREE = 200, 1 << 30
"""How many times its own size, beyond 1 GiB, an archive may be when it is unpacked: real desks come nowhere near."""
_LINE = re.compile(r"([0-9a-f]{64})  ([^\x00-\x1f\x7f\\]+)\Z")
_MODE = re.compile(r"[0-7]{1,3}\Z")
_OPERATION = "reading a backup"
AGE_HINT = "decrypt it first: age -d -i KEY -o FILE.zip FILE.zip.age"


class Damaged(ValueError):
    """One entry is not what the manifest says; the message is the reason."""


class Archive:
    """An archive that is open and plain.  Use :func:`open_archive`; close it, or use it in a ``with``."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self._fd = fd
        self.size = os.fstat(fd).st_size
        """Bytes of the file."""
        self.entries: dict[str, zip_format.Entry] = {}
        """Name -> entry."""
        self.manifest: dict[str, str] = {}
        """Name -> SHA-256, for every entry but the manifest."""
        self.facts: BackupFacts
        self._read_index()
        about = {name: self._whole(name) for name in (FACTS_NAME, MANIFEST_NAME)}
        self.manifest = _manifest(about[MANIFEST_NAME])
        self._check_manifest(about)
        self.facts = decode_facts(about[FACTS_NAME])
        self._real = _real_paths(self.facts, self.entries)
        self._check_facts()

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    # -- what is in it -----------------------------------------------------------------------------------------

    def _read_index(self) -> None:
        end = zip_format.read_end(self._at(max(0, self.size - zip_format.TAIL), zip_format.TAIL), self.size)
        if end.entries > ENTRIES_MAX or end.size > INDEX_MAX:
            raise ValueError("it has more entries than any desk")
        entries = zip_format.read_directory(self._at(end.offset, end.size), end)
        for entry in entries:
            if (reason := entry_names.fault(entry.name)) is not None:
                raise ValueError(f"{entry.name!r}: {reason}")
        if (pair := entry_names.twins([entry.name for entry in entries])) is not None:
            raise ValueError(f"{pair[0]!r} and {pair[1]!r} are one name, or one is the folder of the other")
        found = [self._with_local(entry) for entry in entries]
        zip_format.check_layout(found, end)
        total = sum(entry.size for entry in found)
        if total > RATIO_FREE + RATIO * self.size:
            raise ValueError(f"it would unpack to {total} bytes, more than {RATIO} times its own size")
        self.entries = {entry.name: entry for entry in found}
        for name in (FACTS_NAME, MANIFEST_NAME, README_NAME):
            if name not in self.entries:
                raise ValueError(f"it has no {name}: it is no backup")
        for name in self.entries:
            if not name.startswith((DATA, AUDIT)) and name not in (FACTS_NAME, MANIFEST_NAME, README_NAME):
                raise ValueError(f"{name!r} belongs to no backup")

    def _with_local(self, entry: zip_format.Entry) -> zip_format.Entry:
        size = zip_format.local_size(self._at(entry.offset, zip_format.LOCAL_SIZE))
        zip_format.check_local(entry, self._at(entry.offset, size))
        return replace(entry, local_size=size)

    def _check_manifest(self, about: dict[str, bytes]) -> None:
        expected = self.entries.keys() - {MANIFEST_NAME}
        for name in sorted(self.manifest.keys() - expected):
            raise ValueError(f"{MANIFEST_NAME} has {name!r}, which is not in the archive")
        for name in sorted(expected - self.manifest.keys()):
            raise ValueError(f"{name!r} is in the archive and not in {MANIFEST_NAME}")
        if hashlib.sha256(about[FACTS_NAME]).hexdigest() != self.manifest[FACTS_NAME]:
            raise ValueError(f"{FACTS_NAME} is not the one in {MANIFEST_NAME}")

    def _check_facts(self) -> None:
        facts = self.facts
        counted = [entry for name, entry in self.entries.items() if name not in (FACTS_NAME, MANIFEST_NAME)]
        if len(counted) != facts.entries:
            raise ValueError(f"it has {len(counted)} files and {FACTS_NAME} says {facts.entries}")
        total = sum(entry.size for entry in counted)
        if total != facts.bytes:
            raise ValueError(f"it would unpack to {total} bytes and {FACTS_NAME} says {facts.bytes}")
        for name, mode in facts.modes.items():
            if name not in self.entries or _MODE.match(mode) is None:
                raise ValueError(f"{FACTS_NAME} has permissions {mode!r} for {name!r}")
        for name, entry in self.entries.items():
            allowed = (0o600, 0o644) if name in (FACTS_NAME, MANIFEST_NAME) else (self.mode(name),)
            if entry.mode not in allowed:
                raise ValueError(f"{name!r} has other permissions than {FACTS_NAME} says")
        for name in facts.mtimes_ns:
            if name not in self.entries:
                raise ValueError(f"{FACTS_NAME} has a time for {name!r}, which is not there")

    def real(self, name: str) -> str:
        """Path of an entry or folder below the desk, undecodable bytes as surrogates; ``audit/`` is ``audit_logs/``."""
        path = self._real.get(name, name)
        return path.removeprefix(DATA) if path.startswith(DATA) else f"audit_logs/{path.removeprefix(AUDIT)}"

    def mode(self, name: str) -> int:
        """Permissions of an entry."""
        said = self.facts.modes.get(name)
        return PLAIN_MODE if said is None else int(said, 8)

    @property
    def files(self) -> list[str]:
        """Names of the entries that are the desk's: data first, then its log."""
        return sorted((name for name in self.entries if name.startswith((DATA, AUDIT))), key=_data_first)

    # -- its bytes ---------------------------------------------------------------------------------------------

    def _at(self, offset: int, size: int) -> bytes:
        found = b""
        while len(found) < size and (block := os.pread(self._fd, size - len(found), offset + len(found))):
            found += block
        return found

    def _whole(self, name: str) -> bytes:
        entry = self.entries[name]
        if entry.size > ABOUT_MAX:
            raise ValueError(f"{name} is longer than any")
        return b"".join(self._unpacked(entry))

    def blocks(self, name: str) -> Iterator[bytes]:
        """The bytes of an entry.  Damaged, at the end, when they are not those in the manifest."""
        digest = hashlib.sha256()
        for block in self._unpacked(self.entries[name]):
            digest.update(block)
            yield block
        if name in self.manifest and digest.hexdigest() != self.manifest[name]:
            raise Damaged(f"its bytes are not those in {MANIFEST_NAME}")

    def read(self, name: str) -> bytes:
        """All bytes of a small entry; see :meth:`blocks`."""
        return b"".join(self.blocks(name))

    def _unpacked(self, entry: zip_format.Entry) -> Iterator[bytes]:
        """No more than was announced, whatever is there.  Damaged when it is less, more or something else."""
        crc = done = 0
        for block in self._plain(entry) if entry.method == zip_format.STORED else self._inflated(entry):
            done += len(block)
            if done > entry.size:
                raise Damaged(f"it is longer than the {entry.size} bytes that it says")
            crc = zlib.crc32(block, crc)
            yield block
        if done != entry.size or crc != entry.crc:
            raise Damaged("its bytes are not those that were packed")

    def _plain(self, entry: zip_format.Entry) -> Iterator[bytes]:
        for offset in range(entry.start, entry.end, BLOCK):
            yield self._at(offset, min(BLOCK, entry.end - offset))

    def _inflated(self, entry: zip_format.Entry) -> Iterator[bytes]:
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            for packed in self._plain(entry):
                if inflate.eof:
                    raise Damaged("something stands behind its end")
                while packed:
                    yield inflate.decompress(packed, BLOCK)
                    packed = inflate.unconsumed_tail
            yield inflate.flush()
        except zlib.error as error:
            raise Damaged(f"it cannot be unpacked: {error}") from error
        if not inflate.eof or inflate.unused_data:
            raise Damaged("it ends too early, or something stands behind its end")


def _data_first(name: str) -> tuple[bool, str]:
    return name.startswith(AUDIT), name


def _manifest(data: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    lines = data.decode("utf-8", "strict").split("\n")
    if lines.pop():
        raise ValueError(f"the last line of {MANIFEST_NAME} is cut off")
    for number, line in enumerate(lines, 1):
        match = _LINE.match(line)
        if match is None or match[2] in found:
            raise ValueError(f"line {number} of {MANIFEST_NAME} is no line of one, or comes again")
        found[match[2]] = match[1]
    return found


def _real_paths(facts: BackupFacts, entries: dict[str, zip_format.Entry]) -> dict[str, str]:
    """Name -> real path, for those that are escaped.  ValueError when one of them leads elsewhere."""
    found: dict[str, str] = {}
    for name, text in facts.escaped.items():
        try:
            path = os.fsdecode(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError):
            raise ValueError(f"the real name of {name!r} is not understood") from None
        if (reason := entry_names.path_fault(path)) is not None:
            raise ValueError(f"the real name of {name!r}: {reason}")
        if not name.startswith(DATA) or not path.startswith(DATA):
            raise ValueError(f"the real name of {name!r} is elsewhere")
        found[name] = path
    for folder in facts.folders:
        if not folder.startswith(DATA) or entry_names.fault(folder) is not None:
            raise ValueError(f"the folder {folder!r} has a name that leads elsewhere")
    named = [*entries, *facts.folders]
    paths = [found.get(name, name) for name in named]
    if len(set(paths)) != len(paths):
        raise ValueError("two files have the same real name")
    taken = {found.get(name, name) for name in entries}
    for path in paths:
        above = path
        while "/" in above:
            above = above.rpartition("/")[0]
            if above in taken:
                raise ValueError(f"{above!r} is a file and a folder")
    return found


def open_archive(path: Path) -> Archive:
    """The archive at *path*; nothing has been written, and no file of the desk read.

    IntegrityError with the reason when it is not plainly a backup, UsageError when it is encrypted, StoreError when it
    cannot be read.
    """
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        fd = os.open(path, flags)
    except OSError as error:
        raise StoreError(_OPERATION, error.strerror or str(error), path=path) from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise IntegrityError(_OPERATION, "it is no file", path=path)
        if os.pread(fd, 22, 0) == b"age-encryption.org/v1\n":
            raise UsageError(
                _OPERATION, "it is encrypted, and nothing is known about what is in it", path=path, hint=AGE_HINT
            )
        return Archive(path, fd)
    except ValueError as error:
        os.close(fd)
        raise IntegrityError(
            _OPERATION, str(error), path=path, hint="nothing was unpacked; take another backup"
        ) from error
    except OSError as error:
        os.close(fd)
        raise StoreError(_OPERATION, error.strerror or str(error), path=path) from error
    except BaseException:
        os.close(fd)
        raise
