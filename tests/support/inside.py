"""A desk opened in the test's own process and driven tick by tick: real files, real workers, no daemon around it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from deskhand.core.record import Actor, Record
from deskhand.core.task import Options, Task
from deskhand.engine.assemble import Session, open_desk
from deskhand.engine.bell import Bell
from deskhand.engine.commands import Command, Commands
from deskhand.store.desk import Desk
from deskhand.store.drop_file import submit
from deskhand.store.files import Files
from deskhand.testing.log import MemoryLog
from tests.support import invariants

T = TypeVar("T")
PERSON = Actor(kind="person", via="command", uid=0)


class Inside:
    """An open desk and what a test does with it."""

    def __init__(self, session: Session, bell: Bell, log: MemoryLog) -> None:
        self.session = session
        self.desk = session.desk
        self.engine = session.engine
        self.log = log
        self.commands = Commands(session.engine)
        self._bell = bell
        self._drops = 0

    def until(self, condition: Callable[[], T], what: str = "", timeout: float = 10.0) -> T:
        """Tick until *condition* is true; its value."""
        end = time.monotonic() + timeout
        while True:
            self.engine.tick()
            self.commands.settle()
            if value := condition():
                return value
            assert time.monotonic() < end, f"not within {timeout} s: {what}; {self.log.lines}"
            self._bell.wait(min(self.engine.next_wake(), 0.02))

    def drop(self, data: bytes = b"hello\n", *, name: str = "file.txt", **options: Any) -> str:
        """Hand a file over as `deskhand drop` does; the key of its task."""
        self._drops += 1
        source = self.desk.root.parent / name
        source.write_bytes(data)
        suffix = f"aaaa{'abcdefghij'[self._drops // 10]}{'abcdefghij'[self._drops % 10]}"
        now = self.session.clock.wall()
        identifier = submit(Files(), self.desk, source, Options(**options), now=now, suffix=suffix, limit=1 << 20)
        self.engine.scan_everything()
        return f"{identifier[:15]}-{suffix}"

    def task(self, key: str) -> Task | None:
        """A task that is unfinished or undelivered."""
        return self.engine.ledger.tasks.get(key)

    def until_state(self, key: str, *states: str) -> str:
        """Tick until the task is in one of *states*, whether that is an end or not."""

        def there() -> str | None:
            task = self.task(key)
            state = self.engine.ledger.outcomes.get(key) if task is None else str(task.state)
            return state if state in states else None

        return str(self.until(there, f"{key} is {states}"))

    def command(self, verb: str, **arguments: Any) -> Any:
        """Carry out a command between two ticks."""
        return self.commands.carry_out(Command(verb, PERSON, arguments), self.session.clock.wall())

    def records(self, kind: str) -> list[Record]:
        """Records of one type."""
        return [record for record in invariants.read(self.desk) if record.type == kind]

    def bless(self, text: str, identifier: str) -> None:
        """Bless a recipe from its YAML."""
        recipes = self.session.parts.recipes
        (self.desk.recipes / "drafts" / f"{identifier}.yaml").write_text(text)
        blessing = recipes.prepare_blessing(identifier)
        recipes.place(blessing)
        self.command("bless", recipe=msgspec.to_builtins(blessing.pin), purpose=blessing.recipe.purpose)
        self.engine.tick()


@contextmanager
def inside(root: Path, files: Files | None = None) -> Iterator[Inside]:
    """Open the desk in *root*."""
    bell, log = Bell(), MemoryLog()
    try:
        with open_desk(Desk(root.resolve()), log, ring=bell.ring, watch=False, files=files) as session:
            yield Inside(session, bell, log)
    finally:
        bell.close()
