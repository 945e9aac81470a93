"""Task ids, the names of a task's files, and what the names in ``approvals/`` say.

An id is ``YYYYMMDD-HHMMSS-<slug>-<6 base32>`` (UTC): sorts by time, is found by a person who remembers the dropped
name, and is a safe name on every filesystem.  The audit log uses the *key*, the id without the slug, because names
can be personal and must be erasable.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import NamedTuple

SLUG_MAX = 40
EXTENSION_MAX = 10
KEY_LENGTH = 22
"""Characters of a key."""
_ID = r"\d{8}-\d{6}-[a-z0-9_-]{1,40}-[a-z2-7]{6}"
_ID_RE = re.compile(rf"({_ID})\Z")
_KEY_RE = re.compile(r"\d{8}-\d{6}-[a-z2-7]{6}\Z")
_EXTENSION_RE = re.compile(rf"[a-z0-9]{{1,{EXTENSION_MAX}}}\Z")
_UNSAFE_RE = re.compile(r"[^a-z0-9_-]+")
_INPUT_RE = re.compile(r"in(\.[a-z0-9]{1,10})?\Z")

TEMPORARY = (
    *("*.part", "*.partial", "*.crdownload", "*.download", "*.opdownload", "*.tmp", "*.temp", "*.swp", "*.swx"),
    *("*~", "~$*", ".~lock.*#", "#*#", ".#*", "4913", ".DS_Store", "._*", "Thumbs.db", "desktop.ini", "Icon\r"),
    *(".nfs*", ".fuse_hidden*", ".syncthing.*", "~syncthing~*", ".goutputstream-*", ".*.sb-*", ".directory"),
    *(".git", ".obsidian", ".stfolder", ".Trash*", "$RECYCLE.BIN", "System Volume Information"),
    ".deskhand-*",
)
"""Names that are never a drop: half-written files and what desktops, editors and sync tools leave behind."""


def slug(name: str) -> str:
    """The part of *name* that a person would search for, in ``[a-z0-9_-]``; never empty, at most 40 characters."""
    stem = name.rsplit(".", 1)[0] if "." in name.strip(".") else name
    if not stem.isascii():
        stem = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    kept = _UNSAFE_RE.sub("-", stem.lower()).strip("-")[:SLUG_MAX].strip("-")
    return kept or "file"


def extension(name: str) -> str:
    """``.pdf`` for ``Invoice.PDF``; empty when there is none or it is not plain ``[a-z0-9]``."""
    head, dot, tail = name.rpartition(".")
    tail = tail.lower()
    if not (dot and head.strip(".")) or _EXTENSION_RE.match(tail) is None:
        return ""
    return f".{tail}"


def task_id(name: str, now: float, suffix: str) -> str:
    """The id of a drop called *name*, taken at *now* (epoch seconds), with 6 random base32 characters."""
    return f"{_second(int(now // 1))}-{slug(name)}-{suffix}"


@lru_cache(maxsize=4)
def _second(now: int) -> str:
    return f"{datetime.fromtimestamp(now, UTC):%Y%m%d-%H%M%S}"


def is_id(text: str) -> bool:
    """Whether *text* is a well-formed task id."""
    return _ID_RE.match(text) is not None


def is_key(text: str) -> bool:
    """Whether *text* is the audit log's short form of an id."""
    return _KEY_RE.match(text) is not None


def key_of(identifier: str) -> str:
    """The audit log's form of an id: without the slug.  Raises ValueError for anything else."""
    if not is_id(identifier):
        raise ValueError(f"not a task id: {identifier!r}")
    return f"{identifier[:15]}-{identifier[-6:]}"


def slug_of(identifier: str) -> str:
    """The readable middle of an id: what :func:`key_of` leaves out."""
    return identifier[16:-7]


def id_of(key: str, readable: str) -> str:
    """The id with this key and slug."""
    return f"{key[:15]}-{readable}{key[15:]}"


class Part(StrEnum):
    """Which of a task's files a name denotes."""

    TASK = "task.json"
    INPUT = "in"
    LOG = "log"
    OUT = "out"
    DECIDED = "request.json"
    """The request that was answered, kept beside the task."""
    REQUEST = "json"
    APPROVED = "approved"
    REJECTED = "rejected"
    HAPPENED = "happened"
    """Answer to a task in doubt: the run did its work."""
    UNKNOWN = "unknown"


_GESTURES = {
    "json": Part.REQUEST,
    "json.approved": Part.APPROVED,
    "approved.json": Part.APPROVED,
    "json.rejected": Part.REJECTED,
    "rejected.json": Part.REJECTED,
    "json.happened": Part.HAPPENED,
    "happened.json": Part.HAPPENED,
}
_PARTS = _GESTURES | {str(part): part for part in (Part.TASK, Part.LOG, Part.OUT, Part.DECIDED)}
GESTURES = frozenset({Part.REQUEST, Part.APPROVED, Part.REJECTED, Part.HAPPENED})
OWN_PARTS = frozenset({Part.TASK, Part.INPUT, Part.LOG, Part.OUT, Part.DECIDED})
"""The parts that move together from folder to folder."""


class Member(NamedTuple):
    """A name in a state folder, understood."""

    id: str
    part: Part
    name: str


def member(name: str) -> Member | None:
    """What *name* in a state folder belongs to; None when it does not begin with a task id."""
    identifier, _, rest = name.partition(".")
    if not rest or not _ID_RE.match(identifier):
        return None
    part = _PARTS.get(rest) or (Part.INPUT if _INPUT_RE.match(rest) else Part.UNKNOWN)
    return Member(identifier, part, name)


def gesture_hint(name: str) -> str | None:
    """What a person probably meant by a misspelled name in ``approvals/``; None when it looks like no gesture."""
    lowered = name.lower()
    verb = next((v for v in ("approved", "rejected", "happened") if v in lowered), None)
    if verb is None:
        return None
    found = re.match(rf"({_ID})", lowered)
    target = f"{found.group(1)}.json.{verb}" if found else f"<id>.json.{verb}"
    if "task.json" in lowered:
        return f"rename the request, not the task file: {target}"
    return f"write it exactly like this: {target}"


def ignored(name: str, extra: tuple[str, ...] = ()) -> bool:
    """Whether *name* in an inbox is never a drop (temporary, hidden system file, or one of the desk's own globs)."""
    lowered = name.lower()
    return any(fnmatchcase(name, glob) or fnmatchcase(lowered, glob.lower()) for glob in (*TEMPORARY, *extra))


def visible(name: str) -> str:
    """*name* with every control, bidirectional or undecodable character escaped: safe on a terminal and in a log."""
    if name.isprintable():
        return name
    return "".join(
        char
        if char.isprintable() and unicodedata.category(char) not in ("Cf", "Cs")
        else char.encode("unicode_escape", "surrogatepass").decode()
        for char in name
    )
