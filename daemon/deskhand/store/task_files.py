"""Reading back a task's immutable description, and checking its input."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from deskhand.core.task import InputFile, TaskFile
from deskhand.errors import IntegrityError

BLOCK = 1 << 20


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


def hash_file(path: Path) -> tuple[str, int]:
    """SHA-256 (hex) and size of a regular file, never following a link."""
    digest = hashlib.sha256()
    size = 0
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(fd, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size


def manifest(path: Path) -> tuple[InputFile, ...]:
    """The manifest of an input as it is on disk now: one entry for a file, one per file of a folder, sorted."""
    if not path.is_dir() or path.is_symlink():
        sha256, size = hash_file(path)
        return (InputFile("", sha256, size),)
    entries = []
    for folder, _, names in os.walk(path):
        for name in names:
            file = Path(folder, name)
            sha256, size = hash_file(file)
            entries.append(InputFile(file.relative_to(path).as_posix(), sha256, size))
    return tuple(sorted(entries, key=lambda entry: entry.path))
