"""Writing entries of an archive to the disk.

Every file is new, and every folder that it is written to was made here: nothing that the archive says can lead out of
the target.  The bytes of a file that turns out to be damaged do not stay.  Nothing is durable before the caller syncs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from deskhand.core.backup_facts import PLAIN_MODE
from deskhand.store.archive_read import Archive
from deskhand.store.files import Files

OPEN, PRIVATE = 0o755, 0o700
"""Permissions of folders, before the umask: queue/ holds other people's documents, as ``store.skeleton`` has it."""
Done = Callable[[int], None]
"""Told of bytes unpacked."""


class _Blocks:
    """A generator of blocks as a file to read from."""

    def __init__(self, blocks: Iterator[bytes], done: Done) -> None:
        self._blocks = blocks
        self._done = done

    def read(self, size: int = -1) -> bytes:
        """The next block that is not empty; nothing at the end."""
        block = next((block for block in self._blocks if block), b"")
        self._done(len(block))
        return block


def write_entry(
    files: Files, archive: Archive, name: str, target: Path, *, mode: int | None = None, done: Done = lambda count: None
) -> None:
    """Write one entry to the new file *target*.  Damaged when its bytes are not those in the manifest; then no file is
    left.  *mode*: instead of the permissions on record.  FileExistsError when the name is taken."""
    if mode is None:
        mode = archive.mode(name)
    source = cast(BinaryIO, _Blocks(archive.blocks(name), done))
    files.copy(source, target, limit=archive.entries[name].size, sync=False)
    if mode != PLAIN_MODE:
        files.set_mode(target, mode)
    stamp = archive.facts.mtimes_ns.get(name)
    if stamp is not None:
        files.set_times(target, stamp)


def unpack(
    files: Files,
    archive: Archive,
    names: Iterable[str],
    root: Path,
    *,
    where: Callable[[str], str | None] | None = None,
    done: Done = lambda count: None,
) -> None:
    """Write entries below the existing folder *root*, each where it was in the desk.

    *where*: another path for a path below the desk, or None to leave it out.  Damaged, with nothing said about the
    rest, at the first entry that is not what the manifest says.
    """
    made = {root}
    for name in names:
        path = archive.real(name) if where is None else where(archive.real(name))
        if path is not None:
            make_folders(files, root, os.path.dirname(path), made)
            write_entry(files, archive, name, root / path, done=done)


def unpack_folders(files: Files, archive: Archive, root: Path) -> None:
    """Make the folders that would be missing because nothing is in them."""
    made = {root}
    for name in archive.facts.folders:
        make_folders(files, root, archive.real(name), made)


def make_folders(files: Files, root: Path, path: str, made: set[Path]) -> None:
    """Make the folder *path* below *root*, step by step; *made*: those that are known to be ours."""
    folder = root
    for part in path.split("/") if path else ():
        folder = folder / part
        if folder not in made:
            try:
                files.new_folder(folder, mode=PRIVATE if path.split("/")[0] == "queue" else OPEN)
            except FileExistsError:
                if folder.is_symlink() or not folder.is_dir():
                    raise
            made.add(folder)
