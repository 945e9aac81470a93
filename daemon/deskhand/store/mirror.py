"""The head of a desk's log, kept a second time outside the desk.

A desk that was copied, restored from a backup or a snapshot, or synced to a second machine has a log that is sound in
itself; only something outside knows that it is not the one that acted last.  One small file per desk in the user's
state folder, named after the log and the desk's path, so that either of them finds it.  It is written after every
commit and never synced: a lower bound, like the head.

Which verdict stops a start is decided by the host.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from deskhand.core.chain import Link
from deskhand.store.files import Files
from deskhand.store.segments import scan

_SECTOR = 512
_encode = msgspec.json.Encoder().encode
HashAt = Callable[[int], str | None]
"""Hash of the desk's own record with that number; None when it has none or it is archived."""


class Verdict(StrEnum):
    """What the mirror knows of a desk."""

    OK = "ok"
    """This desk is the one that acted last."""
    NEW = "new"
    """Nothing is known, and there is nothing to know: the log has only its genesis, or there is none."""
    LOG_MISSING = "log_missing"
    """A desk stood here with a log that is gone."""
    BEHIND = "behind"
    """The log here is older than the mirror, or went on differently from the same beginning."""
    COPIED = "copied"
    """A copy: the original with the same log still stands elsewhere."""
    MOVED = "moved"
    """The desk has a new place and the old one is gone; nothing is wrong."""
    OTHER_MACHINE = "other_machine"
    """The desk acted last on another machine."""
    UNKNOWN = "unknown"
    """The log has a history and nothing here knows of it."""


class Finding(Struct, frozen=True):
    """A verdict, in words, with what it rests on."""

    verdict: Verdict
    sentence: str
    mirror: Entry | None = None
    """What was remembered."""


class Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """The content of a mirror file."""

    log_id: str
    desk: str
    """Resolved path of the desk, undecodable bytes escaped."""
    dev: int
    ino: int
    """Identity of the desk's folder."""
    machine: str
    seq: int
    hash: str
    sum: str = ""
    """First 16 hex digits of the SHA-256 of this content with `sum` empty."""


