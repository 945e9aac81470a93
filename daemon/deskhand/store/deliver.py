"""Puts results where people want them: whole, durable, never over what is there, and only once.

For each result: copy it to a temporary name in the target folder, make it durable, give it its name unless the name is
taken, make the folder durable.  A step that was cut off is simply done again: a target with the same bytes *is* the
delivered result.  A name taken by other bytes gives ``name (2).ext``, ``name (3).ext`` ...  A folder is delivered as
one tree.

Refused: targets in the desk's ``queue/`` or ``audit_logs/``, relative templates that a link leads out of the desk,
results that are links or devices, and results that are not what is on record.  Not covered: a person who moves a
delivered file away between a crash and the replay gets it a second time.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import BinaryIO, cast

from deskhand.core import deliver_path
from deskhand.core.deliver_path import OPERATION, Place
from deskhand.core.task import InputFile, manifest_sha256
from deskhand.errors import ConfigError, IntegrityError, StoreError
from deskhand.store.desk import Desk
from deskhand.store.drop_file import plain_name
from deskhand.store.files import Files, FsyncError

BLOCK = 1 << 20
FILE_MODE = 0o666
FOLDER_MODE = 0o777
"""What is delivered belongs to people: their umask decides who may read it."""
NUMBERS_MAX = 10_000
_READ = os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


@dataclass(frozen=True, slots=True)
class Result:
    """Something to deliver: a regular file or a folder of them."""

    path: Path
    name: str
    """What people call it: the file name for ``{name}``."""
    expected: str | None = None
    """The hash on record (``core.task.manifest_sha256``); None = nothing is on record."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """Where a result is now."""

    name: str
    target: Path
    sha256: str
    """``core.task.manifest_sha256`` of what is there."""
    replayed: bool
    """It was there already, from an attempt that was cut off."""


def results_in(folder: Path) -> tuple[Result, ...]:
    """Every entry of a handler's output folder, by name; nothing when there is no such folder."""
    try:
        return tuple(Result(folder / name, name) for name in sorted(os.listdir(folder)))
    except FileNotFoundError:
        return ()


def deliver(files: Files, desk: Desk, results: Sequence[Result], template: str, place: Place) -> tuple[Delivered, ...]:
    """Deliver all *results*; call it again after a crash or an error and it goes on where it was.

    ConfigError: the template does not give a permitted path.  IntegrityError: a result is not the one on record, or not
    a plain file or folder.  Both stay so however often it is tried.  StoreError: the disk refused (full, read-only).
    FsyncError is passed on: the daemon must stop.
    """
    # All paths are settled before the first byte is written: a template that is wrong for one result delivers none.
    targets = [_target(desk, template, place, result.name) for result in results]
    taken: set[Path] = set()
    delivered = []
    deliveries = []
    for result in results:  # and all results are looked at: one that was swapped holds back the others
        with _refusing_disk(result.path):
            deliveries.append(_Delivery(files, desk, result, place.id))
    for delivery, target in zip(deliveries, targets, strict=True):
        with _refusing_disk(target):
            done = delivery.to(target, taken)
        taken.add(done.target)
        delivered.append(done)
    return tuple(delivered)


@contextmanager
def _refusing_disk(path: Path) -> Iterator[None]:
    """StoreError in place of OSError; FsyncError stays what it is."""
    try:
        yield
    except FsyncError:
        raise
    except OSError as error:
        cause = error.strerror or str(error)
        raise StoreError(OPERATION, cause, path=error.filename or path, hint="it is tried again") from error


def _target(desk: Desk, template: str, place: Place, name: str) -> Path:
    path = deliver_path.render(template, place, name)
    inside = not deliver_path.is_absolute(path)
    target = Path(path) if not inside else desk.root / path
    _check(desk, target, inside=inside)
    return target


def _check(desk: Desk, target: Path, *, inside: bool) -> None:
    """ConfigError when links lead the folder of *target* to where nothing is delivered."""
    folder = Path(os.path.realpath(target.parent))
    if inside and not folder.is_relative_to(os.path.realpath(desk.root)):
        raise ConfigError(
            OPERATION,
            "a link leads out of the desk",  # not where to: the cause goes on record, and paths can be personal
            path=target.parent,
            hint=f"it leads to {folder}; write the absolute path in the recipe's `deliver:` if that is meant",
        )
    for kept in (desk.queue, desk.audit):
        # By identity too: on some disks `Queue` is `queue`.
        if any(_same(ancestor, kept) for ancestor in (folder, *folder.parents, target)):
            raise ConfigError(OPERATION, f"nothing is delivered into {kept.name}/", path=target)


def _same(path: Path, other: Path) -> bool:
    if path == other or path == Path(os.path.realpath(other)):
        return True
    try:
        return os.path.samestat(path.stat(), other.stat())
    except OSError:
        return False


