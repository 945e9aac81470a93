"""Attempts and deliveries under way.

A small pool prepares and finishes attempts (copying, hashing, syncing); what runs in between is a process of the
spawner's, or nothing.  Reports are queued for the deciding thread, which is rung.  Nothing here decides.
"""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from msgspec import Struct

from deskhand.core.task import Task
from deskhand.engine.outcome import Finished, Handed, Report
from deskhand.engine.work import Job, Work
from deskhand.errors import DeskhandError, RunError
from deskhand.handlers.attempt import Attempt, Ended, Reason
from deskhand.handlers.spawner import Spawner
from deskhand.store.files import FsyncError

THREADS = 4


class _Running(Struct, frozen=True):
    recipe: str
    attempt_key: str


class Runs:
    """Starts, stops and reports."""

    def __init__(self, work: Work, spawner: Spawner, ring: Callable[[], None]) -> None:
        self._work = work
        self._spawner = spawner
        self._ring = ring
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="run")
        self._reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
        self._running: dict[str, _Running] = {}
        self._delivering: set[str] = set()
        self._stopping: dict[str, Reason] = {}
        self._unfinished: queue.SimpleQueue[tuple[Job, Ended | None]] = queue.SimpleQueue()
        """Runs that are over and whose results the disk did not take yet."""
        self._fatal: FsyncError | None = None
        self._lock = threading.Lock()

    # -- the deciding thread's side ------------------------------------------------------------------------------

    def start(self, task: Task, identifier: str) -> None:
        """Make the attempt that was recorded."""
        job = Job(task, identifier)
        self._running[task.key] = _Running("" if task.pin is None else task.pin.id, job.attempt_key)
        self._pool.submit(self._guarded, self._begin, job)

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
        """What was reported since the last call.  FsyncError when a sync failed in the pool: the daemon must end."""
        if self._fatal is not None:
            raise self._fatal
        while True:
            try:
                report = self._reports.get_nowait()
            except queue.Empty:
                return
            if isinstance(report, Finished):
                running = self._running.pop(report.key, None)
                if running is not None:
                    with self._lock:
                        self._stopping.pop(running.attempt_key, None)
            else:
                self._delivering.discard(report.key)
            yield report

    def retry(self) -> None:
        """Try again to keep the results of runs that are over."""
        for _ in range(self._unfinished.qsize()):
            job, ended = self._unfinished.get_nowait()
            self._pool.submit(self._guarded, partial(self._finish, ended=ended), job)

    def running(self) -> Counter[str]:
        """Recipe id -> attempts under way."""
        return Counter(running.recipe for running in self._running.values())

    def keys(self) -> frozenset[str]:
        """Keys of the tasks with an attempt under way."""
        return frozenset(self._running)

    @property
    def busy(self) -> bool:
        """Whether an attempt or a delivery is under way or not yet heard."""
        return bool(self._running or self._delivering) or not self._reports.empty()

    def close(self) -> None:
        """Kill what runs, and wait until every thread and process is gone."""
        self._spawner.close()
        self._pool.shutdown(wait=True)

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

    def _begin(self, job: Job) -> None:
        attempt = self._work.begin(job)
        if attempt is None:
            self._finish(job, None)
            return
        with self._lock:
            stopped = job.attempt_key in self._stopping
        if stopped:
            self._report(self._work.not_started(job, self._stopping[job.attempt_key]))
            return
        self._spawn(job, attempt)

    def _spawn(self, job: Job, attempt: Attempt) -> None:
        def over(ended: Ended) -> None:
            self._pool.submit(self._guarded, partial(self._finish, ended=ended), job)

        try:
            self._spawner.submit(attempt, over)
        except RunError:
            self._spawner.start()
            self._spawner.submit(attempt, over)
        with self._lock:
            reason = self._stopping.get(job.attempt_key)
        if reason is not None:
            self._spawner.kill(job.attempt_key, reason)

    def _finish(self, job: Job, ended: Ended | None) -> None:
        try:
            report = self._work.finish(job, ended)
        except FsyncError:
            raise
        except OSError:
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
        except (DeskhandError, OSError, ValueError) as error:
            report = Handed(job.task.key, problem=str(error) or type(error).__name__)
        self._report(report)
