"""The parts of a zip file that say what is in it, read from bytes and held to the strictest reading.

Programs differ in what they believe when a zip file contradicts itself; hostile ones live from that.  Here every fact
that stands in two places must be the same in both, and everything that a backup does not need is refused: encryption,
data descriptors, comments, parts on other disks, extra fields that rename an entry.  No byte is left that could say
anything else unnoticed.  The format is PKWARE's APPNOTE 6.3.10.  What is compressed is read elsewhere.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Sequence

from msgspec import Struct

STORED, DEFLATED = 0, 8
END_SIZE, LOCATOR_SIZE, END64_SIZE, CENTRAL_SIZE, LOCAL_SIZE = 22, 20, 56, 46, 30
TAIL = END_SIZE + LOCATOR_SIZE + END64_SIZE
"""Bytes at the end of the file that :func:`read_end` wants; fewer when the file is shorter."""
_END, _LOCATOR, _END64 = struct.Struct("<4s4H2LH"), struct.Struct("<4sLQL"), struct.Struct("<4sQ2H2L4Q")
_CENTRAL, _LOCAL = struct.Struct("<4s6H3L5H2L"), struct.Struct("<4s5H3L2H")
_UTF8 = 0x0800
_HARMLESS = _UTF8 | 0x0006
"""Flags that may be set: names are UTF-8, and how hard deflate tried."""
_ZIP64 = 0x0001
"""The one extra field that may be there: large sizes."""
_UNIX = 3
_VERSIONS = frozenset({20, 45})
"""Of the format: with deflate, and with large sizes."""
_MAX16, _MAX32 = 0xFFFF, 0xFFFFFFFF


class End(Struct, frozen=True):
    """Where the directory of a zip file is."""

    entries: int
    offset: int
    size: int
    """Bytes of the directory, which ends where the records of the end begin."""


class Entry(Struct, frozen=True):
    """One entry, as the directory describes it."""

    name: str
    method: int
    crc: int
    packed: int
    """Bytes in the file."""
    size: int
    """Bytes when unpacked."""
    offset: int
    """Of its local header."""
    mode: int
    """Permissions."""
    flags: int
    version: int
    moment: tuple[int, int]
    """Time and date as they stand there."""
    local_size: int = 0
    """Bytes of its local header, once that was read."""

    @property
    def start(self) -> int:
        """Offset of its packed bytes."""
        return self.offset + self.local_size

    @property
    def end(self) -> int:
        """Offset behind them."""
        return self.start + self.packed


def read_end(tail: bytes, size: int) -> End:
    """What the last bytes of a file of *size* bytes say; ValueError with the reason when it is no plain zip file."""
    if len(tail) < END_SIZE or tail[-END_SIZE:-18] != b"PK\x05\x06":
        raise ValueError("it does not end like a zip file: cut off, or something was added to it")
    _, disk, directory_disk, here, entries, length, offset, comment = _END.unpack(tail[-END_SIZE:])
    if disk or directory_disk or comment:
        raise ValueError("it has a comment, or parts elsewhere")
    before = END_SIZE
    locator = tail[-END_SIZE - LOCATOR_SIZE : -END_SIZE]
    if locator[:4] == b"PK\x06\x07":
        here, entries, length, offset = _read_end64(tail, size, locator, (here, entries, length, offset))
        before = TAIL
    elif _MAX16 in (here, entries) or _MAX32 in (length, offset):
        raise ValueError("it says that it is a large zip file, and is none")
    if here != entries:
        raise ValueError("parts of it are elsewhere")
    if offset + length != size - before:
        raise ValueError("its directory is not where it says: something stands before, between or behind")
    return End(entries, offset, length)


def _read_end64(tail: bytes, size: int, locator: bytes, small: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    _, disk, where, disks = _LOCATOR.unpack(locator)
    if disk or disks != 1 or where != size - TAIL or len(tail) < TAIL:
        raise ValueError("the record of its end is not where it says")
    mark, length, made, needed, disk, directory_disk, *large = _END64.unpack(tail[-TAIL : -END_SIZE - LOCATOR_SIZE])
    if (mark, length, made, needed, disk, directory_disk) != (b"PK\x06\x06", END64_SIZE - 12, 45, 45, 0, 0):
        raise ValueError("the record of its end is not understood")
    for value, wide, most in zip(small, large, (_MAX16, _MAX16, _MAX32, _MAX32), strict=True):
        if value not in (most, wide):
            raise ValueError("the two records of its end contradict each other")
    here, entries, length, offset = large
    return here, entries, length, offset


def read_directory(data: bytes, end: End) -> tuple[Entry, ...]:
    """Every entry in *data*, the bytes of the directory; ValueError with the reason when one is not plain."""
    found: list[Entry] = []
    at = 0
    while at < len(data):
        if len(data) - at < CENTRAL_SIZE:
            raise ValueError("its directory is cut off")
        head = _CENTRAL.unpack_from(data, at)
        mark, made, version, flags, method, *moment, crc, packed, size, name, extra, comment, disk, inner = head[:15]
        attributes, offset = head[15:]
        start, at = at + CENTRAL_SIZE, at + CENTRAL_SIZE + name + extra + comment
        if mark != b"PK\x01\x02" or at > len(data):
            raise ValueError("its directory is damaged")
        text = _name(data[start : start + name], flags)
        if comment or disk or inner or (made >> 8, made & 0xFF) != (_UNIX, version) or version not in _VERSIONS:
            raise ValueError(f"{text!r} has a comment, is elsewhere, or was made by something else")
        _check_kind(text, flags, method, attributes)
        size, packed, offset = _wide(text, data[start + name : start + name + extra], (size, packed, offset))
        _check_sizes(text, method, packed, size)
        mode = stat.S_IMODE(attributes >> 16)
        found.append(Entry(text, method, crc, packed, size, offset, mode, flags, version, (moment[0], moment[1])))
    if len(found) != end.entries:
        raise ValueError(f"its directory has {len(found)} entries and says that it has {end.entries}")
    return tuple(found)


def _name(raw: bytes, flags: int) -> str:
    try:
        return raw.decode("utf-8" if flags & _UTF8 else "ascii")
    except UnicodeDecodeError:
        raise ValueError(f"the name {raw[:80]!r} is not in the encoding that it says") from None


def _check_kind(name: str, flags: int, method: int, attributes: int) -> None:
    if flags & 0x2041:
        raise ValueError(f"{name!r} is encrypted")
    if flags & ~_HARMLESS or method not in (STORED, DEFLATED):
        raise ValueError(f"{name!r} is packed in a way that backups never use")
    kind = stat.S_IFMT(attributes >> 16)
    if kind != stat.S_IFREG or attributes & 0xFFFF or name.endswith("/"):
        raise ValueError(f"{name!r} is no plain file: {'a link' if stat.S_ISLNK(kind) else 'a folder or special file'}")
    if attributes >> 16 & ~0o777 != stat.S_IFREG:
        raise ValueError(f"{name!r} would run as somebody else")


def _check_sizes(name: str, method: int, packed: int, size: int) -> None:
    if method == STORED and packed != size:
        raise ValueError(f"{name!r} has two sizes")
    if size > 1032 * packed + 64:
        raise ValueError(f"{name!r} cannot be that large when it is unpacked: {size} bytes out of {packed}")


def _wide(name: str, extra: bytes, small: Sequence[int]) -> list[int]:
    """The values of *small*, those that do not fit there taken from the extra field for large ones."""
    fields: dict[int, bytes] = {}
    while extra:
        if len(extra) < 4:
            raise ValueError(f"{name!r} has a damaged extra field")
        kind, length = struct.unpack_from("<2H", extra)
        if kind != _ZIP64 or kind in fields or len(extra) < 4 + length:
            raise ValueError(f"{name!r} has an extra field that backups never have, or a damaged one")
        fields[kind], extra = extra[4 : 4 + length], extra[4 + length :]
    wanted = small.count(_MAX32)
    large = fields.get(_ZIP64, b"")
    if len(large) != 8 * wanted:
        raise ValueError(f"{name!r} does not say plainly how large it is, or where")
    values = iter(struct.unpack(f"<{wanted}Q", large))
    return [next(values) if value == _MAX32 else value for value in small]


def local_size(data: bytes) -> int:
    """Bytes of the local header that begins with *data* (30 bytes of it)."""
    if len(data) < LOCAL_SIZE or data[:4] != b"PK\x03\x04":
        raise ValueError("an entry does not begin where the directory says")
    name, extra = struct.unpack_from("<2H", data, 26)
    return LOCAL_SIZE + int(name) + int(extra)


def check_local(entry: Entry, data: bytes) -> None:
    """Raise ValueError unless the local header *data* says of *entry* what the directory says."""
    mark, version, flags, method, time, date, crc, packed, size, name, _ = _LOCAL.unpack_from(data)
    raw = data[LOCAL_SIZE : LOCAL_SIZE + name]
    if mark != b"PK\x03\x04" or _name(raw, flags) != entry.name:
        raise ValueError(f"{entry.name!r} has another name at its place")
    size, packed = _wide(entry.name, data[LOCAL_SIZE + name :], (size, packed))
    here = (version, flags, method, (time, date), crc, packed, size)
    if here != (entry.version, entry.flags, entry.method, entry.moment, entry.crc, entry.packed, entry.size):
        raise ValueError(f"{entry.name!r} is described differently at its place")


def check_layout(entries: Sequence[Entry], end: End) -> None:
    """Raise ValueError unless the entries follow each other without gap or overlap, from the first byte on."""
    at = 0
    for entry in sorted(entries, key=lambda entry: entry.offset):
        if entry.offset != at:
            how = "overlaps another" if entry.offset < at else "has something unknown before it"
            raise ValueError(f"{entry.name!r} {how}")
        at = entry.end
    if at != end.offset:
        raise ValueError("something unknown stands before its directory, or an entry runs into it")
