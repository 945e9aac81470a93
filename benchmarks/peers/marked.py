"""Contenders with a Python interface: a producer process hands tasks in, every task leaves a mark."""

from __future__ import annotations

import subprocess
import time
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

from peers.contender import NAP, Contender, kill_all

VENV = Path(__file__).resolve().parents[2] / ".venv-bench"


class Marked(Contender):
    """A producer and a consumer in the environment of the peers."""

    def __init__(self) -> None:
        super().__init__()
        self.producer: subprocess.Popen[bytes] | None = None
        self._marks = b""
        self._read = 0

    def missing(self) -> str | None:
        """Its packages are installed by ``make bench-peers``."""
        return None if (VENV / "bin" / "python").exists() else "not installed, see `make bench-peers`"

    @abstractmethod
    def producing(self) -> Sequence[str]:
        """The producer's command line."""

    def prepare(self, folder: Path, kind: str) -> None:
        """Start the producer; the queue makes itself."""
        super().prepare(folder, kind)
        (folder / "marks").touch()
        self._read = self._seen = 0
        self._last = 0.0

    def start_producer(self) -> None:
        """Start it and wait until it listens."""
        self.producer = self.launch(
            self.producing(), "producer", stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        if self._answer() != b"ready":
            raise RuntimeError(f"the producer ended: {self._said('producer')}")

    def _ask(self, line: str) -> list[bytes]:
        if self.producer is None:
            self.start_producer()
        assert self.producer is not None and self.producer.stdin is not None
        self.producer.stdin.write(f"{line}\n".encode())
        answer = self._answer().split()
        if not answer:
            raise RuntimeError(f"the producer ended: {self._said('producer')}")
        return answer

    def _answer(self) -> bytes:
        assert self.producer is not None and self.producer.stdout is not None
        return self.producer.stdout.readline().strip()

    def enqueue(self, first: int, count: int) -> float:
        """By the producer."""
        return float(self._ask(f"many {first} {count}")[0])

    def one(self, number: int, timeout: float) -> float:
        """By the producer, which also waits for the mark."""
        return float(self._ask(f"one t{number:06d} {timeout}")[0])

    def wait(self, count: int, timeout: float) -> float:
        """By the time in the last mark."""
        end = time.monotonic() + timeout
        while self._look() < count:
            if time.monotonic() > end:
                raise TimeoutError(f"{self._seen} of {count} tasks within {timeout:g} s")
            if self.consumer is not None and self.consumer.poll() is not None:
                raise RuntimeError(f"the consumer ended after {self._seen} of {count} tasks: {self._said('consumer')}")
            time.sleep(NAP)
        return self._last

    def done(self) -> int:
        """Marks."""
        return self.marks().total()

    def _look(self) -> int:
        with (self.folder / "marks").open("rb") as file:
            file.seek(self._read)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        if whole:
            lines = whole.splitlines()
            self._read += len(whole)
            self._seen += len(lines)
            self._last = max(self._last, *(int(line.split()[1]) / 1e9 for line in lines))
        return self._seen

    def _said(self, process: str) -> str:
        lines = (self.folder / f"{process}.log").read_text(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "nothing")

    def down(self) -> None:
        """The producer; the next order starts another one."""
        super().down()
        self._end_producer()

    def close(self) -> None:
        """The producer, too."""
        super().close()
        self._end_producer()

    def _end_producer(self) -> None:
        if self.producer is not None:
            for pipe in (self.producer.stdin, self.producer.stdout):
                if pipe is not None:
                    pipe.close()
            kill_all(self.producer)
            self.producer = None
