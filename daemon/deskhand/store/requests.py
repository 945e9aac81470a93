"""Request files in ``approvals/``: put there, read back, put back, and taken away when answered.

The bytes that were asked are kept in ``queue/.requests/`` too, durable before the question is on record: so a deleted
request is restored byte for byte, and an edited one can be shown as a difference.
"""

from __future__ import annotations

import hashlib
import os

from deskhand.core.names import Part
from deskhand.core.request import MAX_REQUEST
from deskhand.errors import IntegrityError
from deskhand.store.desk import Desk
from deskhand.store.files import Files


class Requests:
    """The questions of one desk."""

    def __init__(self, files: Files, desk: Desk) -> None:
        self._files = files
        self._desk = desk

    def prepare(self, identifier: str, data: bytes) -> str:
        """Keep *data* durably as what is going to be asked; returns its SHA-256 (hex)."""
        self._files.write_atomic(self._desk.requests / f"{identifier}.json", data)
        return hashlib.sha256(data).hexdigest()

    def asked(self, identifier: str, digest: str) -> bytes:
        """What was asked; IntegrityError when the kept copy is gone or is not what is on record."""
        path = self._desk.requests / f"{identifier}.json"
        try:
            data = path.read_bytes()
        except OSError as error:
            raise IntegrityError("reading a kept request", error.strerror or str(error), path=path) from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise IntegrityError("reading a kept request", "it is not the one on record", path=path)
        return data

    def post(self, identifier: str, digest: str) -> None:
        """Put the request where a person renames it, unless it stands there already."""
        data = self.asked(identifier, digest)
        target = self._desk.approvals / f"{identifier}.json"
        if self.read(target.name) != data:
            self._files.write_atomic(target, data, sync=False)

    def read(self, name: str) -> bytes | None:
        """The bytes of a file in approvals/; None when it is gone, no regular file or too large to be a request."""
        path = self._desk.approvals / name
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        except OSError:
            return None
        with os.fdopen(fd, "rb") as file:
            try:
                data = file.read(MAX_REQUEST + 1)
            except OSError:
                return None
        return data if len(data) <= MAX_REQUEST else None

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
                self._files.unlink(self._desk.approvals / name)
        return kept

    def forget(self, identifier: str) -> None:
        """Drop the kept copy: the question is answered or void."""
        self._files.unlink(self._desk.requests / f"{identifier}.json")
