"""Long work that the daemon does beside its tasks: one thread, one chore at a time, results on the deciding thread.

A chore is a plain function that takes everything as arguments and returns a value; it decides and records nothing.
What follows from it is said by ``then``, which the deciding thread calls (it may write records); whoever waits for the
chore hears of it when those are durable.  A chore that only watches over something else returns a future: the thread
goes on, and the chore is over with that.

A chore must not wait without an end; a long one looks at :attr:`Chores.stopping`.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple

from deskhand.core.log import Log
from deskhand.errors import DeskhandError
from deskhand.store.files import FsyncError

Then = Callable[["Future[Any]"], Any]
"""Called by the deciding thread with the finished future; what it returns is the answer to whoever waits."""


class _Chore(NamedTuple):
    name: str
    call: Callable[[], Any]
    then: Then | None
    promise: Future[Any]


class Chores:
    """See the module.  The thread begins with the first chore."""

    def __init__(self, ring: Callable[[], None], log: Log) -> None:
        self._ring = ring
        self._log = log
        self._waiting: queue.SimpleQueue[_Chore | None] = queue.SimpleQueue()
        self._over: queue.SimpleQueue[tuple[_Chore, Future[Any]]] = queue.SimpleQueue()
        self._heard: list[tuple[Future[Any], Future[Any]]] = []
        self._names: list[str] = []
        self._thread: threading.Thread | None = None
        self.stopping = threading.Event()
        """Set when the daemon ends."""

    # -- the deciding thread's side ----------------------------------------------------------------------------

    def submit(self, name: str, call: Callable[[], Any], then: Then | None = None) -> Future[Any]:
        """Have *call* made; the future has what *then* (without one: *call*) returned, once that is durable."""
        promise: Future[Any] = Future()
        if self.stopping.is_set():
            promise.set_exception(DeskhandError(name, "the daemon stops"))
            return promise
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="chores", daemon=True)
            self._thread.start()
        self._names.append(name)
        self._waiting.put(_Chore(name, call, then, promise))
        return promise

    @property
    def names(self) -> tuple[str, ...]:
        """What is under way or waits for its turn, oldest first."""
        return tuple(self._names)

    def hear(self) -> None:
        """Let follow what follows from the chores that are over.  FsyncError when a sync failed in one of them."""
        for _ in range(self._over.qsize()):
            chore, result = self._over.get_nowait()
            self._names.remove(chore.name)
            error = result.exception()
            if isinstance(error, FsyncError):
                raise error
            if error is not None:
                self._log.warning("a chore failed", chore=chore.name, cause=str(error) or type(error).__name__)
            self._heard.append((chore.promise, _followed(chore.then, result)))

    def settle(self) -> None:
        """Answer whoever waits: what was heard is durable."""
        heard, self._heard = self._heard, []
        for promise, reply in heard:
            error = reply.exception()
            if error is None:
                promise.set_result(reply.result())
            else:
                promise.set_exception(error)

    def close(self, patience: float) -> None:
        """Begin nothing more, and wait at most *patience* seconds for what is under way."""
        self.stopping.set()
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join(patience)

    # -- the worker's side -------------------------------------------------------------------------------------

    def _work(self) -> None:
        while (chore := self._waiting.get()) is not None and not self.stopping.is_set():
            result = _made(chore.call)
            if result.exception() is None and isinstance(inner := result.result(), Future):
                inner.add_done_callback(lambda done, chore=chore: self._report(chore, done))  # type: ignore[misc]
            else:
                self._report(chore, result)

    def _report(self, chore: _Chore, result: Future[Any]) -> None:
        self._over.put((chore, result))
        self._ring()


def _made(call: Callable[[], Any]) -> Future[Any]:
    made: Future[Any] = Future()
    try:
        made.set_result(call())
    except Exception as error:  # noqa: BLE001 - whatever goes wrong is the chore's result
        made.set_exception(error)
    return made


def _followed(then: Then | None, result: Future[Any]) -> Future[Any]:
    return result if then is None else _made(lambda: then(result))
