"""Attempts and deliveries under way.

A small pool prepares and finishes attempts (copying, hashing, syncing); what is small and needs no sync is done on the
deciding thread itself, because handing it over takes longer.  What runs in between is a process of the spawner's, or
nothing.  Reports are queued for the deciding thread, which is rung.  Nothing here decides.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path

from msgspec import Struct

from deskhand.core.task import Task, TaskFile
from deskhand.engine.outcome import Finished, Handed, Report
from deskhand.engine.work import Job, Work
from deskhand.errors import ConfigError, IntegrityError, RunError
from deskhand.handlers.attempt import Attempt, Ended, Reason
from deskhand.handlers.spawner import Spawner
from deskhand.store.files import TROUBLE, FsyncError

THREADS = 4


class _Running(Struct, frozen=True):
    recipe: str
    attempt_key: str
    program: bool = True
    """Whether it takes longer than a moment."""


class Runs:
    """Starts, stops and reports."""

    def __init__(self, work: Work, spawner: Spawner, ring: Callable[[], None]) -> None:
        self._work = work
        self._spawner = spawner
        self._ring = ring
        self._name = f"run-{id(self):x}"
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix=self._name)
        self._again: list[Report] = []
        """Reports about which nothing could be decided; asked for once more when the next tick is due."""
        self._reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
        self._over: queue.SimpleQueue[tuple[Job, Ended]] = queue.SimpleQueue()
        """Processes that have ended; what they left is still to be looked at."""
        self._running: dict[str, _Running] = {}
        self._delivering: set[str] = set()
        self._stopping: dict[str, Reason] = {}
        self._unfinished: queue.SimpleQueue[tuple[Job, Ended | None]] = queue.SimpleQueue()
        """Runs that are over and whose results the disk did not take yet."""
        self._fatal: FsyncError | None = None
        self._lock = threading.Lock()
        self._closed = False
        self._patience: float | None = None
        """Seconds that :meth:`close` waits for the pool; None = as long as it takes."""

    # -- the deciding thread's side ------------------------------------------------------------------------------

    def start(self, task: Task, identifier: str) -> None:
        """Make the attempt that was recorded."""
        job = Job(task, identifier)
        self._running[task.key] = _Running("" if task.pin is None else task.pin.id, job.attempt_key)
        self._guarded(self._look, job)

    def together(self) -> AbstractContextManager[None]:
        """While what is started meanwhile goes to the spawner in few messages."""
        return self._spawner.together()

    def keep(self, task: Task, task_file: TaskFile, payload: Path) -> bool:
        """Make the recorded attempt here and now if it only keeps a small file; False = it has to be started."""
        finished = self._work.keep(task, task_file, payload)
        if finished is None:
            return False
        recipe = "" if task.pin is None else task.pin.id
        self._running[task.key] = _Running(recipe, f"{task.key}-{task.attempt}", program=False)
        self._report(finished)
        return True

    def deliver(self, task: Task, identifier: str) -> None:
        """Put a completed task's results where its recipe says."""
        if task.key not in self._delivering:
            self._delivering.add(task.key)
            self._pool.submit(self._deliver, Job(task, identifier))

    def stop(self, key: str, reason: Reason = "cancel", *, force: bool = False) -> None:
        """End a running attempt; its report says how it went."""
        running = self._running.get(key)
        if running is not None:
            with self._lock:
                self._stopping[running.attempt_key] = reason
            self._spawner.kill(running.attempt_key, reason, force=force)

    def stop_all(self, *, force: bool) -> None:
        """End every running attempt because the daemon stops."""
        for key in list(self._running):
            self.stop(key, "drain", force=force)

    def reports(self) -> Iterator[Report]:
        """What was reported since the last call, each to be given to :meth:`heard` or :meth:`hear_again`.

        FsyncError when a sync failed in the pool: the daemon must end.
        """
        if self._fatal is not None:
            raise self._fatal
        for _ in range(self._over.qsize()):
            job, ended = self._over.get_nowait()
            self._guarded(partial(self._sum_up, ended=ended), job)
        again, self._again = self._again, []
        yield from again
        for _ in range(self._reports.qsize()):
            yield self._reports.get_nowait()

    def heard(self, report: Report) -> None:
        """What followed from the report is decided."""
        if isinstance(report, Finished):
            running = self._running.pop(report.key, None)
            if running is not None:
                with self._lock:
                    self._stopping.pop(running.attempt_key, None)
        else:
            self._delivering.discard(report.key)

    def hear_again(self, report: Report) -> None:
        """Nothing could be decided now: the next :meth:`reports` yields it once more."""
        self._again.append(report)

    def retry(self) -> None:
        """Try again to keep the results of runs that are over."""
        for _ in range(self._unfinished.qsize()):
            job, ended = self._unfinished.get_nowait()
            self._pool.submit(self._guarded, partial(self._finish, ended=ended), job)

    def running(self) -> Counter[str]:
        """Recipe id -> attempts under way."""
        return Counter(running.recipe for running in self._running.values())

    @property
    def programs(self) -> bool:
        """Whether an attempt is under way that was handed over: a program, or what a thread is at."""
        return any(running.program for running in self._running.values())

    def keys(self) -> frozenset[str]:
        """Keys of the tasks with an attempt under way."""
        return frozenset(self._running)

    @property
    def reported(self) -> bool:
        """Whether there is something new to hear; what has to be heard again wakes nobody."""
        return not self._reports.empty()

    @property
    def busy(self) -> bool:
        """Whether an attempt or a delivery is under way or not yet heard."""
        return bool(self._running or self._delivering or self._again) or not self._reports.empty()

    def hurry(self, patience: float) -> None:
        """Let :meth:`close` wait no longer than *patience* seconds for what the pool is at."""
        self._patience = patience

    def close(self) -> None:
        """Kill what runs, and wait until every process is gone, and every thread unless told to hurry."""
        self._closed = True
        self._spawner.close()
        for _ in range(self._over.qsize()):
            job, ended = self._over.get_nowait()
            self._pool.submit(self._guarded, partial(self._finish, ended=ended), job)
        self._pool.shutdown(wait=self._patience is None, cancel_futures=self._patience is not None)
        end = time.monotonic() + (self._patience or 0.0)
        for thread in self._threads():
            thread.join(max(0.0, end - time.monotonic()))
        self._spawner.close()  # a thread of the pool may have started it again just before

    @property
    def stuck(self) -> bool:
        """After :meth:`close`: a thread hangs in a call to the system and would hold up the end of the process."""
        return bool(self._threads())

    def _threads(self) -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name.startswith(self._name)]

    # -- the pool's side -----------------------------------------------------------------------------------------

    def _report(self, report: Report) -> None:
        self._reports.put(report)
        self._ring()

    def _guarded(self, call: Callable[[Job], None], job: Job) -> None:
        """Whatever goes wrong is a report; a task is never left without one."""
        try:
            call(job)
        except FsyncError as error:
            self._fatal = error
            self._ring()
        except Exception as error:  # noqa: BLE001 - a defect in a handler must not take the pool's thread with it
            self._report(self._work.broken(job, error))

    def _look(self, job: Job) -> None:
        """Begin at once what is small, and let the pool begin the rest."""
        if self._work.look(job):
            self._begin(job)
        else:
            self._pool.submit(self._guarded, self._begin, job)

    def _begin(self, job: Job) -> None:
        attempt = self._work.begin(job)
        if attempt is None:
            self._finish(job, None)
            return
        with self._lock:
            stopped = self._stopping.get(job.attempt_key)
        if stopped is not None:
            self._report(self._work.not_started(job, stopped))
            return
        if self._spawner.alive:
            with suppress(RunError):  # it died this moment
                self._spawn(job, attempt)
                return
        if not self._closed:  # starting one takes its time
            self._pool.submit(self._guarded, partial(self._spawn, attempt=attempt, anew=True), job)

    def _spawn(self, job: Job, attempt: Attempt, *, anew: bool = False) -> None:
        def over(ended: Ended) -> None:
            self._over.put((job, ended))
            self._ring()

        if anew:
            if self._closed:
                return  # nothing is heard any more; the next start finds an attempt that was cut off
            self._spawner.start()
        self._spawner.submit(attempt, over)
        with self._lock:
            reason = self._stopping.get(job.attempt_key)
        if reason is not None:
            self._spawner.kill(job.attempt_key, reason)

    def _sum_up(self, job: Job, ended: Ended) -> None:
        """Report at once an attempt that left next to nothing, and let the pool look at the rest."""
        report = self._work.finish_small(job, ended)
        if report is None:
            self._pool.submit(self._guarded, partial(self._finish, ended=ended), job)
        else:
            self._reports.put(report)

    def _finish(self, job: Job, ended: Ended | None) -> None:
        try:
            report = self._work.finish(job, ended)
        except FsyncError:
            raise
        except OSError as error:
            if error.errno not in TROUBLE:
                raise
            self._unfinished.put((job, ended))
            return
        self._report(report)

    def _deliver(self, job: Job) -> None:
        try:
            report: Report = self._work.deliver(job)
        except FsyncError as error:
            self._fatal = error
            self._ring()
            return
        except (ConfigError, IntegrityError) as error:
            report = Handed(job.task.key, problem=error.sentence, given_up=error.cause)
        except Exception as error:  # noqa: BLE001 - a delivery without a report would be under way for ever
            report = Handed(job.task.key, problem=str(error) or type(error).__name__)
        self._report(report)
