"""Removing the files of finished tasks: all that a task has, or nothing.

Several files are not removed at one stroke, so what is about to go is said first: an empty folder with the task's id
in ``queue/.removing/``, durable before the first file goes.  Whoever comes after a crash ends what was begun
(:func:`finish`).  Only the terminal folders are touched; that a task is finished is for the caller to know.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from msgspec import Struct

from deskhand.core.names import OWN_PARTS, is_id, member
from deskhand.store.desk import Desk
from deskhand.store.files import Files

TERMINAL_FOLDERS = ("completed", "failed", "rejected")
_DAY = re.compile(r"\d{4}-\d\d-\d\d\Z")
_BATCH = 256
"""Tasks that share one sync."""


class Standing(Struct, frozen=True):
    """Files of one task in a terminal folder."""

    id: str
    folder: str
    """`completed`, `failed` or `rejected`."""
    paths: tuple[Path, ...]


def standing(desk: Desk, folders: Iterable[str] = TERMINAL_FOLDERS) -> Iterator[Standing]:
    """What stands in terminal folders, by-day folders included; each task once for every folder it has files in."""
    for folder in folders:
        for place in (desk.folder(folder), *by_day(desk.folder(folder))):
            found: dict[str, list[Path]] = {}
            try:
                names = os.listdir(place)
            except (FileNotFoundError, NotADirectoryError):
                continue
            for name in names:
                part = member(name)
                if part is not None and part.part in OWN_PARTS:
                    found.setdefault(part.id, []).append(place / name)
            for identifier, paths in sorted(found.items()):
                yield Standing(identifier, folder, tuple(sorted(paths)))


def by_day(folder: Path) -> list[Path]:
    """The folders `YYYY-MM-DD` in a terminal folder."""
    try:
        with os.scandir(folder) as entries:
            return sorted(
                Path(entry.path) for entry in entries if _DAY.match(entry.name) and entry.is_dir(follow_symlinks=False)
            )
    except FileNotFoundError:
        return []


def size(path: Path) -> tuple[int, int]:
    """Files and bytes in *path*, a file or a folder; nothing for what is not there."""
    try:
        if not path.is_dir() or path.is_symlink():
            return 1, path.lstat().st_size
    except FileNotFoundError:
        return 0, 0
    files = total = 0
    for where, _, names in os.walk(path):
        for name in names:
            try:
                total += Path(where, name).lstat().st_size
            except FileNotFoundError:
                continue
            files += 1
    return files, total


def remove(files: Files, desk: Desk, tasks: Iterable[Standing]) -> Iterator[Standing]:
    """Remove each task's files, and yield it when they are gone for good.  OSError when the disk refuses."""
    left = iter(tasks)
    files.make_folder(desk.removing)
    while batch := list(islice(left, _BATCH)):
        for one in batch:
            files.make_folder(desk.removing / one.id)
        files.fsync_folder(desk.removing)
        _remove(files, desk, batch)
        yield from batch


def finish(files: Files, desk: Desk) -> int:
    """End what a crash cut off; the number of tasks.  OSError when the disk refuses."""
    try:
        begun = {name for name in os.listdir(desk.removing) if is_id(name)}
    except FileNotFoundError:
        return 0
    if begun:
        _remove(files, desk, [one for one in standing(desk) if one.id in begun])
        for name in begun:
            files.remove_tree(desk.removing / name)
    return len(begun)


def _remove(files: Files, desk: Desk, batch: list[Standing]) -> None:
    """Remove the files of these tasks; what says so goes when they are gone for good."""
    for one in batch:
        for path in one.paths:
            discard(files, path)
    files.fsync_folders(path.parent for one in batch for path in one.paths)
    for one in batch:
        files.remove_tree(desk.removing / one.id)


def discard(files: Files, path: Path) -> None:
    """Remove a file, or a folder with everything in it; one that is not there is no error."""
    if path.is_dir() and not path.is_symlink():
        files.remove_tree(path)
    else:
        files.unlink(path)
