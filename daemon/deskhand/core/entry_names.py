"""Which names the entries of a backup may have: none that leads out of the folder they are unpacked to, and no two
that are one on some filesystem."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

PATH_MAX = 4000
"""Bytes of a path below the desk."""
NAME_MAX = 255
"""Bytes of one name in it."""
_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def fault(name: str) -> str | None:
    """Why an entry must not be called *name*; None when it may."""
    if "\\" in name:
        return "it has a backslash in its name"
    if _CONTROL.search(name):
        return "it has a control character in its name"
    return path_fault(name)


def path_fault(path: str) -> str | None:
    """Why nothing may be written to *path*, which is to be below a folder; None when it may."""
    if path.startswith("/") or _DRIVE.match(path):
        return "its name is an absolute path"
    parts = path.split("/")
    if not {"", ".", ".."}.isdisjoint(parts):
        return "its name leads out of its folder, or has an empty part"
    if "\0" in path:
        return "it has a NUL in its name"
    if len(_raw(path)) > PATH_MAX or any(len(_raw(part)) > NAME_MAX for part in parts):
        return "its name is too long"
    return None


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def twins(names: Collection[str]) -> tuple[str, str] | None:
    """Two names that are the same, or differ only in case or in how letters are composed, or of which one is the
    folder of the other; None when there are none.

    Folders may differ in case only: no file takes another's place by that.
    """
    seen: dict[str, str] = {}
    for name in names:
        if (other := seen.setdefault(_folded(name), name)) is not name:
            return other, name
    taken = set(names)
    for name in names:
        above = name
        while "/" in above:
            above = above.rpartition("/")[0]
            if above in taken:
                return above, name
    return None


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
