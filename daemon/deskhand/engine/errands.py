"""Commands of the daemon's own threads, carried out by the deciding thread like those of callers."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from deskhand.core.record import DAEMON
from deskhand.engine.commands import Command, Reply
from deskhand.errors import DeskhandError


class Errands:
    """Any thread but the deciding one calls :meth:`carry`; the deciding one hears of it through the bell."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._commands: queue.SimpleQueue[tuple[Command, Future[Reply]]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._over: DeskhandError | None = None

    def carry(self, verb: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Have *verb* carried out in the daemon's name; the answer when it is durable.  Raises what it raises."""
        promise: Future[Reply] = Future()
        with self._lock:
            if self._over is not None:
                raise self._over
            self._commands.put((Command(verb, DAEMON, arguments), promise))
        self._ring()
        return promise.result()

    def pending(self) -> list[tuple[Command, Future[Reply]]]:
        """What was asked since the last call; for the deciding thread."""
        found = []
        while True:
            try:
                found.append(self._commands.get_nowait())
            except queue.Empty:
                return found

    def close(self, error: DeskhandError) -> None:
        """Nobody answers any more: whoever waits, or asks from now on, gets *error*."""
        with self._lock:
            self._over = error
        for _, promise in self.pending():
            promise.set_exception(error)
