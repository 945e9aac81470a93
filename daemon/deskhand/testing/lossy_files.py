"""A disk that forgets: after :meth:`LossyFiles.power_cut` only what was synced is certainly left.

The model is stricter than most filesystems, because it promises only what was asked for:

- A file's bytes, written through ``write_all``, ``pwrite`` and ``truncate``, come back as they were at its last fsync
  or fdatasync; as nothing, if there was none.  Reserving space changes nothing.
- A sync of the whole filesystem makes everything durable that was written or named before it.
- A name comes back as it was at the last fsync of its folder: a file or folder that was made is gone, one that was
  removed is there again, one that was replaced has the old file.  Syncing a file does not keep its name.
- A rename is one step (no name is lost half way) and belongs to the folder of the new name.
- What was not synced is forgotten altogether, or as the dice fall: then one file's bytes are lost and another's are
  not, and a later change of names may have reached the disk before an earlier one, unless it builds on that.  A file's
  bytes are lost as a whole: torn writes are another fake's matter.

Not modelled: permissions count at once; what is written past these calls (by handlers, or SQLite) is durable at once; a
removed file that comes back has another inode number, unless it had a second name.  Needs ``/proc``.
"""

from __future__ import annotations

import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deskhand.store.files import Files, StrPath

Inode = tuple[int, int]
Saved = dict[str, tuple[int, bytes | None]]
"""Relative path -> mode and content; None for a folder."""


@dataclass(frozen=True)
class _Change:
    """One change of names that is not durable."""

    folder: Inode
    """Syncing it makes the change durable."""
    paths: tuple[Path, ...]
    undo: Callable[[], None]

    def builds_on(self, other: _Change) -> bool:
        """Whether this later change cannot have reached the disk without *other*."""
        return any(
            mine == its or its in mine.parents or mine in its.parents for mine in self.paths for its in other.paths
        )


