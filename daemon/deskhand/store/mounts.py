"""What kind of filesystem a folder is on, as far as the system says."""

from __future__ import annotations

import os
import sys
from pathlib import Path

REMOTE = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "fuse.sshfs", "fuse.rclone", "fuse.s3fs", "davfs"}
)
"""Filesystems whose renames, locks and syncs are not this machine's alone."""


def filesystem(path: Path) -> str | None:
    """Its type, such as `ext4` or `nfs4`; None where the system does not say (only Linux does)."""
    if sys.platform != "linux":
        return None
    device = os.stat(path).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    target = os.fsencode(path.resolve())
    best: tuple[int, str] | None = None
    with open("/proc/self/mountinfo", "rb") as mounts:
        for line in mounts:
            fields = line.split()
            point = fields[4].decode("unicode_escape").encode("latin-1")
            kind = fields[fields.index(b"-") + 1].decode()
            inside = target == point or target.startswith(point.rstrip(b"/") + b"/")
            if inside and (fields[2].decode() == wanted or best is None) and (best is None or len(point) >= best[0]):
                best = (len(point), kind)
    return None if best is None else best[1]


def is_remote(path: Path) -> str | None:
    """The type of a remote filesystem; None when *path* is on a local or an unknown one."""
    kind = filesystem(path)
    return kind if kind in REMOTE else None
