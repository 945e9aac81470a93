"""Paths of files as names of entries that every zip program and every filesystem takes.

Most paths stay as they are.  Bytes that are not UTF-8, control characters, and what Windows or a zip reader gives a
meaning (``\\ : * ? " < > |``, a dot or a space at the end, ``CON`` and its kind) become ``%XX``; of names that differ
only in their case or in how their accents are written, the later ones get ``~2``, ``~3`` behind them.  What was changed
is on the list in ``backup.json``, with the path's real bytes.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST = 200
"""UTF-8 bytes of one name after it was changed; filesystems take 255, and ``%XX`` makes names longer."""
_ODD = re.compile('[\x00-\x1f\x7f-\x9f\\\\:*?"<>|\ud800-\udfff\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]')
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|\Z)", re.IGNORECASE)


def plain(name: bytes) -> str:
    """One name in a path as it may be in an entry's; equal to it when nothing had to be changed."""
    return _plain(name.decode("utf-8", "surrogateescape"))


def _plain(name: str) -> str:
    changed = _ODD.sub(_escaped, name)
    if changed[-1:] in (".", " "):
        changed = changed[:-1] + f"%{ord(changed[-1]):02X}"
    if _DEVICE.match(changed):
        changed = f"%{ord(changed[0]):02X}{changed[1:]}"
    if changed != name and len(changed.encode()) > LONGEST:
        changed = changed.encode()[: LONGEST - 4].decode(errors="ignore") + "%etc"
    return changed


def _escaped(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogateescape"))


class EntryNames:
    """The names given so far in one archive."""

    def __init__(self) -> None:
        self._given: dict[bytes, str] = {b"": ""}
        """Path of a folder -> its entry, with a slash behind it."""
        self._taken: dict[str, bytes] = {}
        """Entry as :func:`fold` has it -> the path it was given to."""

    def give(self, path: bytes) -> str:
        """The entry for the file or folder at *path* (relative, ``/``-separated): unlike every other, in any case."""
        folder, slash, last = path.rpartition(b"/")
        above = self._folder(folder) if slash else ""
        return above + self._free(above, plain(last), path)

    def _folder(self, path: bytes) -> str:
        given = self._given.get(path)
        if given is None:
            given = self._given[path] = f"{self.give(path)}/"
        return given

    def _free(self, above: str, wanted: str, path: bytes) -> str:
        name, number = wanted, 1
        while self._taken.setdefault(fold(above + name), path) != path:
            number += 1
            stem, dot, ending = wanted.rpartition(".")
            name = f"{stem}~{number}.{ending}" if stem and dot else f"{wanted}~{number}"
        return name


def fold(name: str) -> str:
    """What is the same for two names that some filesystem takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
