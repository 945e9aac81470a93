"""Contenders whose interface is a folder: a file is moved in, and something comes to lie in another folder."""

from __future__ import annotations

import os
import time
from abc import abstractmethod
from pathlib import Path

from peers.contender import NAP, PAYLOAD, Contender
from support.arrivals import Arrivals


class Dropped(Contender):
    """Files are written beside the inbox and moved in; both count as handing in."""

    ending = ""
    """Of the one name per task that says that it is done."""

    def __init__(self) -> None:
        super().__init__()
        self._arrivals: Arrivals | None = None
        self._seen = 0

    @property
    @abstractmethod
    def inbox(self) -> Path:
        """Where tasks go in."""

    @property
    @abstractmethod
    def finished(self) -> Path:
        """Where they come out."""

    def prepare(self, folder: Path, kind: str) -> None:
        """The folders; the rest is the contender's."""
        super().prepare(folder, kind)
        (folder / "outside").mkdir()

    def watch(self) -> None:
        """Listen for what comes out, from now on."""
        self._arrivals = Arrivals(self.finished)
        self._seen = self.done()

    def enqueue(self, first: int, count: int) -> float:
        """In this process."""
        outside, inbox = f"{self.folder}/outside/", f"{self.inbox}/"
        begun = time.monotonic()
        for number in range(first, first + count):
            self._drop(outside, inbox, f"t{number:06d}.txt")
        return begun

    @staticmethod
    def _drop(outside: str, inbox: str, name: str) -> None:
        fd = os.open(outside + name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(fd, PAYLOAD)
        finally:
            os.close(fd)
        os.rename(outside + name, inbox + name)

    def one(self, number: int, timeout: float) -> float:
        """From just before the file is written until the result is heard of."""
        assert self._arrivals is not None
        begun = time.monotonic()
        self.enqueue(number, 1)
        heard = self._arrivals.wait(self.ending, timeout=timeout)
        self._seen += 1
        return heard - begun

    def wait(self, count: int, timeout: float) -> float:
        """By the kernel's events."""
        assert self._arrivals is not None
        missing = count - self._seen
        heard = self._arrivals.wait(self.ending, count=missing, timeout=timeout, nap=NAP)
        self._seen = count
        return heard

    def done(self) -> int:
        """Names in the last folder."""
        return sum(name.endswith(self.ending) for name in os.listdir(self.finished))

    def close(self) -> None:
        """And the kernel's events."""
        super().close()
        if self._arrivals is not None:
            self._arrivals.__exit__(None, None, None)
            self._arrivals = None


class TwoFolders(Dropped):
    """A contender that knows an inbox, a folder for what is done, and nothing else."""

    out = ""
    """Name of the folder for what is done."""

    @property
    def inbox(self) -> Path:
        """Where tasks go in."""
        return self.folder / "inbox"

    @property
    def finished(self) -> Path:
        """Where they come out."""
        return self.folder / self.out

    def prepare(self, folder: Path, kind: str) -> None:
        """The two."""
        super().prepare(folder, kind)
        self.inbox.mkdir()
        self.finished.mkdir()
        self.watch()
