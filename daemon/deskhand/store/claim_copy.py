"""Copies into ``partial/``: a file or a tree, byte for byte, or not at all.

Rules: what is read is compared before and after on the same open file, so that a source that changes meanwhile is
noticed; errors in reading are told from errors in writing, because only the latter concern the whole desk.  Copies
are not durable yet; whoever gives them a name that counts sees to that.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from io import RawIOBase
from pathlib import Path
from typing import BinaryIO, Self, cast

from deskhand.core.settle import Kind
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.folder import Entry, Folder, entry_of
from deskhand.store.tree import Node, walk


class SourceError(Exception):
    """The drop itself could not be read; the desk is fine."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.errno = code
        self.strerror = text

    @classmethod
    def of(cls, error: OSError) -> Self:
        """The same error, said about the source."""
        return cls(error.errno or 0, error.strerror or str(error))


class Changed(Exception):
    """The drop is not, or no longer, what was observed."""

    def __str__(self) -> str:
        return "it changed while it was being taken"


class _Source(RawIOBase):
    """Reads a descriptor without owning it; says whose fault an error is."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def read(self, size: int = -1, /) -> bytes:
        try:
            return os.read(self._fd, size)
        except OSError as error:
            raise SourceError.of(error) from error


def copy_file(files: Files, desk: Desk, fd: int, entry: Entry, target: Path | None = None) -> Path:
    """Copy the open file *fd*, which was *entry* when it was opened.  Changed when it is not any more."""
    target = target or desk.partial / secrets.token_hex(8)
    os.lseek(fd, 0, os.SEEK_SET)
    try:
        done = files.copy(cast(BinaryIO, _Source(fd)), target, limit=entry.size, sync=False)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise Changed from error
        raise
    if done != entry.size or entry_of(entry.name, os.fstat(fd)) != entry:
        files.unlink(target)
        raise Changed
    return target


def copy_tree(files: Files, desk: Desk, folder: Folder, name: str, target: Path | None = None) -> Path:
    """Copy the regular files and folders below *name* in *folder*; links and special files are left out."""
    target = target or desk.partial / secrets.token_hex(8)
    files.make_folder(target)
    try:
        _fill(files, desk, folder, name, target)
    except BaseException:
        files.remove_tree(target)
        raise
    return target


def _fill(files: Files, desk: Desk, folder: Folder, name: str, target: Path) -> None:
    for node in _nodes(folder, name):
        if node.entry.kind is Kind.FOLDER:
            files.make_folder(target / node.path)
        elif node.entry.kind is Kind.FILE:
            try:
                fd = node.parent.file(node.entry.name)
            except OSError as error:
                raise SourceError.of(error) from error
            try:
                copy_file(files, desk, fd, node.entry, target / node.path)
            finally:
                os.close(fd)


def _nodes(folder: Folder, name: str) -> Iterator[Node]:
    # Only what happens inside the generator is the source's fault; errors of the loop's body never arrive here.
    try:
        with folder.folder(name) as top:
            yield from walk(top)
    except OSError as error:
        raise SourceError.of(error) from error
