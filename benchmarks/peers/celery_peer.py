"""Celery, on its filesystem broker or on Redis."""

from __future__ import annotations

from collections.abc import Sequence

from peers.contender import PROGRAMS
from peers.marked import VENV
from peers.served import Served

NAMES = {"files": "Celery + files", "redis": "Celery + Redis, always"}


class Celery(Served):
    """One worker with a pool.  A task is acknowledged when the pool gets it, which is Celery's default."""

    def __init__(self, storage: str, pool: str, concurrency: int, prefetch: int) -> None:
        super().__init__()
        self._storage = storage
        self._consume = [pool, str(concurrency), str(prefetch)]
        self.needs_server = storage == "redis"
        self.patience = 60.0 if self.needs_server else 10.0  # longer than what a dead worker took stays hidden
        self.name = NAMES[storage]
        self.setting = f"{pool}, {concurrency} at a time, prefetch {prefetch} each"

    def environment(self) -> dict[str, str]:
        """Which broker."""
        return {**super().environment(), "BENCH_STORAGE": self._storage}

    def producing(self) -> Sequence[str]:
        """The application's side."""
        return [str(VENV / "bin" / "python"), str(PROGRAMS / "celery_queue.py"), "produce", self.kind]

    def command(self) -> Sequence[str]:
        """The worker."""
        return [str(VENV / "bin" / "python"), str(PROGRAMS / "celery_queue.py"), "consume", *self._consume]