class _Delivery:
    """One result on its way."""

    def __init__(self, files: Files, desk: Desk, result: Result, identifier: str) -> None:
        """IntegrityError when *result* is not the one on record."""
        self._files = files
        self._desk = desk
        self._result = result
        # The same name in every attempt, so that a replay finds and removes what a crash left.
        mark = hashlib.sha256(f"{identifier}\0{result.name}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
        self._temporary_name = f".deskhand-{mark}.tmp"
        try:
            self._sha256, self._size = _fingerprint(result.path)
        except FileNotFoundError as error:
            if result.expected is None:
                raise
            raise _swapped(result.path) from error
        if result.expected is not None and self._sha256 != result.expected:
            raise _swapped(result.path)

    def to(self, target: Path, taken: set[Path]) -> Delivered:
        """Deliver to *target* or the first free or equal numbered name; *taken* are names of other results."""
        sha256, size = self._sha256, self._size
        self._make_folders(target.parent)
        _check(self._desk, target, inside=target.is_relative_to(self._desk.root))
        temporary = target.parent / self._temporary_name
        self._discard(temporary)
        copied = False
        for number in count(1):
            if number > NUMBERS_MAX:
                raise OSError(errno.EEXIST, f"{NUMBERS_MAX} files have this name already", os.fspath(target))
            name = target if number == 1 else target.with_name(deliver_path.numbered(target.name, number))
            if name in taken:
                continue
            if os.path.lexists(name):
                if self._is_there(name, sha256, size):
                    self._discard(temporary)
                    self._sync(name)
                    return Delivered(self._result.name, name, sha256, replayed=True)
                continue
            if not copied:
                self._copy(temporary, sha256)
                copied = True
            try:
                self._files.rename(temporary, name)
            except FileExistsError:
                continue
            self._files.fsync_folder(name.parent)
            return Delivered(self._result.name, name, sha256, replayed=False)
        raise AssertionError("count() does not end")

    def _make_folders(self, folder: Path) -> None:
        """Make *folder* and its missing parents, and their names durable."""
        missing = [ancestor for ancestor in (folder, *folder.parents) if not ancestor.exists()]
        if missing:
            self._files.make_folder(folder, mode=FOLDER_MODE)
        # Also where nothing was missing: an attempt that was cut off may have made the folders and no more.
        own = [ancestor.parent for ancestor in (folder, *folder.parents) if self._desk.root in ancestor.parents]
        self._files.fsync_folders([*(ancestor.parent for ancestor in missing), *(own or [folder.parent])])

    def _is_there(self, path: Path, sha256: str, size: int) -> bool:
        """Whether *path* holds exactly the result; links and what cannot be read are other people's."""
        try:
            info = path.lstat()
            if stat.S_ISREG(info.st_mode) and (info.st_size != size or self._result.path.is_dir()):
                return False
            if stat.S_ISDIR(info.st_mode) and not self._result.path.is_dir():
                return False
            return _fingerprint(path) == (sha256, size)
        except (OSError, IntegrityError):
            return False

    def _sync(self, path: Path) -> None:
        if path.is_dir():
            self._files.fsync_tree(path)
        else:
            self._files.fsync_file(path)
        self._files.fsync_folder(path.parent)

    def _discard(self, temporary: Path) -> None:
        if temporary.is_dir() and not temporary.is_symlink():
            self._files.remove_tree(temporary)
        elif os.path.lexists(temporary):
            self._files.unlink(temporary)

    def _copy(self, temporary: Path, sha256: str) -> None:
        """Copy the result, durably.

        When it changed since it was hashed: IntegrityError if its hash is on record, else OSError.
        """
        try:
            if self._result.path.is_dir():
                found = self._copy_tree(self._result.path, temporary)
                self._files.fsync_tree(temporary)
            else:
                found = manifest_sha256((self._copy_file(self._result.path, temporary, ""),))
            if found != sha256 and self._result.expected is not None:
                raise _swapped(self._result.path)
            if found != sha256:
                raise OSError(errno.ESTALE, "the result changed while it was delivered", os.fspath(self._result.path))
        except (OSError, IntegrityError):
            self._discard(temporary)
            raise

    def _copy_tree(self, source: Path, target: Path) -> str:
        self._files.make_folder(target, mode=FOLDER_MODE)
        entries = []
        for where, folders, names in os.walk(source):
            relative = Path(where).relative_to(source)
            for name in folders:
                self._files.make_folder(target / relative / name, mode=FOLDER_MODE)
            for name in names:
                inner = relative / name
                entries.append(self._copy_file(source / inner, target / inner, plain_name(inner.as_posix())))
        return manifest_sha256(tuple(entries))

    def _copy_file(self, source: Path, target: Path, inner: str) -> InputFile:
        with os.fdopen(os.open(source, _READ), "rb") as file:
            reader = _Hashing(file)
            size = self._files.copy(
                # Files.copy only reads.
                cast(BinaryIO, reader),
                target,
                limit=os.fstat(file.fileno()).st_size,
                mode=FILE_MODE,
            )
        return InputFile(inner, reader.digest.hexdigest(), size)


class _Hashing:
    """A file that is hashed as it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """The next bytes."""
        block = self._file.read(size)
        self.digest.update(block)
        return block


def _fingerprint(path: Path) -> tuple[str, int]:
    """Hash and size of a regular file or a tree of them; OSError for anything else."""
    if not stat.S_ISDIR(path.lstat().st_mode):
        entry = _hash(path, "")
        return entry.sha256, entry.bytes
    entries = []
    for where, folders, names in os.walk(path, onerror=_raise):
        for name in folders:
            if os.path.islink(os.path.join(where, name)):
                raise _refused(Path(where, name))
        inner = Path(where).relative_to(path)
        entries += [_hash(Path(where, name), plain_name((inner / name).as_posix())) for name in names]
    return manifest_sha256(tuple(entries)), sum(entry.bytes for entry in entries)


def _hash(path: Path, inner: str) -> InputFile:
    if not stat.S_ISREG(path.lstat().st_mode):
        raise _refused(path)
    digest, size = hashlib.sha256(), 0
    with os.fdopen(os.open(path, _READ), "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            size += len(block)
    return InputFile(inner, digest.hexdigest(), size)


def _refused(path: Path) -> IntegrityError:
    cause = "it is a link or a device; only plain files and folders are delivered"
    return IntegrityError(OPERATION, cause, path=path, hint="let the recipe write plain files")


def _swapped(path: Path) -> IntegrityError:
    hint = "look at what changed it; deliver it yourself if it is right"
    return IntegrityError(OPERATION, "the result is not what was recorded", path=path, hint=hint)


def _raise(error: OSError) -> None:
    raise error
