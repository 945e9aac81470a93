"""huey, on SQLite with fsync, on files, or on Redis."""

from __future__ import annotations

import signal
from collections.abc import Sequence

from peers.contender import PROGRAMS
from peers.marked import VENV
from peers.served import Served

NAMES = {"sqlite": "huey + SQLite, fsync", "files": "huey + files", "redis": "huey + Redis, always"}


class Huey(Served):
    """One consumer process with threads or processes as workers."""

    ends_by = signal.SIGINT

    def __init__(self, storage: str, workers: int, worker_type: str) -> None:
        super().__init__()
        self._storage = storage
        self._workers = workers
        self._worker_type = worker_type
        self.needs_server = storage == "redis"
        self.name = NAMES[storage]
        self.setting = plural(workers, worker_type)

    def environment(self) -> dict[str, str]:
        """Which storage."""
        return {**super().environment(), "BENCH_STORAGE": self._storage}

    def producing(self) -> Sequence[str]:
        """The application's side."""
        return [str(VENV / "bin" / "python"), str(PROGRAMS / "huey_queue.py"), "produce", self.kind]

    def command(self) -> Sequence[str]:
        """The consumer."""
        program = str(PROGRAMS / "huey_queue.py")
        return [str(VENV / "bin" / "python"), program, "consume", str(self._workers), self._worker_type]


def plural(count: int, what: str) -> str:
    """``1 thread``, ``2 processes``."""
    return f"{count} {what}{'' if count == 1 else 'es' if what.endswith('s') else 's'}"
