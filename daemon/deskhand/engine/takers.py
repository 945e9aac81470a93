"""Who takes a batch of drops: the deciding thread itself, or a thread of the intake.

Small files are taken at once by whoever asks: handing one to a thread costs more than taking it, because two threads of
one interpreter wait for each other at every call to the system.  Large files, folders and everything remote go to the
threads, so that no tick waits for them.  What was done is a result either way, heard in order by :meth:`results`.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from msgspec import Struct

from deskhand.core.settle import Kind
from deskhand.engine.listing import Name
from deskhand.engine.taking import Done, Taking, Work
from deskhand.engine.waiting import Ready
from deskhand.store.accept import Accepted
from deskhand.store.sources import Removed

SMALL = 256 * 1024
"""Bytes of a file that is taken at once."""
SMALL_TOGETHER = 8 * 1024 * 1024
"""Bytes of a batch of them: about 10 ms of hashing."""


class Removal(Struct, frozen=True):
    """What became of a copied source."""

    accepted: Accepted
    outcome: Removed


Result = Future[Done] | Future[Removal]


class Takers:
    """Used by the deciding thread; *on_ready* is called from the threads, whenever one is done."""

    def __init__(self, taking: Taking, threads: int, on_ready: Callable[[], None]) -> None:
        self._taking = taking
        self._on_ready = on_ready
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="intake")
        # A mount that is away can keep a thread for minutes; it must not be one of those that take local drops.
        self._remote = ThreadPoolExecutor(1, thread_name_prefix="intake-poll")
        self._finished: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._done: list[Done] = []
        self.running = 0
        """Batches and removals under way or not yet heard."""

    def take(self, work: Work, *, remote: bool = False) -> None:
        """Do *work*, now or soon.  Raises what is a mistake in the program, and FsyncError."""
        self.running += 1
        if not remote and _at_once(work):
            self._done.append(self._taking.take(work))
        else:
            self._follow((self._remote if remote else self._pool).submit(self._taking.take, work))

    def remove(self, call: Callable[[Accepted], Removal], accepted: Accepted, *, remote: bool) -> None:
        """Let a thread remove a copied source."""
        self.running += 1
        self._follow((self._remote if remote else self._pool).submit(call, accepted))

    def poll(self, call: Callable[[tuple[str, ...]], list[Name]], recipes: tuple[str, ...]) -> Future[list[Name]]:
        """Let the thread for remote inboxes list one."""
        future = self._remote.submit(call, recipes)
        future.add_done_callback(lambda _: self._on_ready())
        return future

    def results(self) -> Iterator[Done | Removal]:
        """What was done since the last call.  Raises what a thread raised."""
        while self._done:
            self.running -= 1
            yield self._done.pop(0)
        while True:
            try:
                future = self._finished.get_nowait()
            except queue.Empty:
                return
            self.running -= 1
            if not future.cancelled():
                yield future.result()

    def close(self) -> None:
        """Finish what is under way and end the threads."""
        self._remote.shutdown(wait=False, cancel_futures=True)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _follow(self, future: Result) -> None:
        future.add_done_callback(self._over)

    def _over(self, future: Result) -> None:
        """Called in a thread."""
        self._finished.put(future)
        self._on_ready()


def is_small(ready: Ready) -> bool:
    """Whether a local drop is a file that is taken in a moment."""
    seen = ready.candidate.seen
    return not ready.place.copy_only and seen.kind is Kind.FILE and seen.size <= SMALL


def _at_once(work: Work) -> bool:
    if work.dropped or work.claimed or not all(is_small(ready) for ready in work.ready):
        return False
    return sum(ready.candidate.seen.size for ready in work.ready) <= SMALL_TOGETHER
