"""One daemon per desk, for as long as it lives.

Two locks of the operating system, both given back by it when the process ends, however it ends: ``filelock`` on
``queue/.lock``, and an flock on the desk folder's own descriptor, so that deleting or replacing the lock file does
not let a second daemon in.  What the lock file says (pid and run) is for messages only: a stale text holds nobody
up.  Where folders cannot be locked (Windows) a lock file that is held cannot be deleted either.

This does not notice a desk that was copied or restored: see the mirror of the log's head.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import filelock

from deskhand.errors import HeldError, StoreError
from deskhand.store.desk import Desk
from deskhand.store.files import Files

if sys.platform != "win32":
    import fcntl

_TEXT_MAX = 200
"""Bytes of the lock file that are ever read or written."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who wrote the lock file last; it may be gone."""

    pid: int
    run: str


class DeskLock:
    """The right to act on a desk."""

    def __init__(self, files: Files, desk: Desk, run: str) -> None:
        """*run* is the daemon's random run id; it is written into the lock file beside the pid."""
        self._files = files
        self._desk = desk
        self._run = run
        self._folder: int | None = None
        self._file = filelock.FileLock(
            str(desk.lock), timeout=0, mode=0o600, thread_local=False, preserve_lock_file=True
        )

    def acquire(self) -> None:
        """Take the desk or raise: HeldError (exit 6) when another process has it, StoreError when locks do not work.

        Taking it again while it is held is a mistake of the caller: RuntimeError.
        """
        if self._folder is not None:
            raise RuntimeError("the desk is already held by this lock")
        try:
            self._files.make_folder(self._desk.queue)
            folder = os.open(self._desk.root, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)) if _FOLDERS else -1
        except OSError as error:
            raise self._broken(error) from error
        try:
            self._lock_both(folder)
            self._sign()
        except BaseException:
            self._file.release(force=True)
            _close(folder)
            raise
        self._folder = folder

    def release(self) -> None:
        """Give the desk back; nothing happens when it is not held.  The lock file stays."""
        if self._folder is None:
            return
        folder, self._folder = self._folder, None
        self._file.release(force=True)
        _close(folder)

    @property
    def held(self) -> bool:
        """Whether this object holds the desk."""
        return self._folder is not None

    def __enter__(self) -> DeskLock:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _lock_both(self, folder: int) -> None:
        try:
            if folder >= 0:
                _flock(folder)
            self._file.acquire()
        except (BlockingIOError, filelock.Timeout) as error:
            raise held_error(self._desk) from error
        except OSError as error:
            raise self._broken(error) from error

    def _sign(self) -> None:
        """Write who holds it, in place: a new file would be another lock."""
        text = f"{os.getpid()} {self._run}\n".encode()[:_TEXT_MAX]
        try:
            descriptor = os.open(self._desk.lock, os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0))
            try:
                self._files.pwrite(descriptor, text, 0)
                self._files.truncate(descriptor, len(text))
            finally:
                os.close(descriptor)
        except OSError as error:
            raise self._broken(error) from error

    def _broken(self, error: BaseException) -> StoreError:
        cause = getattr(error, "strerror", None) or str(error)
        hint = "queue/ must be on a local filesystem with locks and be writable for this user"
        return StoreError("taking the desk", cause, path=self._desk.lock, hint=hint)


_FOLDERS = sys.platform != "win32"


def _flock(descriptor: int) -> None:
    if sys.platform != "win32":
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        os.close(descriptor)


def holder(lock_file: Path) -> Holder | None:
    """What the lock file says; None when it is missing, empty or not ours."""
    try:
        with lock_file.open("rb") as stream:
            words = stream.read(_TEXT_MAX).decode("ascii").split()
        return Holder(int(words[0]), words[1])
    except (OSError, ValueError, IndexError):
        return None


def held_error(desk: Desk) -> HeldError:
    """The error for a desk that another process holds, naming it as far as it is known."""
    known = holder(desk.lock)
    who = "another process" if known is None else f"another daemon (pid {known.pid}, run {known.run})"
    hint = "see what it does with `deskhand status`; stop it with Ctrl-C in its terminal or "
    hint += "its service manager" if known is None else f"`kill {known.pid}`"
    return HeldError("taking the desk", f"{who} holds it", path=desk.root, hint=hint)
