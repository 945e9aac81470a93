"""The folder of one attempt, ``queue/.work/<key>-<attempt>/``: a copy of the input, the output, the log.

The input is hashed while it is copied and the copy is what runs, so a handler sees exactly the bytes that were
recorded or approved, and can do to them what it likes.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from contextlib import suppress
from pathlib import Path

from deskhand.core.record import timestamp
from deskhand.core.task import InputFile, manifest_sha256
from deskhand.errors import IntegrityError, StoreError
from deskhand.store.desk import Desk
from deskhand.store.drop_file import plain_name
from deskhand.store.files import Files, StrPath
from deskhand.store.task_files import BLOCK, GONE_OR_SWAPPED
from deskhand.store.tree import DEPTH_MAX

KEEPING = "keeping the results"
NAME_MAX = 200
_GUARDED = os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""For files that handlers may have made: neither follow a link nor wait for the other end of a pipe."""
_STUBBORN = (OSError, RecursionError)
"""How removing what a handler left can fail; a tree of thousands of levels exhausts the stack."""


class AttemptFolder:
    """Where one attempt works; absolute paths as text: making objects of them took as long as copying a small file."""

    __slots__ = ("cost", "holder", "input", "log", "name", "out", "root")

    def __init__(self, root: str, name: str) -> None:
        self.root = root
        self.name = name
        self.holder = f"{root}/in"
        """The folder of the input alone."""
        self.input = f"{root}/in/{name}"
        """The copy of the input, under its original name as far as that is safe."""
        self.out = f"{root}/out"
        """Results."""
        self.log = f"{root}/log"
        """Output of the handler; there only when it said something."""
        self.cost = f"{root}/cost.json"
        """What the handler says its run cost; there only when it does."""


