"""Request files in ``approvals/``: put there, read back, put back, and taken away when answered.

The bytes that were asked are kept in ``queue/.requests/`` too, durable before the question is on record: so a deleted
request is restored byte for byte, and an edited one can be shown as a difference.  The name of a kept copy says of
which question it is: when a task is asked again, both copies are there until the log says which of them counts.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from deskhand.core.names import Part
from deskhand.core.request import MAX_REQUEST
from deskhand.errors import IntegrityError
from deskhand.store.desk import Desk
from deskhand.store.files import Files, StrPath

NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO})
"""What opening a kept copy says when it is gone, or something else stands in its place."""
DIGITS = 16
"""Hex digits of the digest in the name of a kept copy."""


class Requests:
    """The questions of one desk."""

    def __init__(self, files: Files, desk: Desk) -> None:
        self._files = files
        self._desk = desk
        self._others: dict[str, set[str]] = {}
        """Id -> names of kept copies beside the one of the question that counts: there are hardly ever any."""

    def sort_out(self, asked: Callable[[str], str | None]) -> None:
        """Look through the kept copies, at the start.  *asked*: id -> digest of the question that counts, if any."""
        with suppress(FileNotFoundError), os.scandir(self._desk.requests) as entries:
            for entry in entries:
                identifier = entry.name.partition(".")[0]
                digest = asked(identifier)
                if digest is None or entry.name != _copy(identifier, digest):
                    self._others.setdefault(identifier, set()).add(entry.name)

    def has_others(self, identifier: str) -> bool:
        """Whether there are such copies."""
        return identifier in self._others

    def _keep(self, identifier: str, digest: str, data: bytes) -> None:
        self._files.write_atomic(self._path(identifier, digest), data)

    def _path(self, identifier: str, digest: str) -> Path:
        return self._desk.requests / _copy(identifier, digest)

    def prepare(self, identifier: str, data: bytes, *, again: bool = False) -> str:
        """Keep *data* durably as what is going to be asked; returns its SHA-256 (hex).

        *again*: the task was asked about before, so there may be a copy of that.
        """
        digest = hashlib.sha256(data).hexdigest()
        others = self._others.setdefault(identifier, set())
        if again:
            others.update(name for name in os.listdir(self._desk.requests) if name.startswith(f"{identifier}."))
        others.add(_copy(identifier, digest))
        self._keep(identifier, digest, data)
        return digest

    def asked(self, identifier: str, digest: str) -> bytes:
        """What was asked; IntegrityError when the kept copy is gone or is not what is on record."""
        path = self._path(identifier, digest)
        try:
            data = _read(path)
        except OSError as error:
            if error.errno not in NOT_THERE:
                raise
            data = None
        if data is None:
            raise IntegrityError("reading a kept request", "it is gone, or no file", path=path)
        if hashlib.sha256(data).hexdigest() != digest:
            raise IntegrityError("reading a kept request", "it is not the one on record", path=path)
        return data

    def post(self, identifier: str, digest: str) -> None:
        """Put the request where a person renames it, unless it stands there already; copies of others are void.

        The one that stands there and the kept one replace each other.  IntegrityError when both are gone.
        """
        name = f"{identifier}.json"
        standing = self.read(name)
        if standing is not None and hashlib.sha256(standing).hexdigest() == digest:
            if not os.path.exists(f"{self._desk.requests}/{_copy(identifier, digest)}"):
                self._keep(identifier, digest, standing)
        else:
            self._files.write_atomic(self._desk.approvals / name, self.asked(identifier, digest), sync=False)
        if identifier in self._others:
            self._drop_copies(identifier, except_for=_copy(identifier, digest))

    def _drop_copies(self, identifier: str, *, except_for: str | None = None) -> None:
        others = self._others.get(identifier, set())
        for name in others - {except_for}:
            self._remove(self._desk.requests / name)
            others.discard(name)
        self._others.pop(identifier, None)

    def _remove(self, path: Path) -> None:
        """Remove a file's name; a folder that somebody put there is left to whoever sets it aside."""
        try:
            self._files.unlink(path)
        except OSError:
            if not path.is_dir() or path.is_symlink():
                raise

    def read(self, name: str) -> bytes | None:
        """The bytes of a file in approvals/; None when it is gone, no regular file or too large to be a request."""
        try:
            return _read(f"{self._desk.approvals}/{name}")
        except OSError:
            return None

    def owner(self, name: str) -> int | None:
        """OS user id that owns a file in approvals/: all that a rename tells of who did it."""
        try:
            return (self._desk.approvals / name).lstat().st_uid
        except OSError:
            return None

    def take_away(self, identifier: str, names: tuple[str, ...], answered: str | None = None) -> str | None:
        """Remove a request's files; the one that was *answered* stays beside the task.  Its new name, or None."""
        kept = None
        if answered is not None:
            kept = f"{identifier}.{Part.DECIDED}"
            try:
                self._files.replace(self._desk.approvals / answered, self._desk.approvals / kept)
            except FileNotFoundError:
                kept = None
        for name in names:
            if name != answered:
                self._remove(self._desk.approvals / name)
        return kept

    def forget(self, identifier: str, digest: str | None) -> None:
        """Drop every kept copy: the question, with *digest* if there was one, is answered or void."""
        if digest is not None:
            self._others.setdefault(identifier, set()).add(_copy(identifier, digest))
        self._drop_copies(identifier)


def _copy(identifier: str, digest: str) -> str:
    """Name of the kept copy of a question."""
    return f"{identifier}.{digest[:DIGITS]}.json"


def _read(path: StrPath) -> bytes | None:
    """The bytes of a regular file; None for anything else, and when it is too large."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        data = b""
        while len(data) <= MAX_REQUEST and (block := os.read(fd, MAX_REQUEST + 1 - len(data))):
            data += block
    finally:
        os.close(fd)
    return data if len(data) <= MAX_REQUEST else None
