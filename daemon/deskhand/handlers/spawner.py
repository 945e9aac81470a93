"""The daemon's side of the spawner: hands it attempts, hears how they ended, notices when it dies.

Thread-safe.  One thread reads reports and calls back; it starts with the spawner and ends with it.  A report means that
no process of the attempt is left.  When the spawner dies, the same is proved by looking (``orphans``), and every
attempt that was running ends as cut off by it.  Does not decide anything: no retries, no queue, no states.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from deskhand.errors import RunError
from deskhand.handlers import orphans
from deskhand.handlers.attempt import Attempt, Cut, Ended, Reason
from deskhand.handlers.spawner_link import Link

OnEnd = Callable[[Ended], None]
"""Called in the reading thread, exactly once per attempt; must not raise and not wait."""


class Spawner:
    """The spawner of the daemon run *run* on the desk whose audit log is *log_id*."""

    def __init__(self, log_id: str, run: str) -> None:
        self._log_id = log_id
        self._run = run
        self._marks = {orphans.LOG_VARIABLE: log_id, orphans.RUN_VARIABLE: run}
        self._lock = threading.Lock()
        self._waiting: dict[str, OnEnd] = {}
        self._link: Link | None = None
        self._reader: threading.Thread | None = None
        self._closing = False
        self._later = False
        """Whether orders may wait for others."""

    @property
    def alive(self) -> bool:
        """Whether attempts can be submitted."""
        return self._link is not None and not self._closing

    @property
    def pid(self) -> int | None:
        """The spawner process; None when there is none."""
        link = self._link
        return None if link is None else link.process.pid

    def start(self) -> None:
        """Start the process; nothing happens when it runs already.  Raises RunError when it does not come up.

        Not from within a callback.
        """
        if self._reader is not None and self._link is None:
            self._reader.join()
        with self._lock:
            if self._link is not None:
                return
            link = Link.open({**self._marks, orphans.SPAWNER_VARIABLE: "1"})
            self._closing = False
            self._link = link
            self._reader = threading.Thread(target=self._read, args=(link,), name="spawner-reader", daemon=True)
            self._reader.start()

    def submit(self, attempt: Attempt, on_end: OnEnd) -> None:
        """Start *attempt*; *on_end* is called when nothing of it is left.

        Raises RunError when the spawner is not alive, or an attempt of that key is running.
        """
        if not attempt.argv:
            raise RunError("start an attempt", f"{attempt.key} has no program")
        order = _order(attempt, self._marks)
        with self._lock:
            if self._link is None or self._closing:
                raise RunError("start an attempt", "the spawner is not running", hint="start it again")
            if attempt.key in self._waiting:
                raise RunError("start an attempt", f"{attempt.key} is running already")
            self._waiting[attempt.key] = on_end
            self._link.send({"start": order}, later=self._later)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Hand over in few calls what is submitted meanwhile.  Not to be nested.

        Each call wakes the spawner, which on a busy machine then runs instead of whoever called.
        """
        self._later = True
        try:
            yield
        finally:
            with self._lock:
                self._later = False
                if self._link is not None:
                    self._link.flush()

    def kill(self, key: str, reason: Reason, *, force: bool = False) -> None:
        """Stop an attempt: SIGTERM and 2 s later SIGKILL, or SIGKILL at once.  Its end is reported as usual.

        Nothing happens when no such attempt runs: its report may be on the way.
        """
        with self._lock:
            if self._link is not None and key in self._waiting:
                self._link.send({"kill": key, "cut": reason, "force": force})

    def close(self) -> None:
        """Kill what runs, end the spawner, and return when all ends were reported.  Not from within a callback."""
        with self._lock:
            self._closing = True
            if self._link is not None:
                self._link.finish()
        if self._reader is not None:
            self._reader.join()

    def _read(self, link: Link) -> None:
        try:
            for report in link.reports():
                key = report.pop("key")
                with self._lock:
                    on_end = self._waiting.pop(key, None)
                if on_end is not None:
                    on_end(Ended(**report))
        finally:
            self._over(link)

    def _over(self, link: Link) -> None:
        """The spawner is gone: see that its attempts are too, then say so for each of them."""
        with self._lock:
            self._link = None
            left, self._waiting = self._waiting, {}
            cut: Cut = "drain" if self._closing else "spawner"
        error = None if self._closing else "the spawner died"
        if link.wait() != 0:
            try:
                orphans.reap_run(self._log_id, self._run)
            except RunError as unending:
                error = unending.sentence
        for on_end in left.values():
            on_end(Ended(cut=cut, error=error))


def _order(attempt: Attempt, marks: Mapping[str, str]) -> dict[str, Any]:
    env = {**attempt.env, **marks, orphans.ATTEMPT_VARIABLE: attempt.key}
    return {
        "key": attempt.key,
        "argv": [_text(part) for part in attempt.argv],
        "env": {_text(name): _text(value) for name, value in env.items()},
        "cwd": _text(attempt.cwd),
        "log": _text(attempt.log),
        "timeout": attempt.timeout,
        "output_cap": attempt.output_cap,
        "memory": attempt.limits.memory,
        "cpu": attempt.limits.cpu,
    }


def _text(value: str | os.PathLike[str]) -> str:
    """The same bytes as UTF-8 text, whatever this process's locale is; undecodable ones become surrogates."""
    text = os.fspath(value)
    return text if text.isascii() else os.fsencode(text).decode("utf-8", "surrogateescape")