class Attempts:
    """Makes, publishes and removes attempt folders."""

    def __init__(self, files: Files, desk: Desk) -> None:
        self._files = files
        self._desk = desk

    def prepare(self, key: str, payload: StrPath, name: str, sha256: str) -> AttemptFolder:
        """Copy *payload* for attempt *key*.  IntegrityError when its bytes are not those with *sha256*."""
        folder = AttemptFolder(f"{self._desk.work}/{key}", safe_name(name))
        self._new_root(folder.root)
        self._files.new_folder(folder.holder)
        self._files.new_folder(folder.out)
        found = self._copy(payload, folder.input)
        if manifest_sha256(found) != sha256:
            self._files.remove_tree(folder.root)
            raise IntegrityError("preparing a run", "the input is not what was recorded", path=payload)
        return folder

    def _new_root(self, root: str) -> None:
        try:
            self._files.new_folder(root)
            return
        except FileExistsError:  # left by a daemon that died
            self._remove(root)
        except FileNotFoundError:  # somebody tidied up
            self._files.make_folder(self._desk.work)
        self._files.new_folder(root)

    def _copy(self, source: StrPath, target: str) -> tuple[InputFile, ...]:
        if not os.path.isdir(source) or os.path.islink(source):
            return (InputFile("", *self._copy_file(source, target)),)
        self._files.make_folder(target)
        entries = []
        for folder, subfolders, names in os.walk(source):
            relative = Path(folder).relative_to(source)
            for name in subfolders:
                self._files.make_folder(Path(target, relative, name))
            for name in names:
                sha256, size = self._copy_file(Path(folder, name), Path(target, relative, name))
                entries.append(InputFile(plain_name((relative / name).as_posix()), sha256, size))
        return tuple(entries)

    def _copy_file(self, source: StrPath, target: StrPath) -> tuple[str, int]:
        """Hash and size of what was copied."""
        digest = hashlib.sha256()
        try:
            read = os.open(source, os.O_RDONLY | _GUARDED)
        except OSError as error:
            if error.errno in GONE_OR_SWAPPED:
                raise IntegrityError("preparing a run", error.strerror or str(error), path=source) from error
            raise
        try:
            found = os.fstat(read)
            if not stat.S_ISREG(found.st_mode):
                raise IntegrityError("preparing a run", "the input is no regular file any more", path=source)
            self._files.before("copy", target)
            write = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                size = self._pour(read, write, digest, min(found.st_size + 1, BLOCK))
            finally:
                os.close(write)
        finally:
            os.close(read)
        return digest.hexdigest(), size

    def _pour(self, read: int, write: int, digest: hashlib._Hash, block_size: int) -> int:
        """Copy to the end; the bytes copied."""
        size = 0
        while block := os.read(read, block_size):
            digest.update(block)
            size += len(block)
            self._files.write_all(write, block)
            if len(block) < block_size:
                break  # a short read of a regular file is its end: nobody has to ask once more
        return size

    @staticmethod
    def cost_said(folder: AttemptFolder, limit: int) -> bytes | None:
        """At most *limit* + 1 bytes of what the handler says about its cost; None when it is no file."""
        try:
            fd = os.open(folder.cost, os.O_RDONLY | _GUARDED)
        except OSError:
            return None
        try:
            return os.read(fd, limit + 1) if stat.S_ISREG(os.fstat(fd).st_mode) else None
        finally:
            os.close(fd)

    def publish_results(self, folder: AttemptFolder, identifier: str) -> tuple[str, ...]:
        """Make the results durable and put them beside the task in pending/; their name, if there are any.

        StoreError when they are not a folder of plain files and folders.
        """
        pending = self._desk.folder("pending")
        target = pending / f"{identifier}.out"
        if not os.path.lexists(folder.out):
            return (target.name,) if target.exists() else ()  # an earlier call came that far, or they were removed
        _require_plain(Path(folder.out))
        self._files.remove_tree(target)
        if not os.listdir(folder.out):
            return ()
        self._files.fsync_tree(folder.out)
        self._files.rename(folder.out, target)
        self._files.fsync_folder(pending)
        return (target.name,)

    def publish_log(self, folder: AttemptFolder, identifier: str, attempt: int, now: float) -> tuple[str, ...]:
        """Append the attempt's output to the task's log in pending/; the log's name, if there is one.

        StoreError when something else than a file stands in the log's place.
        """
        name = f"{identifier}.log"
        target = f"{self._desk.folder('pending')}/{name}"
        try:
            found = os.lstat(folder.log)
        except (FileNotFoundError, NotADirectoryError):
            return (name,) if os.path.exists(target) else ()
        if not stat.S_ISREG(found.st_mode):
            hint = "let the handler work in {output_dir}; `log` beside it is its output"
            raise StoreError(KEEPING, "its own `log` is no plain file", path=folder.log, hint=hint)
        self._files.before("append", target)
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _GUARDED, 0o600)
        try:
            self._files.write_all(fd, f"--- attempt {attempt}, {timestamp(now)}\n".encode())
            with os.fdopen(os.open(folder.log, os.O_RDONLY | _GUARDED), "rb") as log:
                while block := log.read(BLOCK):
                    self._files.write_all(fd, block)
        finally:
            os.close(fd)
        self._files.unlink(folder.log)
        return (name,)

    def discard_bare(self, folder: AttemptFolder, identifier: str) -> bool:
        """Remove at little cost what an attempt left, when that is its input at most: no results, no log.

        False when there is more, or results of an earlier attempt to replace: nothing that counts was removed then.
        """
        if os.path.lexists(f"{self._desk.folder('pending')}/{identifier}.out"):
            return False
        try:
            self._files.remove_known(folder.holder, (folder.name,))
            self._files.remove_known(folder.out)
            self._files.remove_known(folder.root)
        except OSError:
            return False
        return True

    def discard(self, folder: AttemptFolder) -> None:
        """Remove what an attempt left.  What cannot be removed now is removed at the next start."""
        with suppress(*_STUBBORN):
            self._remove(folder.root)

    def discard_all(self) -> tuple[str, ...]:
        """Remove what attempts of an earlier daemon left; call it only when they are proved dead.

        Returns what could not be removed, as sentences: it is in nobody's way.
        """
        problems = []
        for entry in self._desk.work.iterdir():
            try:
                self._remove(entry)
            except _STUBBORN as error:
                problems.append(f"{entry}: {error}")
        return tuple(problems)

    def _remove(self, path: StrPath) -> None:
        if os.path.isdir(path) and not os.path.islink(path):
            self._files.remove_tree(path)
        else:
            self._files.unlink(path)


def _require_plain(out: Path) -> None:
    """StoreError when *out* is not a folder with nothing but plain files and folders in it."""
    hint = "let the recipe write plain files"
    if not stat.S_ISDIR(out.lstat().st_mode):
        raise StoreError(KEEPING, "something else stands in place of the output folder", path=out, hint=hint)
    left = [(out, 1)]
    while left:
        folder, depth = left.pop()
        if depth >= DEPTH_MAX:
            raise StoreError(KEEPING, f"the result has more than {DEPTH_MAX} levels of folders", path=out, hint=hint)
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    left.append((folder / entry.name, depth + 1))
                elif not entry.is_file(follow_symlinks=False):
                    kind = "link" if entry.is_symlink() else "pipe, socket or device"
                    raise StoreError(KEEPING, f"the result holds a {kind}", path=folder / entry.name, hint=hint)


def safe_name(name: str) -> str:
    """*name* as a handler can open it anywhere: no separators, no control characters, no leading `-` or `.`."""
    plain = re.sub(r'[\x00-\x1f\x7f/\\:*?"<>|]', "_", name.encode("utf-8", "replace").decode())
    plain = plain.strip().lstrip("-.") or "input"
    while len(plain.encode()) > NAME_MAX:
        head, dot, tail = plain.rpartition(".")
        plain = f"{head[:-1]}{dot}{tail}" if dot and len(tail) <= 10 and head else plain[:-1]
    return plain
