"""A small filesystem of its own in a file, whose power can be cut.

It is made, mounted through a loop device, cut off by the shutdown ioctl without writing anything more, and mounted
again, which replays its journal: what was not durable is gone.  Rules: everything is mounted in a mount namespace that
only this process and its children see, so that nobody else keeps the filesystem alive over an unmount (then no journal
would be replayed), and so that nothing stays mounted when this process ends, however it ends.

What it cannot show: a device that loses or reorders what it was told to flush.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

SHUTDOWN = 0x8004587D
"""`EXT4_IOC_SHUTDOWN` and `XFS_IOC_GOINGDOWN`: `_IOR('X', 125, __u32)`."""
NOLOGFLUSH = 2
"""Not even the journal in memory is written: what a cable pulled out does."""
_with_the_lock = ctypes.PyDLL(None)
"""Calls that keep the interpreter's lock."""
CLONE_NEWNS = 0x00020000
MS_REC, MS_SLAVE = 0x4000, 0x80000
MNT_DETACH = 2
QUIET = "commit=300"
"""ext4: no journal commit by itself within a test, so nothing becomes durable that was not asked for."""
OPTIONS = {"ext4": QUIET, "ext4-writeback": f"{QUIET},data=writeback", "xfs": ""}
"""Kinds of disks, and how they are mounted.  With `data=writeback` a durable name or size says nothing of the bytes."""
SMALLEST = {"ext4": 64 << 20, "ext4-writeback": 64 << 20, "xfs": 300 << 20}
"""Bytes; the file is sparse."""
PATIENCE = 30.0
"""Seconds until whoever was killed has let go of the disk."""


class LoopDisk:
    """One disk: an image, and the folder where it is mounted (while it is)."""

    def __init__(self, folder: Path, kind: str = "ext4", *, size: int = 0, template: Path | None = None) -> None:
        """Make a fresh filesystem in *folder*, or begin with a copy of the image *template*; not mounted yet.

        *kind*: see :data:`OPTIONS`; *size*: bytes, 0 = small.
        """
        _own_mounts()
        self.kind = kind
        self.image = folder / "image"
        self.root = folder / "disk"
        """Where it is mounted."""
        self.mounted = False
        self.root.mkdir(parents=True, exist_ok=True)
        if template is not None:
            _command("cp", "--sparse=always", str(template), str(self.image))
            return
        with self.image.open("wb") as file:
            file.truncate(size or SMALLEST[kind])
        if kind == "xfs":
            _command("mkfs.xfs", "-q", "-f", str(self.image))
        else:
            _command("mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", "-O", "has_journal", str(self.image))

    def mount(self, *, moved: bool = False) -> None:
        """Mount it; replays the journal after a cut.  *moved*: as another device than before, as after some boots."""
        before = _attach(self.image.with_suffix(".spare")) if moved else None
        try:
            self._mount()
        finally:
            if before is not None:
                _command("losetup", "--detach", before)

    def _mount(self) -> None:
        options = ",".join(filter(None, ("loop", OPTIONS[self.kind])))
        _command("mount", "-t", self.kind.partition("-")[0], "-o", options, str(self.image), str(self.root))
        self.mounted = True

    def unmount(self) -> None:
        """Unmount it, as soon as whoever was killed has let go of it."""
        end = time.monotonic() + PATIENCE
        while (done := subprocess.run(["umount", str(self.root)], capture_output=True, text=True)).returncode:
            assert time.monotonic() < end, f"it cannot be unmounted: {done.stderr}"
            time.sleep(0.01)
        self.mounted = False

    def close(self) -> None:
        """Leave nothing mounted, even if somebody still holds on to it."""
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.root)], check=True)
            self.mounted = False
        self.image.unlink(missing_ok=True)


def cut_power(path: Path) -> None:
    """Cut the power of the disk that the folder *path* is on.

    From now on every write and sync on it fails, and nothing that is still in memory reaches it.  No other Python
    thread of this process runs meanwhile.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if _with_the_lock.ioctl(fd, ctypes.c_ulong(SHUTDOWN), ctypes.byref(ctypes.c_uint32(NOLOGFLUSH))):
            raise OSError(errno.EIO, f"the power of {path} could not be cut")
    finally:
        os.close(fd)


@contextmanager
def loop_disk(folder: Path, kind: str = "ext4", *, size: int = 0) -> Iterator[LoopDisk]:
    """A fresh disk, mounted; gone at the end."""
    disk = LoopDisk(folder, kind, size=size)
    try:
        disk.mount()
        yield disk
    finally:
        disk.close()


@cache
def missing(kind: str = "ext4") -> str | None:
    """Why there can be no such disk here; None when there can."""
    if sys.platform != "linux":
        return "loop devices are used as Linux has them"
    if os.geteuid() != 0:
        return "only root can mount"
    for name in (f"mkfs.{kind.partition('-')[0]}", "mount", "umount", "losetup"):
        if shutil.which(name) is None:
            return f"there is no {name}"
    with tempfile.TemporaryDirectory() as folder:
        try:
            with loop_disk(Path(folder), kind) as disk:
                cut_power(disk.root)
        except (OSError, subprocess.CalledProcessError) as error:
            return f"no {kind} on a loop device here: {getattr(error, 'stderr', None) or error}".strip()
    return None


@cache
def _own_mounts() -> None:
    """A mount namespace for this process and its children, without other people's loop devices in it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) or libc.mount(b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_SLAVE), None):
        code = ctypes.get_errno()
        raise OSError(code, f"no mount namespace: {os.strerror(code)}")
    needed = [Path(path).resolve() for path in (os.getcwd(), tempfile.gettempdir(), sys.prefix)]
    for line in Path("/proc/self/mounts").read_text().splitlines():
        device, folder = line.split()[:2]
        if device.startswith("/dev/loop") and not any(path.is_relative_to(folder) for path in needed):
            libc.umount2(os.fsencode(folder), MNT_DETACH)  # what they unmount shall not live on because of us


def _attach(image: Path) -> str:
    """Take the first loop device that is free; its name."""
    image.write_bytes(bytes(4096))
    return _command("losetup", "--find", "--show", str(image)).strip()


def _command(*line: str) -> str:
    return subprocess.run(line, check=True, capture_output=True, text=True).stdout
