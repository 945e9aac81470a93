"""Contenders that need a Redis server: a :class:`peers.marked.Marked` with one of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import psutil

from peers import redis_server
from peers.contender import kill_all
from peers.marked import Marked


class Served(Marked):
    """The server is started with the first producer or consumer, and killed with the consumer by :meth:`kill`."""

    needs_server = False

    def __init__(self) -> None:
        super().__init__()
        self.server: subprocess.Popen[bytes] | None = None

    def missing(self) -> str | None:
        """Its server is a package of the system."""
        if self.needs_server and redis_server.PROGRAM is None:
            return "redis-server is not installed"
        return super().missing()

    def prepare(self, folder: Path, kind: str) -> None:
        """And the server."""
        super().prepare(folder, kind)
        self._serve()

    def _serve(self) -> None:
        if self.needs_server and self.server is None:
            self.server = self.launch(redis_server.command(self.folder, synced=not self.filling), "redis")
            redis_server.await_answer(self.server, self.folder)

    def start(self) -> None:
        """The server first, when it is down."""
        self._serve()
        super().start()

    def down(self) -> None:
        """And the server."""
        super().down()
        self._end_server()

    def _end_server(self) -> None:
        if self.server is not None:
            self.server.terminate()
            self.server.wait(60)
            self.server = None

    def kill(self) -> None:
        """The server with the same blow."""
        if self.server is not None:
            kill_all(self.server)
            self.server = None
        super().kill()

    def processes(self) -> list[psutil.Process]:
        """And the server."""
        return super().processes() + ([] if self.server is None else [psutil.Process(self.server.pid)])

    def close(self) -> None:
        """And the server."""
        super().close()
        if self.server is not None:
            kill_all(self.server)
            self.server = None
