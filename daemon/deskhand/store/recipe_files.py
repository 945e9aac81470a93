"""Where the files of recipes stand, how they are read, and how a blessed version is put in place.

A version's files are published whole or not at all, read-only, and never replaced: what stands under a version's
name with other bytes is left there for a person to look at.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from deskhand.core.strict_yaml import MAX_BYTES
from deskhand.errors import LimitError, StoreError
from deskhand.store.desk import Desk
from deskhand.store.files import Files, FsyncError

MAX_CODE = 1024 * 1024
"""Bytes of a code file."""
READ_ONLY = 0o444
_VERSION = re.compile(r"v(\d{4,9})\.(?:yaml|py)\Z")


@dataclass(frozen=True)
class RecipePaths:
    """The folders of recipes in a desk."""

    desk: Desk

    def draft(self, identifier: str) -> Path:
        """`vault/recipes/drafts/<id>.yaml`."""
        return self.desk.recipes / "drafts" / f"{identifier}.yaml"

    def draft_code(self, name: str) -> Path:
        """The code file beside the drafts."""
        return self.desk.recipes / "drafts" / name

    @cached_property
    def blessed(self) -> Path:
        """`vault/recipes/blessed/`."""
        return self.desk.recipes / "blessed"

    def version(self, identifier: str, version: int) -> Path:
        """`vault/recipes/blessed/<id>/v0001.yaml`."""
        return self.blessed / identifier / f"v{version:04d}.yaml"

    def code(self, identifier: str, version: int) -> Path:
        """`vault/recipes/blessed/<id>/v0001.py`."""
        return self.blessed / identifier / f"v{version:04d}.py"

    def versions(self, identifier: str) -> list[int]:
        """Numbers of the versions of which any file is there, recorded or not; sorted."""
        try:
            names = os.listdir(self.blessed / identifier)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted({int(found[1]) for found in map(_VERSION.match, names) if found})


def sha256(data: bytes) -> str:
    """Hex."""
    return hashlib.sha256(data).hexdigest()


def read_bytes(path: Path, limit: int = MAX_BYTES) -> bytes:
    """A regular file's bytes, links not followed.  OSError as the system gave it; LimitError above *limit* bytes."""
    flags = os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with open(os.open(path, flags), "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(22, "is not a regular file", os.fspath(path))
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise LimitError("reading a recipe", f"larger than {limit} bytes", path=path)
    return data


def present(path: Path, limit: int = MAX_BYTES) -> bytes | None:
    """The bytes of a file; None when nothing has that name.  StoreError when it cannot be read."""
    try:
        return read_bytes(path, limit)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError("reading a recipe", error.strerror or str(error), path=path) from error


def publish(files: Files, path: Path, data: bytes) -> None:
    """Put *data* at *path*, read-only and durable; the same bytes there already are fine.

    StoreError when other bytes stand there or the disk refuses, FsyncError as it comes; nothing is ever replaced.
    """
    try:
        _make_folders(files, path.parent)
        temporary = path.with_name(f".deskhand-{path.name}.tmp")
        if not _is_there(files, path, data):
            files.unlink(temporary)
            files.create(temporary, data, mode=READ_ONLY)
            files.set_mode(temporary, READ_ONLY)
            files.rename(temporary, path)
        files.fsync_folder(path.parent)
    except FsyncError:
        raise
    except FileExistsError as error:
        raise _other_bytes(path) from error
    except OSError as error:
        raise StoreError("blessing a recipe", error.strerror or str(error), path=path) from error


def _is_there(files: Files, path: Path, data: bytes) -> bool:
    found = present(path, max(len(data), MAX_BYTES))
    if found is None:
        return False
    if found != data:
        raise _other_bytes(path)
    files.set_mode(path, READ_ONLY)
    files.fsync_file(path)
    return True


def _other_bytes(path: Path) -> StoreError:
    hint = "nothing is ever replaced there; look at it, move it away, and bless again"
    return StoreError("blessing a recipe", "another file stands under this version's name", path=path, hint=hint)


def _make_folders(files: Files, folder: Path) -> None:
    missing = [folder]
    while not missing[-1].parent.is_dir():
        missing.append(missing[-1].parent)
    for part in reversed(missing):
        if not part.is_dir():
            files.make_folder(part, mode=0o755)
        files.fsync_folder(part.parent)
