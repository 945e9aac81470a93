"""One thread for what the deciding thread must not wait for: packing closed days of the log, erasing a task's files.

Rules: one call at a time, in order; a result is heard by the deciding thread, which is rung for it.  A call that takes
long looks at :attr:`Background.stopping` now and then.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Background:
    """See the module.  The thread begins with the first call."""

    def __init__(self, ring: Callable[[], None], *, inline: bool = False) -> None:
        """*inline*: calls are made at once, in the caller's thread; for a command without a daemon."""
        self._ring = ring
        self._inline = inline
        self._pool: ThreadPoolExecutor | None = None
        self._stopping = False

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Make *call* when what was submitted before is done; what it returns or raises is in the future."""
        done: Future[T] = Future()
        if self._inline:
            _make(call, done)
            return done
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "deskhand-background")
        self._pool.submit(self._run, call, done)
        return done

    def _run(self, call: Callable[[], T], done: Future[T]) -> None:
        _make(call, done)
        self._ring()

    def stopping(self) -> bool:
        """Whether the daemon ends: leave off where nothing is half done."""
        return self._stopping

    def close(self) -> None:
        """Let what is under way come to an end; what has not begun is left out."""
        self._stopping = True
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


def _make(call: Callable[[], T], done: Future[T]) -> None:
    try:
        done.set_result(call())
    except Exception as error:  # noqa: BLE001 - whoever waits would wait for ever; a defect is raised where it is heard
        done.set_exception(error)
