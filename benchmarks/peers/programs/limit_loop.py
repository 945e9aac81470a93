"""The limit: one process that does for each drop only what the design cannot do without, in a straight line.

``limit_loop.py FOLDER each|grouped nothing|true``.  Per batch: claim by rename, hash, describe, make payloads and
descriptions durable, *received*, *ready* and *started* on the chained log and one fdatasync, files to ``pending/``, the
work, *completed* on the log and one fdatasync, files to ``completed/``.  With ``each`` every payload is fsynced by
itself; with ``grouped`` the batch's one syncfs carries them.

It decides nothing, recovers nothing, waits for no writer, asks nobody and shows nothing: it is a measure, not a queue.
"""

from __future__ import annotations

import base64
import ctypes
import hashlib
import os
import secrets
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from arrivals import Arrivals

BATCH = 256
FOLDERS = ("inbox", "claimed", "accepted", "pending", "completed")
LIBC = ctypes.CDLL(None, use_errno=True)


def _salt() -> str:
    return base64.urlsafe_b64encode(os.urandom(16)).decode()


class Log:
    """Chained records, as long as the product's."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._prev = "0" * 64
        self._seq = 0
        self._lines: list[bytes] = []

    def add(self, kind: str, key: str, number: int, **more: object) -> None:
        """One record of a task, not yet written."""
        self._seq += 1
        body = {
            "prev": self._prev,
            "seq": self._seq,
            "ts": datetime.now(UTC).isoformat(),
            "type": kind,
            "task": key,
            "tn": number,
            "tprev": self._seq - 1,
            "from": "ready",
            "to": "started",
            "actor": {"kind": "daemon", "via": "tick"},
            **more,
            "run": "6acc4890def9c3ae",
            "mono": time.monotonic_ns(),
            "salt": _salt(),
        }
        line = msgspec.json.encode(body) + b"\n"
        self._prev = hashlib.sha256(line).hexdigest()
        self._lines.append(line)

    def commit(self) -> None:
        """Write what was added, durably."""
        os.write(self._fd, b"".join(self._lines))
        os.fdatasync(self._fd)
        self._lines.clear()


class Limit:
    """The loop."""

    def __init__(self, root: Path, *, each: bool, kind: str) -> None:
        self._at = {name: f"{root}/{name}/" for name in FOLDERS}
        self._each = each
        self._kind = kind
        self._marks = str(root / "marks")
        self._log = Log(root / "log.jsonl")
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY)

    def run(self) -> None:
        """Until it is killed."""
        with Arrivals(Path(self._at["inbox"])) as arrivals:
            while True:
                names = sorted(os.listdir(self._at["inbox"]))
                for start in range(0, len(names), BATCH):
                    self._batch(names[start : start + BATCH])
                if not names:
                    arrivals.sleep()

    def _batch(self, names: list[str]) -> None:
        for name in names:
            os.rename(self._at["inbox"] + name, self._at["claimed"] + name)
        tasks = [(name, *self._take(name)) for name in names]
        if LIBC.syncfs(self._root) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        for _, key, digest, description in tasks:
            self._log.add("task.received", key, 1, task_sha256=description, input_sha256=digest, inbox="main")
            self._log.add("task.ready", key, 2, recipe={"id": "nothing", "version": 1, "sha256": digest})
            self._log.add("task.started", key, 3, attempt=1, recipe={"id": "nothing", "sha256": digest}, input=digest)
        self._log.commit()
        for name, key, _, _ in tasks:
            os.rename(self._at["claimed"] + name, f"{self._at['pending']}{key}.in.txt")
            self._move(key, "accepted", "pending", ".task.json")
        for name, key, digest, _ in tasks:
            self._work(name)
            self._log.add("task.completed", key, 4, attempt=1, results=[digest])
        self._log.commit()
        for _, key, _, _ in tasks:
            self._move(key, "pending", "completed", ".in.txt")
            self._move(key, "pending", "completed", ".task.json")

    def _work(self, name: str) -> None:
        match self._kind:
            case "true":
                subprocess.run(["true"], check=True)
            case "line":
                subprocess.run(["sh", "-c", 'echo "$1 0" >> "$2"', "sh", name, self._marks], check=True)

    def _take(self, name: str) -> tuple[str, str, str]:
        """Key, hash of the payload, hash of the description that was written."""
        path = self._at["claimed"] + name
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            data = os.read(fd, 1 << 20)
            about = os.fstat(fd)
            if self._each:
                os.fsync(fd)
        finally:
            os.close(fd)
        digest = hashlib.sha256(data).hexdigest()
        key = time.strftime("%Y%m%d-%H%M%S-") + secrets.token_hex(3)
        body = {
            "schema": 1,
            "id": key,
            "name": name,
            "received": time.time(),
            "inbox": "main",
            "files": [{"path": "", "sha256": digest, "bytes": len(data)}],
            "salt": _salt(),
            "source": {
                "dev": about.st_dev,
                "ino": about.st_ino,
                "mtime": about.st_mtime_ns,
                "ctime": about.st_ctime_ns,
            },
            "input": f"{key}.in.txt",
            "pin": {"id": "nothing", "version": 1, "sha256": digest, "code_sha256": None},
        }
        text = msgspec.json.format(msgspec.json.encode(body), indent=2) + b"\n"
        out = os.open(f"{self._at['accepted']}{key}.task.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(out, text)
        finally:
            os.close(out)
        return key, digest, hashlib.sha256(text).hexdigest()

    def _move(self, key: str, before: str, after: str, ending: str) -> None:
        os.rename(f"{self._at[before]}{key}{ending}", f"{self._at[after]}{key}{ending}")


def main() -> None:
    """Work in the folder that is named."""
    root, form, kind = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    for name in FOLDERS:
        (root / name).mkdir(exist_ok=True)
    Limit(root, each=form == "each", kind=kind).run()


if __name__ == "__main__":
    main()
