"""How much room there is on the filesystem of a folder."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from msgspec import Struct


class Room(Struct, frozen=True):
    """One filesystem."""

    device: int
    free: int
    """Bytes that this user may still write."""
    total: int
    """Bytes."""
    inodes_free: int | None
    """Files that can still be made; None where the filesystem has no such limit or does not say."""
    inodes: int | None


def room(folder: Path) -> Room:
    """The room at *folder*, or at the nearest folder above that is there.  OSError when the system does not say."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    usage, device = shutil.disk_usage(folder), os.stat(folder).st_dev
    if not hasattr(os, "statvfs"):
        return Room(device, usage.free, usage.total, None, None)
    found = os.statvfs(folder)
    counted = found.f_files > 0  # btrfs and others make inodes as they are needed
    inodes = (found.f_favail, found.f_files) if counted else (None, None)
    return Room(device, usage.free, usage.total, *inodes)
