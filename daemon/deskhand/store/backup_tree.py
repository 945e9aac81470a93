"""Copying folders into an archive while people and programs work in them.

Every folder is held open and everything in it is opened relative to that, so a folder that is renamed meanwhile is
read to its end.  Links are noted and never followed; a pipe, a socket or a device is left out by name.  What is read is
read once: a small file whole and again when it changed meanwhile, a large one block by block.

:meth:`Trees.look_again` finds what was renamed from where nobody had been to where somebody had: files are known by
device and inode.  So every file that was there all the time is in the archive at least once.
"""

from __future__ import annotations

import os
import stat
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path

from deskhand.core.backup_facts import DATA
from deskhand.core.entry_name import EntryNames
from deskhand.store.archive_write import ArchiveWriter

SMALL = 1 << 20
"""Bytes up to which a file is read whole, and again when it changed meanwhile."""
TIMES = 3
"""How often a file that changes is read, and a folder is looked through again."""
READ = os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
TEMPORARY = (".deskhand-*.tmp",)
"""Names of files that are being replaced: never whole."""

Inode = tuple[int, int]
Tell = Callable[[bytes, str], None]
"""Hears of a file's path and SHA-256."""


class Trees:
    """What goes from the desk's folders into one archive, and what does not."""

    def __init__(self, writer: ArchiveWriter, root: bytes, exclude: tuple[str, ...], begun: float) -> None:
        """*root*: the desk; *exclude*: globs of names left out; *begun*: epoch seconds at which the backup began."""
        self.writer = writer
        self.links: dict[str, str] = {}
        self.folders: list[str] = []
        self.escaped: dict[str, str] = {}
        self.left_out: list[str] = []
        self._root = root
        self._exclude = exclude
        self._begun_ns = round(begun * 1e9)
        self._names = EntryNames()
        self._paths: set[bytes] = set()
        """Paths of the files that are in."""
        self._seen: set[Inode] = set()
        self._mentioned: set[bytes] = set()

    # -- names -------------------------------------------------------------------------------------------------

    def entry(self, path: bytes, prefix: str = DATA) -> str:
        """The entry for what stands at *path* in the desk."""
        real = prefix.encode() + path
        name = self._names.give(real)
        if name.encode() != real:
            self.escaped[name] = b64encode(real).decode()
        return name

    def leave_out(self, path: bytes, reason: str) -> None:
        """Say once that something is not in the backup."""
        if path not in self._mentioned:
            self._mentioned.add(path)
            shown = path.decode("utf-8", "backslashreplace")
            self.left_out.append(f"{shown}: {reason}")

    def excluded(self, name: str) -> bool:
        """Whether files of this name are left out."""
        return any(fnmatchcase(name.lower(), glob.lower()) for glob in self._exclude)

    # -- files -------------------------------------------------------------------------------------------------

    def put(self, fd: int, found: os.stat_result, path: bytes, *, prefix: str = DATA) -> str:
        """Put an open regular file in, as *path*; its SHA-256.  The descriptor is the caller's."""
        name, mode = self.entry(path, prefix), stat.S_IMODE(found.st_mode) & 0o777
        self._paths.add(path)
        self._seen.add((found.st_dev, found.st_ino))
        if found.st_size <= SMALL:
            data, found = whole(fd, found)
            return self.writer.add(name, data, mode=mode, mtime_ns=found.st_mtime_ns)
        with open(fd, "rb", closefd=False) as source:
            digest = self.writer.add_stream(name, source, size=found.st_size, mode=mode, mtime_ns=found.st_mtime_ns)
        if _changed(found, os.fstat(fd)):
            self.leave_out(path, "it was written while it was read; what is here may be a mixture")
        return digest

    def put_bytes(self, data: bytes, path: bytes, *, mtime_ns: int, prefix: str = DATA) -> str:
        """Put bytes in, as *path*; their SHA-256."""
        self._paths.add(path)
        return self.writer.add(self.entry(path, prefix), data, mtime_ns=mtime_ns)

    # -- folders -----------------------------------------------------------------------------------------------

    def tree(self, path: bytes) -> None:
        """Put a folder of the desk in, with everything below; one that is not there is no error."""
        with suppress(FileNotFoundError, NotADirectoryError), folder(os.path.join(self._root, path)) as fd:
            self.below(fd, path)

    def look_again(self, path: bytes) -> None:
        """Put in what stands in the folder now and was not come across: it was renamed, or is new."""
        for _ in range(TIMES):
            before = len(self._seen)
            with suppress(FileNotFoundError, NotADirectoryError), folder(os.path.join(self._root, path)) as fd:
                self.below(fd, path, again=True)
            if len(self._seen) == before:
                return

    def below(
        self,
        fd: int,
        path: bytes,
        *,
        again: bool = False,
        keep: Callable[[str], bool] | None = None,
        tell: Tell | None = None,
    ) -> None:
        """Everything in an open folder, which stands at *path*.

        *keep*: which names, of those directly in it.  *tell* makes it a part of a task, of which nothing is excluded,
        and hears of every file.
        """
        names = [name for name in os.listdir(fd) if keep is None or keep(name)]
        empty = not names
        for name in sorted(names):
            where = path + b"/" + os.fsencode(name)
            try:
                self._one(fd, name, where, again=again, tell=tell)
            except FileNotFoundError:
                continue  # it was renamed or taken; looking again finds it if it is still anywhere
            except OSError as error:
                self.writer.check()
                self.leave_out(where, error.strerror or str(error))
        if empty and not again:
            self.folders.append(self.entry(path))

    def _one(self, parent: int, name: str, path: bytes, *, again: bool, tell: Tell | None) -> None:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        kind = stat.S_IFMT(found.st_mode)
        if tell is None and any(fnmatchcase(name, glob) for glob in TEMPORARY):
            return
        if tell is None and self.excluded(name):
            self.leave_out(path, "it looks like a secret or is excluded by `backup.exclude`")
        elif kind == stat.S_IFLNK:
            if path not in self._paths:
                self._paths.add(path)
                self.links[self.entry(path)] = os.fsencode(os.readlink(name, dir_fd=parent)).decode(
                    "utf-8", "backslashreplace"
                )
        elif kind == stat.S_IFDIR:
            with folder(name, parent) as fd:
                self.below(fd, path, again=again, tell=tell)
        elif kind != stat.S_IFREG:
            self.leave_out(path, "it is no regular file")
        elif not again or (found.st_dev, found.st_ino) not in self._seen:
            self._file(parent, name, path, again=again, tell=tell)

    def _file(self, parent: int, name: str, path: bytes, *, again: bool, tell: Tell | None) -> None:
        with opened(name, parent) as (fd, found):
            if not stat.S_ISREG(found.st_mode):
                raise FileNotFoundError
            if path in self._paths:
                # What is here by this name was another file: renamed since, or replaced by a newer one.
                if not again or found.st_mtime_ns >= self._begun_ns:
                    self._seen.add((found.st_dev, found.st_ino))
                    return
                path = self._beside(path)
            digest = self.put(fd, found, path)
            if tell is not None:
                tell(path, digest)

    def _beside(self, path: bytes) -> bytes:
        stem, ending = os.path.splitext(path)
        number = 2
        while (other := b"%b~%d%b" % (stem, number, ending)) in self._paths:
            number += 1
        return other


@contextmanager
def folder(path: str | bytes, parent: int | None = None) -> Iterator[int]:
    """A folder, open; a link in its place is refused (OSError)."""
    fd = os.open(path, READ | getattr(os, "O_DIRECTORY", 0), dir_fd=parent)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def opened(path: str | bytes | Path, parent: int | None = None) -> Iterator[tuple[int, os.stat_result]]:
    """Something, open for reading, and what it is; a link is refused (OSError)."""
    fd = os.open(path, READ, dir_fd=parent)
    try:
        yield fd, os.fstat(fd)
    finally:
        os.close(fd)


def whole(fd: int, found: os.stat_result) -> tuple[bytes, os.stat_result]:
    """All bytes of a small open file, as they were between two looks at it if it stands still long enough."""
    data = b""
    for _ in range(TIMES):
        data, at = b"", 0
        while block := os.pread(fd, max(found.st_size - at, 0) + 1, at):
            data += block
            at = len(data)
        now = os.fstat(fd)
        if not _changed(found, now):
            break
        found = now
    return data, found


def _changed(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)
