"""The only home of create, rename, replace, unlink and fsync.

Every call that changes the disk goes through :meth:`Files.before`, so that a test can stop, fail or count at each of
them (``deskhand.testing.FaultyFiles``).  Rules: a write loops until everything is written; a rename never replaces
what is there unless it is called ``replace``; an fsync that fails is never tried again (the kernel may have dropped
the pages) but ends the daemon.  Errors are ``OSError`` as the system gave them; callers that know what was being done
turn them into ``StoreError``.
"""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

AT_FDCWD = -100
RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2
SYNC_FILE_RANGE_WRITE = 2
FALLOC_FL_KEEP_SIZE = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

if _libc is not None and hasattr(_libc, "renameat2"):
    _libc.renameat2.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)

StrPath = str | os.PathLike[str]


def _syncfs(fd: int) -> None:
    if _libc is None or _libc.syncfs(fd) != 0:
        code = errno.ENOSYS if _libc is None else ctypes.get_errno()
        raise OSError(code, os.strerror(code))


TROUBLE = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS),
        *(errno.EMFILE, errno.ENFILE, errno.ENOMEM),
    }
)
"""What the system says when the disk or the machine has trouble: the same call may go through later.  Any other error
is about what stands at the path, and stays."""


class FsyncError(OSError):
    """An fsync failed: what was written before it may be lost although later syncs succeed.  The daemon must stop."""


