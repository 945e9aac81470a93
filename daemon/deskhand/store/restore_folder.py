"""A desk out of a backup, in a folder of its own: unpacked and verified under another name, then given its own."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from deskhand.core.task import Task
from deskhand.errors import IntegrityError, StoreError, UsageError
from deskhand.store.archive_check import picture_problems, read_log
from deskhand.store.archive_read import Archive, Damaged
from deskhand.store.archive_unpack import OPEN, make_folders, unpack, unpack_folders, write_entry
from deskhand.store.desk import Desk
from deskhand.store.files import Files, FsyncError
from deskhand.store.skeleton import FOLDERS

OPERATION = "restoring a backup"
Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all."""


class Unpacked(Struct, frozen=True):
    """A desk that was unpacked and verified."""

    desk: Desk
    tasks: dict[str, Task]
    """Key -> task that is unfinished at the backup's head."""
    records: int


def restore_to(files: Files, archive: Archive, target: Path, progress: Progress | None = None) -> Unpacked:
    """Make *target*, which must not exist, the desk that is in *archive*.

    It is there as a whole and durable, or not at all.  UsageError when there is something, IntegrityError when the
    backup is damaged or no desk, StoreError when the disk refuses.
    """
    target = target.absolute()
    if os.path.lexists(target):
        raise UsageError(OPERATION, "there is something already", path=target, hint="name a folder that does not exist")
    partial = target.with_name(f".{target.name[:200]}.partial-{secrets.token_hex(4)}")
    with refusing(target):
        made = unpack_beside(files, archive, partial, progress)
        try:
            settle(files, partial)
            files.rename(partial, target)
        except OSError:
            files.remove_tree(partial)
            raise
        files.fsync_folder(target.parent)
    return Unpacked(Desk(target.resolve()), made.tasks, made.records)


def unpack_beside(files: Files, archive: Archive, folder: Path, progress: Progress | None = None) -> Unpacked:
    """Unpack and verify a whole desk into the new *folder*, which is removed again when it is none.

    Not durable yet.  IntegrityError, or OSError as the system gave it.
    """
    if archive.facts.only is not None:
        cause = f"it has only the {archive.facts.only}: no desk can be made of it"
        raise IntegrityError(OPERATION, cause, path=archive.path, hint="take a backup of the whole desk")
    _require_room(archive, folder.parent)
    files.new_folder(folder, mode=OPEN)
    try:
        _fill(files, archive, folder, progress)
        return _verified(archive, folder)
    except (OSError, IntegrityError):
        files.remove_tree(folder)
        raise


def _fill(files: Files, archive: Archive, folder: Path, progress: Progress | None) -> None:
    names = archive.files
    total = sum(archive.entries[name].size for name in names)
    done = 0

    def count(size: int) -> None:
        nonlocal done
        done += size
        if progress is not None:
            progress(done, total)

    try:
        unpack(files, archive, names, folder, done=count)
    except Damaged as error:
        hint = "deskhand backup verify names everything that is wrong; take another backup"
        raise IntegrityError(OPERATION, str(error), path=archive.path, hint=hint) from error
    unpack_folders(files, archive, folder)
    for name in FOLDERS:
        make_folders(files, folder, name, {folder})


def _verified(archive: Archive, folder: Path) -> Unpacked:
    hint = "deskhand backup verify names everything that is wrong; take another backup"
    try:
        records, tasks = read_log(folder / "audit_logs", archive.facts)
    except IntegrityError as error:
        raise IntegrityError(OPERATION, error.sentence, path=archive.path, hint=hint) from error
    for problem in picture_problems(archive, tasks):
        raise IntegrityError(OPERATION, f"{problem.entry}: {problem.reason}", path=archive.path, hint=hint)
    return Unpacked(Desk(folder), tasks, records)


def _require_room(archive: Archive, folder: Path) -> None:
    if not hasattr(os, "statvfs"):
        return
    about = os.statvfs(folder)
    wanted, free = sum(entry.size for entry in archive.entries.values()), about.f_bavail * about.f_frsize
    if wanted > free:
        cause = f"it needs {wanted} bytes and {free} are free"
        raise StoreError(OPERATION, cause, path=folder, hint="make room, or name another folder with --to")


def settle(files: Files, folder: Path) -> None:
    """Make everything in *folder* durable."""
    fd = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        files.sync_filesystem(fd)
    except FsyncError as error:
        if error.errno != errno.ENOSYS:  # only Linux has it
            raise
        files.fsync_tree(folder)
    finally:
        os.close(fd)


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Turn what the disk says into a StoreError."""
    try:
        yield
    except OSError as error:
        where = error.filename or path
        raise StoreError(OPERATION, error.strerror or str(error), path=where, hint="nothing was changed") from error


def restore_file(files: Files, archive: Archive, path: str, root: Path, day: str) -> Path:
    """Bring back one file of the vault, at its place below *root*; its new path.

    What stands there is left alone: the file is then called ``name (restored DAY).ext``, with a number when that is
    taken too.  UsageError when there is no such file in the backup, or its place is outside *root*.
    """
    name = _entry_of(archive, path)
    with refusing(root / path):
        wanted = root / archive.real(name)
        if not wanted.parent.resolve().is_relative_to(root.resolve()):
            raise UsageError(OPERATION, "its folder is a link that leads out of the desk", path=wanted.parent)
        missing = [folder for folder in (wanted.parent, *wanted.parent.parents) if not folder.exists()]
        files.make_folder(wanted.parent, mode=0o755)
        for target in _names(wanted, day):
            if not os.path.lexists(target):
                break
        temporary = target.with_name(f".deskhand-{secrets.token_hex(8)}.tmp")
        try:
            _write(files, archive, name, temporary)
            files.rename(temporary, target)
        except BaseException:
            files.unlink(temporary)
            raise
        files.fsync_folders([target.parent, *(folder.parent for folder in missing)])
        return target


def _write(files: Files, archive: Archive, name: str, target: Path) -> None:
    try:
        write_entry(files, archive, name, target)
    except Damaged as error:
        raise IntegrityError(OPERATION, str(error), path=archive.path, hint="take another backup") from error
    files.fsync_file(target)


def _names(wanted: Path, day: str) -> Iterator[Path]:
    yield wanted
    yield wanted.with_name(f"{wanted.stem} (restored {day}){wanted.suffix}")
    number = 2
    while True:
        yield wanted.with_name(f"{wanted.stem} (restored {day} {number}){wanted.suffix}")
        number += 1


def _entry_of(archive: Archive, path: str) -> str:
    wanted = path.removeprefix("./")
    vault = {archive.real(name): name for name in archive.files if archive.real(name).startswith("vault/")}
    if wanted in vault:
        return vault[wanted]
    ends = _ending(vault, wanted)
    if len(ends) == 1:
        return vault[ends[0]]
    if ends:
        cause = f"{path!r} can be any of {len(ends)}: {', '.join(ends[:5])}"
        raise UsageError(OPERATION, cause, hint="give its whole path below the desk")
    cause = f"{path!r} is no file of the vault in this backup"
    raise UsageError(OPERATION, cause, path=archive.path, hint="everything else: --to DIR, and take it from there")


def _ending(paths: Iterable[str], wanted: str) -> list[str]:
    return sorted(path for path in paths if path.endswith(f"/{wanted}"))
