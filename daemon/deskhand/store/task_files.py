"""Reading back a task's immutable description, and checking its input."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from typing import Literal

import msgspec

from deskhand.core.names import Part, id_of
from deskhand.core.state import STATE_FOLDERS
from deskhand.core.task import InputFile, TaskFile
from deskhand.errors import IntegrityError
from deskhand.store.accept import take_in
from deskhand.store.desk import Desk
from deskhand.store.files import StrPath

BLOCK = 1 << 20
READ_AT_ONCE = 16 * 1024
"""Bytes; nearly every task file is shorter, and a short read is its end."""
GONE_OR_SWAPPED = frozenset({errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO})
"""What opening an input says when it is not there, or something else stands in its place."""


def read(path: StrPath, sha256: str) -> TaskFile:
    """The task file at *path*; IntegrityError when it is gone or its bytes are not those on record, else OSError."""
    try:
        data = _bytes(path)
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


def _bytes(path: StrPath) -> bytes:
    """All of a file, with three calls to the system if it is small."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.read(fd, READ_AT_ONCE)
        if len(data) == READ_AT_ONCE:
            with open(fd, "rb", closefd=False) as rest:
                data += rest.read()
    finally:
        os.close(fd)
    return data


def peek(path: Path) -> TaskFile | None:
    """The task file at *path* for display only, unchecked; None when it cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=TaskFile)
    except (OSError, msgspec.MsgspecError):
        return None


def copied(desk: Desk, key: str, input_sha256: str) -> tuple[InputFile, ...] | None:
    """What the input of the task *key* was; None when no description with this input hash stands anywhere any more.

    Reads every name in the state folders: for what is rarely asked.
    """
    name = f"{id_of(key, '*')}.{Part.TASK}"
    for folder in (desk.accepted, *(desk.folder(state) for state in STATE_FOLDERS)):
        for path in (*folder.glob(name), *folder.glob(f"????-??-??/{name}")):
            found = peek(path)
            if found is not None and found.input_sha256 == input_sha256:
                return found.files
    return None


def manifest(path: Path, kind: Literal["file", "folder"] | None = None) -> tuple[InputFile, ...]:
    """The manifest of an input as it is on disk now.  IntegrityError when it is gone or not what an input can be.

    *kind*: what it was; None = whatever it is.
    """
    try:
        kind = kind or ("folder" if path.is_dir() and not path.is_symlink() else "file")
        files, odd = take_in(None, path, kind)
    except OSError as error:
        if error.errno in GONE_OR_SWAPPED:
            raise IntegrityError("reading an input", error.strerror or str(error), path=path) from error
        raise
    if odd is not None:
        raise IntegrityError("reading an input", odd, path=path)
    return files
