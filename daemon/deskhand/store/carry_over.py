"""Bringing files of one desk into another on the same filesystem, without changing the first.

What never changes gets a second name instead of a copy: it costs nothing, and neither desk can spoil it for the other.
Links are made again, never followed; sockets, pipes and devices stay behind.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

from deskhand.store.files import Files

FOLDER_MODE = 0o700


def carry(files: Files, source: Path, target: Path, *, fixed: Callable[[Path], bool], over: bool = False) -> bool:
    """Bring the file, link or folder *source* to *target*, where nothing of what is there is replaced.

    *fixed*: whether a file never changes.  *over*: a folder that is there is gone into.  False when *target* was there.
    """
    about = os.lstat(source)
    if stat.S_ISDIR(about.st_mode):
        there = os.path.lexists(target)
        if there and not (over and target.is_dir() and not target.is_symlink()):
            return False
        if not there:
            files.new_folder(target, mode=stat.S_IMODE(about.st_mode) | FOLDER_MODE)
        for name in sorted(os.listdir(source)):
            carry(files, source / name, target / name, fixed=fixed, over=over)
        return not there
    if os.path.lexists(target):
        return False
    if stat.S_ISLNK(about.st_mode):
        files.symlink(os.readlink(source), target)
    elif stat.S_ISREG(about.st_mode):
        if fixed(source):
            try:
                files.link(source, target)
            except OSError:  # another filesystem, or one without second names
                _copy(files, source, target, about)
        else:
            _copy(files, source, target, about)
    return True


def _copy(files: Files, source: Path, target: Path, about: os.stat_result) -> None:
    with source.open("rb") as stream:
        files.copy(stream, target, limit=sys.maxsize, sync=False)
    files.set_mode(target, stat.S_IMODE(about.st_mode))
    files.set_times(target, about.st_mtime_ns)