class Files:
    """Operations on the real disk."""

    def before(self, operation: str, path: StrPath | int) -> None:
        """Called before every change; a fake raises here."""

    # -- writing -----------------------------------------------------------------------------------------------

    def write_all(self, fd: int, data: bytes) -> None:
        """Write all of *data* at the descriptor's position, however short the single writes are."""
        self.before("write", fd)
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]

    def create(self, path: StrPath, data: bytes, *, mode: int = 0o600, sync: bool = True) -> None:
        """Make a new file with *data*; FileExistsError when there is one.  With *sync*, its bytes are durable."""
        self.before("create", path)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0), mode)
        try:
            self.write_all(fd, data)
            if sync:
                self.fsync(fd)
        except BaseException:
            os.close(fd)
            os.unlink(path)
            raise
        os.close(fd)

    def open_new(self, path: StrPath, *, mode: int = 0o600) -> int:
        """Make a new, empty file and return its descriptor, for what is too large for memory.

        FileExistsError when there is one.  The caller writes with :meth:`write_all`, syncs and closes.
        """
        self.before("create", path)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
        return os.open(path, flags, mode)

    def write_atomic(self, path: StrPath, data: bytes, *, mode: int = 0o600, sync: bool = True) -> None:
        """Replace the file at *path* by one with *data*: old or new at every moment, never a mixture."""
        target = Path(path)
        temporary = target.with_name(f".deskhand-{secrets.token_hex(8)}.tmp")
        self.create(temporary, data, mode=mode, sync=sync)
        try:
            self.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise
        if sync:
            self.fsync_folder(target.parent)

    def copy(self, source: BinaryIO, target: StrPath, *, limit: int, mode: int = 0o600, sync: bool = True) -> int:
        """Copy an open file to a new one and return the bytes written; EFBIG above *limit* bytes."""
        self.before("copy", target)
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        done = 0
        try:
            while block := source.read(1 << 20):
                done += len(block)
                if done > limit:
                    raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), os.fspath(target))
                self.write_all(fd, block)
            if sync:
                self.fsync(fd)
        except BaseException:
            os.close(fd)
            os.unlink(target)
            raise
        os.close(fd)
        return done

    def pwrite(self, fd: int, data: bytes, offset: int) -> None:
        """Overwrite *data* at *offset* (small, fixed-size files such as the log's head)."""
        self.before("pwrite", fd)
        view = memoryview(data)
        while view:
            written = os.pwrite(fd, view, offset)
            view, offset = view[written:], offset + written

    def truncate(self, fd: int, size: int) -> None:
        """Cut an open file to *size* bytes."""
        self.before("truncate", fd)
        os.ftruncate(fd, size)

    def preallocate(self, fd: int, offset: int, length: int) -> bool:
        """Reserve disk space beyond the end without changing the file's size; False where that is impossible.

        ENOSPC is raised: there is no room for what is being reserved.
        """
        self.before("preallocate", fd)
        if _libc is None or not hasattr(_libc, "fallocate"):
            return False
        result = _libc.fallocate(fd, FALLOC_FL_KEEP_SIZE, ctypes.c_long(offset), ctypes.c_long(length))
        if result == 0:
            return True
        code = ctypes.get_errno()
        if code in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
            return False
        raise OSError(code, os.strerror(code))

    # -- durability --------------------------------------------------------------------------------------------

    def fsync(self, fd: int) -> None:
        """Make an open file's bytes and metadata durable; FsyncError when that failed."""
        self._sync("fsync", os.fsync, fd)

    def fdatasync(self, fd: int) -> None:
        """Make an open file's bytes, and the size needed to read them, durable; FsyncError when that failed."""
        self._sync("fdatasync", getattr(os, "fdatasync", os.fsync), fd)

    def sync_filesystem(self, fd: int) -> None:
        """Make everything on an open file's filesystem durable (Linux); FsyncError when that failed."""
        self._sync("syncfs", _syncfs, fd)

    def begin_writing(self, fd: int) -> None:
        """Let the system begin to write an open file's bytes, so that a sync that comes later waits less (Linux).

        Nothing is durable by it, and a refusal means nothing.
        """
        if _libc is not None and hasattr(_libc, "sync_file_range"):
            _libc.sync_file_range(fd, ctypes.c_long(0), ctypes.c_long(0), SYNC_FILE_RANGE_WRITE)

    def fsync_file(self, path: StrPath) -> None:
        """Like :meth:`fsync`, for a file that is not open."""
        # A handler may have made it: a pipe without a writer must not hold us up.
        flags = os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        fd = os.open(path, flags)
        try:
            self.fsync(fd)
        finally:
            os.close(fd)

    def fsync_folder(self, path: StrPath) -> None:
        """Make the names in a folder durable.  Windows does this by itself."""
        if sys.platform == "win32":
            return
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.fsync(fd)
        finally:
            os.close(fd)

    def fsync_tree(self, path: StrPath) -> None:
        """Make a whole folder durable: every file, then every folder, deepest first."""
        for folder, _, names in os.walk(path, topdown=False):
            for name in names:
                self.fsync_file(Path(folder, name))
            self.fsync_folder(folder)

    def _sync(self, operation: str, call: object, fd: int) -> None:
        try:
            self.before(operation, fd)
            call(fd)  # type: ignore[operator]
        except OSError as error:
            raise FsyncError(error.errno, f"{operation} failed: {error.strerror}") from error

    # -- names -------------------------------------------------------------------------------------------------

    def rename(self, source: StrPath, target: StrPath) -> None:
        """Give *source* the name *target*; FileExistsError when that name is taken, and nothing is changed."""
        self.before("rename", target)
        if _libc is not None and hasattr(_libc, "renameat2"):
            paths = os.fsencode(source), os.fsencode(target)
            if _libc.renameat2(AT_FDCWD, paths[0], AT_FDCWD, paths[1], RENAME_NOREPLACE) == 0:
                return
            code = ctypes.get_errno()
            if code not in (errno.ENOSYS, errno.EINVAL):
                raise OSError(code, os.strerror(code), os.fspath(source), None, os.fspath(target))
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.fspath(target))
        os.rename(source, target)

    def replace(self, source: StrPath, target: StrPath) -> None:
        """Give *source* the name *target* in place of what is there."""
        self.before("replace", target)
        os.replace(source, target)

    def unlink(self, path: StrPath, *, missing_ok: bool = True) -> None:
        """Remove a file's name."""
        self.before("unlink", path)
        try:
            os.unlink(path)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def make_folder(self, path: StrPath, *, mode: int = 0o700) -> None:
        """Make a folder and its missing parents; one that is there is left as it is."""
        if not os.path.isdir(path):
            self.before("mkdir", path)
            os.makedirs(path, mode=mode, exist_ok=True)

    def new_folder(self, path: StrPath, *, mode: int = 0o700) -> None:
        """Make a folder; FileExistsError when the name is taken."""
        self.before("mkdir", path)
        os.mkdir(path, mode)

    def remove_known(self, path: StrPath, names: Iterable[str] = ()) -> None:
        """Remove a folder of ours that holds at most the files *names*; OSError (ENOTEMPTY) when there is more in it.

        What a handler put in the folder's place is neither followed nor removed (ENOTDIR).
        """
        self.before("rmtree", path)
        if names:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0))
            try:
                for name in names:
                    with suppress(FileNotFoundError):
                        os.unlink(name, dir_fd=fd)
            finally:
                os.close(fd)
        os.rmdir(path)

    def remove_tree(self, path: StrPath) -> None:
        """Remove a folder of ours with everything in it, read-only folders too; one that is not there is no error."""
        self.before("rmtree", path)
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            return
        except PermissionError:
            self._open_up(path)
            shutil.rmtree(path)

    def _open_up(self, path: StrPath) -> None:
        """Let us into every folder of the tree; handlers leave read-only ones (caches of packages are made so)."""
        left = [os.fspath(path)]
        while left:
            folder = left.pop()
            self.set_mode(folder, stat.S_IMODE(os.lstat(folder).st_mode) | stat.S_IRWXU)
            with os.scandir(folder) as entries:
                left += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]

    def set_mode(self, path: StrPath, mode: int) -> None:
        """Change permissions."""
        self.before("chmod", path)
        os.chmod(path, mode)

    def set_times(self, path: StrPath, mtime_ns: int) -> None:
        """Say when a file was changed last (nanoseconds since the epoch)."""
        self.before("utime", path)
        os.utime(path, ns=(mtime_ns, mtime_ns))

    def link(self, source: StrPath, target: StrPath) -> None:
        """Give a file a second name (a symbolic link: the link itself); FileExistsError when that is taken."""
        self.before("link", target)
        os.link(source, target, follow_symlinks=False)

    def symlink(self, points_to: str, path: StrPath) -> None:
        """Make a symbolic link; FileExistsError when the name is taken."""
        self.before("symlink", path)
        os.symlink(points_to, path)

    def exchange(self, one: StrPath, other: StrPath) -> None:
        """Let two files or folders swap their names, in one step: there is no moment without either.

        OSError ENOSYS or EINVAL where the system or the filesystem cannot do that.
        """
        self.before("exchange", other)
        if _libc is None or not hasattr(_libc, "renameat2"):
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), os.fspath(other))
        if _libc.renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), os.fspath(one), None, os.fspath(other))

    def fsync_folders(self, paths: Iterable[StrPath]) -> None:
        """Each distinct folder once."""
        for path in dict.fromkeys(os.fspath(path) for path in paths):
            self.fsync_folder(path)
