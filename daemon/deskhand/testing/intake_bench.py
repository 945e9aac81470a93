"""The intake on a bench: a desk's folders, a clock that may be fake, and a tick without an engine.

What the bench collects counts as recorded at once, so copied sources are released in the same turn unless told
otherwise.  Placing it in a state folder is the engine's part: the bench does that, as the engine would, where it is
told to.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterable
from types import TracebackType
from typing import Self

from deskhand.core.clock import Clock
from deskhand.core.names import Part, key_of
from deskhand.core.settings import Settings
from deskhand.core.task import Options
from deskhand.engine.intake import Intake
from deskhand.engine.intake_facts import InboxChange, Refused
from deskhand.engine.watcher import Watcher
from deskhand.store.accept import Accepted, Choice, Drop
from deskhand.store.desk import Desk
from deskhand.store.files import Files, FsyncError, StrPath
from deskhand.store.queue_folders import QueueFolders
from deskhand.store.recover import reunite
from deskhand.testing.clock import FakeClock

PLACE = "pending"
"""The state folder in which the bench places what was accepted."""


def no_recipe(drop: Drop) -> Choice:
    """Chooses nothing and keeps what the drop said."""
    return Choice(None, drop.declared or Options(), None, quarantine=False)


def make_folders(desk: Desk) -> None:
    """The folders that an intake expects."""
    for path in (desk.inbox, desk.approvals, desk.partial, desk.claimed, desk.accepted, desk.dropped):
        path.mkdir(parents=True, exist_ok=True)


class IntakeBench:
    """See the module.  With *watch*, a real observer and therefore a real clock is needed."""

    def __init__(
        self,
        desk: Desk,
        *,
        settings: Settings | None = None,
        files: Files | None = None,
        clock: Clock | None = None,
        choose: Callable[[Drop], Choice] = no_recipe,
        recipes: Collection[str] = (),
        watch: bool = False,
        release: bool = True,
        place: bool = False,
        known: Callable[[str], bool] = lambda key: False,
    ) -> None:
        make_folders(desk)
        settings = settings or Settings()
        self.desk = desk
        self.clock = clock or FakeClock()
        self.bell = threading.Event()
        self.release = release
        self.place = place
        self.accepted: list[Accepted] = []
        self.refused: list[Refused] = []
        self.changes: list[InboxChange] = []
        self.watcher = Watcher(desk, settings, self.bell.set) if watch else None
        files = files or Files()
        self._files = files
        self._folders = QueueFolders(files, desk)
        self._staged: list[Accepted] = []
        """On record and not placed yet."""
        desk.folder(PLACE).mkdir(exist_ok=True)
        self.intake = Intake(desk, settings, files, self.clock, choose, frozenset(recipes), self.bell.set, known=known)

    def turn(self, moved: Collection[StrPath] = ()) -> list[Accepted]:
        """One tick; what was accepted in it.  Waits for nothing."""
        found = {os.fspath(path) for path in moved}
        if self.watcher is not None:
            self.changes += self.watcher.supervise()
            found |= self.watcher.moved()[0]
        self.changes += self.intake.scan(found).changes
        self.refused += self.intake.problems()
        accepted = self.intake.collect()
        self.accepted += accepted
        if self.place:
            self._staged += accepted
            self._place_staged()
        if self.release:
            self.intake.release(accepted)
        return accepted

    def recover(self, recorded: Iterable[Accepted]) -> None:
        """What a new process does first, when *recorded* is what the log knows."""
        known = {one.task_file.id: one for one in recorded}
        standing = {*os.listdir(self.desk.accepted), *self._folders.names(PLACE)} if known else set()
        apart = {name: one.task_sha256 for name, one in known.items() if one.task_file.input not in standing}
        reunite(self._files, self.desk, apart)
        for name, one in known.items():
            self._folders.move((one.task_file.input, f"{name}.{Part.TASK}"), self.desk.accepted, PLACE)
        self.intake.recover({key_of(name) for name in known})

    def _place_staged(self) -> None:
        """Bring what is on record to its state folder; what the disk refuses is tried again in the next turn."""
        for one in tuple(self._staged):
            task = one.task_file
            try:
                self._folders.bring(str(one.payload), task.input, PLACE)
                self._folders.move((f"{task.id}.{Part.TASK}",), self.desk.accepted, PLACE)
            except FsyncError:
                raise
            except OSError:
                continue
            self._staged.remove(one)
            self._folders.tidy_staging((one.payload.parent,))

    def finish(self, moved: Collection[StrPath] = (), timeout: float = 10.0) -> list[Accepted]:
        """Ticks, without the clock moving, until nothing is under way any more."""
        before = len(self.accepted)
        end = time.monotonic() + timeout
        self.turn(moved)
        for _ in range(2):
            while self.intake.under_way or self.intake.polling:
                if time.monotonic() > end:
                    raise TimeoutError("the intake does not come to rest")
                self.bell.wait(0.005)
                self.bell.clear()
                self.turn()
            self.turn()
        return self.accepted[before:]

    def settle(self, seconds: float = 0.25) -> list[Accepted]:
        """Look, let *seconds* pass on the fake clock, look again, and take what is finished."""
        before = len(self.accepted)
        self.finish()
        if isinstance(self.clock, FakeClock):
            self.clock.advance(seconds)
        self.finish()
        return self.accepted[before:]

    def wait(self, count: int, timeout: float = 10.0) -> list[Accepted]:
        """With the real clock: ticks when rung or due, until *count* tasks were accepted in all."""
        end = time.monotonic() + timeout
        self.turn()
        while len(self.accepted) < count:
            left = end - time.monotonic()
            if left < 0:
                raise TimeoutError(f"{len(self.accepted)} of {count} were taken")
            due, now = self.intake.next_due(), self.clock.monotonic_ns() / 1e9
            self.bell.wait(left if due is None else min(left, max(0.0, due - now)))
            self.bell.clear()
            self.turn()
        return self.accepted

    def close(self) -> None:
        """End every thread."""
        self.intake.close()
        if self.watcher is not None:
            self.watcher.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
