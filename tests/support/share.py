"""A share on the other side of a network, as far as the kernel can tell: a FUSE filesystem that can be told to fail.

Run as a program it serves one flat folder.  What the file *control* holds is the number of the error that every request
gets; empty or 0 = it works.  Nothing is cached by the kernel, so every call on the mount comes here, or hangs while
this process is stopped, or fails with ENOTCONN once it is gone.  Only root can mount it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

ROOT = 1
_HEADER = struct.Struct("<IIQQIIIHH")
_libc = ctypes.CDLL(None, use_errno=True)


class Share:
    """A mounted share, for the test."""

    def __init__(self, point: Path, folder: Path, kind: str) -> None:
        """Mount on *point* what lies in *folder*, as filesystem type *kind* (`fuse.sshfs`)."""
        self.point = point
        self.folder = folder
        self._kind = kind
        self._control = folder.with_name(f"{folder.name}.error")
        self._control.write_text("0")
        self.server = self._serve()

    def _serve(self) -> subprocess.Popen[bytes]:
        line = [sys.executable, __file__, str(self.point), str(self.folder), self._kind, str(self._control)]
        server = subprocess.Popen(line, stdout=subprocess.PIPE)
        assert server.stdout is not None
        assert server.stdout.readline() == b"mounted\n"
        return server

    def fail(self, code: int) -> None:
        """Every call on the mount fails with this error from now on; 0 = it works again."""
        self._control.write_text(str(code))

    def kill(self) -> None:
        """The other side is gone; the mount stays, and every call on it fails with ENOTCONN."""
        self.server.kill()
        self.server.wait()
        if self.server.stdout is not None:
            self.server.stdout.close()

    def unmount(self) -> None:
        """Take the mount away; what is left is the empty folder below it."""
        subprocess.run(["umount", "--lazy", self.point], check=True)

    def mount(self) -> None:
        """Mount it again."""
        self.server = self._serve()

    def close(self) -> None:
        """Leave no mount and no process behind."""
        self.kill()
        while os.path.ismount(self.point) or _dead(self.point):
            self.unmount()


def _dead(point: Path) -> bool:
    try:
        point.stat()
    except OSError as error:
        return error.errno == errno.ENOTCONN
    return False


@contextmanager
def share(folder: Path, kind: str = "fuse.sshfs") -> Iterator[Share]:
    """A share that is mounted on *folder*/mnt and has its files in *folder*/other-side."""
    for name in ("mnt", "other-side"):
        (folder / name).mkdir(parents=True)
    made = Share(folder / "mnt", folder / "other-side", kind)
    try:
        yield made
    finally:
        made.close()


@cache
def none_here() -> bool:
    """Whether this process may mount none: it takes root, /dev/fuse and the right to mount."""
    try:
        fd = os.open("/dev/fuse", os.O_RDWR)
    except OSError:
        return True
    try:
        with tempfile.TemporaryDirectory() as point:
            _mount(point, "fuse.probe", fd)
            subprocess.run(["umount", "--lazy", point], check=True)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


# -- the program -------------------------------------------------------------------------------------------------------


class Server:
    """Answers the kernel, one request at a time."""

    def __init__(self, fd: int, folder: Path, control: Path) -> None:
        self._fd = fd
        self._folder = folder
        self._control = control
        self._paths = {ROOT: folder}

    def serve(self) -> None:
        """Until the mount is taken away."""
        while True:
            try:
                request = os.read(self._fd, 1 << 18)
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return
                raise
            _, opcode, unique, node, *_ = _HEADER.unpack_from(request)
            if opcode in (2, 36, 42):  # FORGET, INTERRUPT, BATCH_FORGET: no answer is wanted
                continue
            try:
                answer = self._answer(opcode, node, request[_HEADER.size :])
                code = 0
            except OSError as error:
                answer, code = b"", error.errno or errno.EIO
            os.write(self._fd, struct.pack("<IiQ", 16 + len(answer), -code, unique) + answer)

    def _answer(self, opcode: int, node: int, body: bytes) -> bytes:
        if opcode == 26:  # INIT
            return struct.pack("<IIIIHHIIHHI28x", 7, 31, 0, 0, 4, 4, 1 << 17, 1, 32, 0, 0)
        code = int(self._control.read_text() or 0)
        if code:
            raise OSError(code, os.strerror(code))
        path = self._paths[node]
        match opcode:
            case 1:  # LOOKUP
                return self._entry(path / os.fsdecode(body.rstrip(b"\0")))
            case 3:  # GETATTR
                return struct.pack("<QII", 0, 0, 0) + _attributes(path)
            case 14 | 27:  # OPEN, OPENDIR
                path.stat()
                return struct.pack("<QII", 0, 1 if opcode == 14 else 0, 0)
            case 15:  # READ
                _, offset, size = struct.unpack_from("<QQI", body)
                return path.read_bytes()[offset : offset + size]
            case 28:  # READDIR
                _, offset, _ = struct.unpack_from("<QQI", body)
                return self._listing(path) if offset == 0 else b""
            case 10:  # UNLINK
                (path / os.fsdecode(body.rstrip(b"\0"))).unlink()
                return b""
            case 18 | 25 | 29 | 34:  # RELEASE, FLUSH, RELEASEDIR, ACCESS
                return b""
            case _:
                raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    def _entry(self, path: Path) -> bytes:
        attributes = _attributes(path)
        number = path.stat().st_ino
        self._paths[number] = path
        return struct.pack("<QQQQII", number, 0, 0, 0, 0, 0) + attributes

    @staticmethod
    def _listing(path: Path) -> bytes:
        found = b""
        for number, entry in enumerate(sorted(path.iterdir()), 1):
            name = os.fsencode(entry.name)
            head = struct.pack("<QQII", entry.stat().st_ino, number, len(name), entry.stat().st_mode >> 12)
            found += (head + name).ljust(-(-(len(head) + len(name)) // 8) * 8, b"\0")
        return found


def _attributes(path: Path) -> bytes:
    seen = path.stat()
    times = [divmod(nanoseconds, 10**9) for nanoseconds in (seen.st_atime_ns, seen.st_mtime_ns, seen.st_ctime_ns)]
    whole, rest = [seconds for seconds, _ in times], [nanoseconds for _, nanoseconds in times]
    last = (seen.st_mode, 1, seen.st_uid, seen.st_gid, 0, 4096, 0)
    return struct.pack("<QQQQQQIIIIIIIIII", seen.st_ino, seen.st_size, 1, *whole, *rest, *last)


def _mount(point: str, kind: str, fd: int) -> None:
    options = f"fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other"
    if _libc.mount(b"share", os.fsencode(point), kind.encode(), 0, options.encode()):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), point)


if __name__ == "__main__":
    where, backing, filesystem, errors = sys.argv[1:]
    device = os.open("/dev/fuse", os.O_RDWR)
    _mount(where, filesystem, device)
    print("mounted", flush=True)
    Server(device, Path(backing), Path(errors)).serve()