class LossyFiles(Files):
    """A real folder that can be put back to what was durable."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._unsynced: dict[Inode, tuple[int, bytes]] = {}
        """File -> descriptor and the content that is durable."""
        self._names: list[_Change] = []
        """Oldest first."""

    def unsynced(self, path: StrPath, durable: bytes = b"") -> None:
        """Somebody else wrote this file and never synced it: only *durable* is certain to be in it."""
        fd = os.open(path, os.O_RDONLY)  # open for writing, it would look as if somebody still did
        with self._lock:
            self._unsynced[_inode(os.fstat(fd))] = (fd, durable)

    def power_cut(self, lose: Callable[[], bool] = lambda: True) -> None:
        """Lose what was not synced, every single change for which *lose* says so (and what builds on that).

        Nothing may be open that is used afterwards.
        """
        with self._lock:
            lost: list[_Change] = []
            for change in self._names:
                if lose() or any(change.builds_on(other) for other in lost):
                    lost.append(change)
            for change in reversed(lost):
                change.undo()
            self._names.clear()
            for fd, data in self._unsynced.values():
                if lose():
                    _overwrite(fd, data)
                os.close(fd)
            self._unsynced.clear()

    # -- bytes -------------------------------------------------------------------------------------------------

    def write_all(self, fd: int, data: bytes) -> None:
        """Remember what was durable, then write."""
        self._about_to_write(fd)
        super().write_all(fd, data)

    def pwrite(self, fd: int, data: bytes, offset: int) -> None:
        """Remember what was durable, then write."""
        self._about_to_write(fd)
        super().pwrite(fd, data, offset)

    def truncate(self, fd: int, size: int) -> None:
        """Remember what was durable, then cut."""
        self._about_to_write(fd)
        super().truncate(fd, size)

    def _about_to_write(self, fd: int) -> None:
        with self._lock:
            inode = _inode(os.fstat(fd))
            if inode not in self._unsynced:
                # Ours may be write-only, and the file's mode may forbid to open it for writing once more.
                self._unsynced[inode] = (os.dup(fd), Path(f"/proc/self/fd/{fd}").read_bytes())

    def _sync(self, operation: str, call: object, fd: int) -> None:
        """Sync; from here on it is durable."""
        super()._sync(operation, call, fd)
        with self._lock:
            if operation == "syncfs":
                self._names.clear()
                for held, _ in self._unsynced.values():
                    os.close(held)
                self._unsynced.clear()
                return
            status = os.fstat(fd)
            inode = _inode(status)
            if stat.S_ISDIR(status.st_mode):
                self._names = [change for change in self._names if change.folder != inode]
            elif inode in self._unsynced:
                os.close(self._unsynced.pop(inode)[0])

    # -- names -------------------------------------------------------------------------------------------------

    def before(self, operation: str, path: StrPath | int) -> None:
        """Files are made in several ways; all of them say so here first."""
        super().before(operation, path)
        if operation in ("create", "copy", "append") and not isinstance(path, int):
            self._about_to_make(Path(path))

    def make_folder(self, path: StrPath, *, mode: int = 0o700) -> None:
        """Make it; every folder that was missing can be lost."""
        missing = [folder for folder in (Path(path), *Path(path).parents) if not folder.exists()]
        super().make_folder(path, mode=mode)
        for folder in reversed(missing):
            self._change(folder, lambda folder=folder: _remove(folder))  # type: ignore[misc]

    def new_folder(self, path: StrPath, *, mode: int = 0o700) -> None:
        """Make it; it can be lost."""
        super().new_folder(path, mode=mode)
        self._change(path, lambda: _remove(Path(path)))

    def rename(self, source: StrPath, target: StrPath) -> None:
        """Rename; it can be undone."""
        with self._lock:
            super().rename(source, target)
            self._change(target, lambda: _move_back(Path(target), Path(source)), source)

    def replace(self, source: StrPath, target: StrPath) -> None:
        """Replace; it can be undone, and then the old file is there again."""
        with self._lock:
            old = self._saved(Path(target))
            super().replace(source, target)
            self._change(target, lambda: _take_back(Path(target), Path(source), old), source)

    def exchange(self, one: StrPath, other: StrPath) -> None:
        """Let them swap their names; it can be undone."""
        with self._lock:
            super().exchange(one, other)
            self._change(other, lambda: Files().exchange(one, other), one)

    def unlink(self, path: StrPath, *, missing_ok: bool = True) -> None:
        """Remove; it can come back."""
        with self._lock:
            old, held = self._saved(Path(path)), _hold(path)
            super().unlink(path, missing_ok=missing_ok)
            self._change(path, lambda: _bring_back(Path(path), old, held))

    def remove_tree(self, path: StrPath) -> None:
        """Remove; it can come back."""
        with self._lock:
            old = self._saved(Path(path))
            super().remove_tree(path)
            self._change(path, lambda: _put_back(Path(path), old))

    def remove_known(self, path: StrPath, names: Iterable[str] = ()) -> None:
        """Remove; it can come back."""
        with self._lock:
            old = self._saved(Path(path))
            super().remove_known(path, names)
            self._change(path, lambda: _put_back(Path(path), old))

    def _about_to_make(self, path: Path) -> None:
        if not os.path.lexists(path):
            self._change(path, lambda: _remove(path))

    def _change(self, path: StrPath, undo: Callable[[], None], *others: StrPath) -> None:
        paths = tuple(Path(each) for each in (path, *others))
        with self._lock, suppress(FileNotFoundError):
            self._names.append(_Change(_inode(os.stat(paths[0].parent)), paths, undo))

    def _saved(self, path: Path) -> Saved:
        """What stands at *path*, as far as it is durable; empty when nothing does."""
        saved: Saved = {}
        for found in (path, *(path.rglob("*") if path.is_dir() and not path.is_symlink() else ())):
            with suppress(FileNotFoundError):
                status = found.lstat()
                data = None
                if stat.S_ISREG(status.st_mode):
                    known = self._unsynced.get(_inode(status))
                    data = found.read_bytes() if known is None else known[1]
                saved[os.path.relpath(found, path)] = (stat.S_IMODE(status.st_mode), data)
        return saved


def _inode(status: os.stat_result) -> Inode:
    return status.st_dev, status.st_ino


def _overwrite(fd: int, data: bytes) -> None:
    """Make *data* the content of an open file, whatever its mode and that of the descriptor."""
    mode = stat.S_IMODE(os.fstat(fd).st_mode)
    os.fchmod(fd, 0o600)
    Path(f"/proc/self/fd/{fd}").write_bytes(data)
    os.fchmod(fd, mode)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _move_back(now: Path, before: Path) -> None:
    """Undo a rename, unless something durable happened to either name since."""
    if os.path.lexists(now) and not os.path.lexists(before) and before.parent.is_dir():
        Files().rename(now, before)


def _take_back(target: Path, source: Path, old: Saved) -> None:
    """Undo a replacement."""
    _move_back(target, source)
    _put_back(target, old)


def _hold(path: StrPath) -> int | None:
    """A descriptor of a file that has another name as well: through it, the file itself can get this one again."""
    with suppress(FileNotFoundError):
        status = os.lstat(path)
        if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
            return os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    return None


def _bring_back(path: Path, old: Saved, held: int | None) -> None:
    """Undo the removal of a name: the same file again where it is *held* and has another name, else one like it."""
    if held is None:
        _put_back(path, old)
        return
    folder = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.link(str(held), path, src_dir_fd=folder)  # only with a folder does this follow what it is told to link
    except FileExistsError:
        return
    except FileNotFoundError:
        _put_back(path, old)
    finally:
        os.close(folder)
        os.close(held)


def _put_back(path: Path, saved: Saved) -> None:
    """Undo a removal, unless the name was taken since."""
    if os.path.lexists(path) or not path.parent.is_dir():
        return
    for name, (mode, data) in saved.items():
        found = path / name
        if data is None:
            found.mkdir(mode)
        else:
            found.write_bytes(data)
            found.chmod(mode)