class Mirror:
    """The mirror of one desk.  *state* is the folder for all of them; *desk* is absolute and resolved."""

    def __init__(self, files: Files, state: Path, desk: Path, machine: str) -> None:
        self._files = files
        self._state = state
        self._desk = desk
        self._machine = machine
        self._template: Entry | None = None
        self._fd = -1

    # -- writing -----------------------------------------------------------------------------------------------

    def write(self, log_id: str, link: Link) -> None:
        """Remember that the log of this desk reaches *link*.  OSError when the disk refuses."""
        if self._template is None or self._template.log_id != log_id or not self._linked():
            self._begin(log_id, link)
            return
        self._files.pwrite(self._fd, _content(self._template, link), 0)

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._template = None

    def _linked(self) -> bool:
        return self._fd >= 0 and os.fstat(self._fd).st_nlink > 0

    def _begin(self, log_id: str, link: Link) -> None:
        """Make this desk's file and forget the ones of its earlier places and logs."""
        self.close()
        status = os.stat(self._desk)
        entry = Entry(log_id, _shown(self._desk), status.st_dev, status.st_ino, self._machine, 0, "")
        path = self._state / f"{log_id}~{_path_hash(self._desk)}.json"
        self._files.make_folder(self._state)
        self._replace(path, _content(entry, link))
        for other in self._candidates(log_id):
            known = _read(other)
            if other != path and (known is None or not self._lives(known)):
                self._files.unlink(other)
        self._fd = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0))
        self._template = entry

    def _replace(self, path: Path, data: bytes) -> None:
        """Old or new at every moment."""
        # Other desks share this folder, so nothing there may be swept; under a name that is this desk's own, the next
        # try finds and removes what a crash left.
        temporary = path.with_name(f".deskhand-{path.stem}.tmp")
        self._files.unlink(temporary)
        self._files.create(temporary, data)
        self._files.replace(temporary, path)
        self._files.fsync_folder(self._state)

    # -- checking ----------------------------------------------------------------------------------------------

    def check(self, log_id: str | None, link: Link, hash_at: HashAt) -> Finding:
        """What is remembered, held against the desk's log (*log_id* None: it has none) and the end of it."""
        entries = [entry for path in self._candidates(log_id) if (entry := _read(path)) is not None]
        here = [entry for entry in entries if entry.desk == _shown(self._desk)]
        if log_id is None:
            return self._check_no_log(here)
        same = [entry for entry in entries if entry.log_id == log_id]
        if not same:
            return self._check_unknown(here, link)
        mine = next((entry for entry in here if entry.log_id == log_id), None)
        known = mine or max(same, key=lambda entry: entry.seq)
        if known.machine != self._machine:
            words = f"the desk acted last on another machine, at {known.desk}"
            return Finding(Verdict.OTHER_MACHINE, words, known)
        original = None if mine is not None and self._is_this(mine) else next(filter(self._lives, same), None)
        if original is not None:
            words = f"the original with the same log stands at {original.desk}"
            return Finding(Verdict.COPIED, words, original)
        if (reason := _behind(known, link, hash_at)) is not None:
            return Finding(Verdict.BEHIND, reason, known)
        if mine is None:
            return Finding(Verdict.MOVED, f"the desk was at {known.desk} before; nothing is left there", known)
        return Finding(Verdict.OK, f"this desk acted last, up to record {known.seq}", known)

    def _check_no_log(self, here: list[Entry]) -> Finding:
        if not here:
            return Finding(Verdict.NEW, "no log, and nothing is known of one here")
        known = max(here, key=lambda entry: entry.seq)
        return Finding(Verdict.LOG_MISSING, f"a log with {known.seq} records stood here and its files are gone", known)

    def _check_unknown(self, here: list[Entry], link: Link) -> Finding:
        if here:
            known = max(here, key=lambda entry: entry.seq)
            words = f"another log stood here, with {known.seq} records; this one is not it"
            return Finding(Verdict.LOG_MISSING, words, known)
        if link.seq <= 1:
            return Finding(Verdict.NEW, "the log has just begun")
        words = f"the log has {link.seq} records, and nothing on this machine remembers it"
        return Finding(Verdict.UNKNOWN, words)

    def _is_this(self, entry: Entry) -> bool:
        status = os.stat(self._desk)
        return (entry.dev, entry.ino) == (status.st_dev, status.st_ino)

    def _lives(self, entry: Entry) -> bool:
        """Whether a desk other than this one stands at the remembered path with the remembered log."""
        path = Path(entry.desk)
        try:
            if os.path.samefile(path, self._desk):
                return False
            segments = scan(path / "audit_logs").segments
        except OSError:
            return False
        return bool(segments) and segments[0].fact("log_id") == entry.log_id

    def _candidates(self, log_id: str | None) -> list[Path]:
        """Mirror files of this log or of this path."""
        wanted = _path_hash(self._desk)
        try:
            paths = sorted(self._state.glob("*~*.json"))
        except OSError:
            return []
        return [path for path in paths if path.stem.startswith(f"{log_id}~") or path.stem.endswith(f"~{wanted}")]


def _behind(known: Entry, link: Link, hash_at: HashAt) -> str | None:
    if link.seq < known.seq:
        return f"the log ends at record {link.seq}, but {known.seq} were written: it is an older copy"
    found = link.hash if link.seq == known.seq else hash_at(known.seq)
    if found is not None and found != known.hash:
        return f"record {known.seq} is not the one that was written here: the log went on from an older copy"
    return None


def _content(entry: Entry, link: Link) -> bytes:
    """Always the same size for one desk: filled up with spaces to whole sectors."""
    filled = replace(entry, seq=link.seq, hash=link.hash, sum="")
    data = _encode(replace(filled, sum=_sum(filled)))
    room = len(_encode(entry)) + 64 + 16 + 20
    return data.ljust(room + -room % _SECTOR - 1) + b"\n"


def _read(path: Path) -> Entry | None:
    """The entry in *path*; None when it is no sound one."""
    try:
        entry = msgspec.json.decode(path.read_bytes(), type=Entry)
    except (OSError, ValueError):
        return None
    return entry if entry.sum == _sum(replace(entry, sum="")) else None


def _sum(entry: Entry) -> str:
    return sha256(_encode(entry)).hexdigest()[:16]


def _path_hash(path: Path) -> str:
    return sha256(os.fsencode(path)).hexdigest()[:16]


def _shown(path: Path) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")
