"""``backup.json``: what a backup says about itself.

An archive holds ``README.txt``, ``backup.json``, ``MANIFEST.sha256``, ``data/`` (the desk) and ``audit/`` (its audit
log up to the head).  ``docs/backup-format.md`` is the specification.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct, field

FORMAT = 1
FACTS_NAME = "backup.json"
MANIFEST_NAME = "MANIFEST.sha256"
README_NAME = "README.txt"
DATA, AUDIT = "data/", "audit/"
"""Prefixes of the entries that are the desk's own files, and its audit log's."""
PLAIN_MODE = 0o600
"""Permissions of the files that ``modes`` does not name."""


class HeadFacts(Struct, frozen=True):
    """The last record that is in the backup."""

    file: str
    """Name of the log's file it stands in."""
    offset: int
    """Bytes of that file up to the end of its line: the file is that long in the backup."""
    seq: int
    hash: str
    """SHA-256 of its raw line (hex)."""


class BackupFacts(Struct, frozen=True):
    """All of ``backup.json``.  Paths are those of entries, ``/``-separated, from the archive's root."""

    format: int
    deskhand: str
    """Version that made it."""
    name: str
    """The archive's file name, without ``.age``."""
    created: str
    """UTC, as the audit log writes times."""
    full: bool
    """With everything that was finished long ago (``completed/YYYY-MM-DD/``)."""
    log_id: str
    head: HeadFacts
    desk: str = "desk"
    """What people call the desk."""
    only: Literal["history"] | None = None
    """``history``: the audit log and deskhand's notes, without any drop: no desk can be made of it."""
    counts: dict[str, int] = field(default_factory=dict)
    """State -> how many unfinished tasks the log has at the head."""
    entries: int = 0
    """Lines of ``MANIFEST.sha256`` but for that of ``backup.json`` itself."""
    bytes: int = 0
    """Bytes of those entries, unpacked."""
    modes: dict[str, str] = field(default_factory=dict)
    """Entry -> permissions in octal; what is not here has 600."""
    mtimes_ns: dict[str, int] = field(default_factory=dict)
    """Entry -> when it was last changed, nanoseconds since the epoch."""
    folders: tuple[str, ...] = ()
    """Folders that would be missing because nothing is in them, without a slash at the end."""
    links: dict[str, str] = field(default_factory=dict)
    """Path under ``data/`` -> what the symbolic link there points to.  It was not followed and is no entry."""
    left_out: tuple[str, ...] = ()
    """Paths under ``data/`` that are not here, each with the reason behind a colon and a space."""
    escaped: dict[str, str] = field(default_factory=dict)
    """Entry, folder or link -> base64 of the bytes that it would be called, when a zip file cannot hold these."""


def encode_facts(facts: BackupFacts) -> bytes:
    """The file's content, a line for each field."""
    return msgspec.json.format(msgspec.json.encode(facts), indent=1) + b"\n"


def decode_facts(data: bytes) -> BackupFacts:
    """The inverse; ValueError with the reason when *data* is no such file, or of a newer format."""
    try:
        facts = msgspec.json.decode(data, type=BackupFacts)
    except msgspec.MsgspecError as error:
        raise ValueError(f"{FACTS_NAME} is not understood: {error}") from error
    if facts.format != FORMAT:
        raise ValueError(f"it has format {facts.format}; this deskhand reads format {FORMAT}")
    return facts
