"""A started spawner with a folder for its attempts, for every test of what runs in it."""

from __future__ import annotations

import os
import queue
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from deskhand.core.recipe import Limits
from deskhand.handlers.attempt import Attempt, Ended
from deskhand.handlers.orphans import LOG_VARIABLE
from deskhand.handlers.spawner import Spawner

PATH = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


class Runner:
    """A spawner and a folder for its attempts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.log_id = uuid4().hex
        self.spawner = Spawner(self.log_id, "run-1")
        self.spawner.start()
        self._count = 0

    def submit(
        self,
        *argv: str,
        env: dict[str, str] = PATH,
        cwd: Path | None = None,
        timeout: float = 20.0,
        cap: int = 10_000,
        limits: Limits = Limits(),
    ) -> tuple[str, queue.SimpleQueue[Ended]]:
        """Start it; its key and where its end will be."""
        self._count += 1
        key = f"20261120-200000-aaaaaa-{self._count}"
        ends: queue.SimpleQueue[Ended] = queue.SimpleQueue()
        attempt = Attempt(key, argv, env, cwd or self.folder, self.log, timeout, cap, limits)
        self.spawner.submit(attempt, ends.put)
        return key, ends

    def run(self, *argv: str, **options: object) -> Ended:
        """Run it to its end."""
        _, ends = self.submit(*argv, **options)  # type: ignore[arg-type]
        return ends.get(timeout=20)

    def processes(self) -> list[int]:
        """Pids of every process that carries this runner's mark."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(LOG_VARIABLE) == self.log_id:
                    found.append(process.pid)
            except (psutil.Error, OSError):
                continue
        return found


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    """A started spawner; afterwards no process and no descriptor of it may be left."""
    before = len(os.listdir("/proc/self/fd"))
    made = Runner(tmp_path)
    yield made
    made.spawner.close()
    assert made.processes() == []
    assert len(os.listdir("/proc/self/fd")) == before
