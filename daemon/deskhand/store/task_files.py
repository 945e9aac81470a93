"""Reading back a task's immutable description, and checking its input."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path

import msgspec

from deskhand.core.task import InputFile, TaskFile
from deskhand.errors import IntegrityError
from deskhand.store.accept import take_in

BLOCK = 1 << 20
GONE_OR_SWAPPED = frozenset({errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO})
"""What opening an input says when it is not there, or something else stands in its place."""


def read(path: Path, sha256: str) -> TaskFile:
    """The task file at *path*; IntegrityError when it is gone or its bytes are not those on record, else OSError."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise IntegrityError("reading a task", "its file is gone", path=path) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise IntegrityError(
            "reading a task",
            "the file is not the one on record",
            path=path,
            hint="it is quarantined; drop the file again",
        )
    try:
        return msgspec.json.decode(data, type=TaskFile)
    except msgspec.MsgspecError as error:
        raise IntegrityError("reading a task", str(error), path=path) from error


def peek(path: Path) -> TaskFile | None:
    """The task file at *path* for display only, unchecked; None when it cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=TaskFile)
    except (OSError, msgspec.MsgspecError):
        return None


def manifest(path: Path) -> tuple[InputFile, ...]:
    """The manifest of an input as it is on disk now.  IntegrityError when it is gone or not what an input can be."""
    try:
        files, odd = take_in(None, path, "folder" if path.is_dir() and not path.is_symlink() else "file")
    except OSError as error:
        if error.errno in GONE_OR_SWAPPED:
            raise IntegrityError("reading an input", error.strerror or str(error), path=path) from error
        raise
    if odd is not None:
        raise IntegrityError("reading an input", odd, path=path)
    return files
