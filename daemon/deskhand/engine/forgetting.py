"""Forgetting finished tasks: the record first, then the erasure, which a start goes on with if it was cut off.

Looking at what there is and erasing it is done in the background; the deciding thread appends the record and tells who
asked.  What is erased and what is not: ``store.erase``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from deskhand.core import deliver_path
from deskhand.core.log import Log
from deskhand.core.record import Actor, Draft
from deskhand.core.replay import TARGETS, apply
from deskhand.core.task import Task, commitment
from deskhand.engine.asking import place_of
from deskhand.engine.background import Background
from deskhand.engine.ledger import Ledger
from deskhand.errors import DeskhandError, StoreError, UsageError
from deskhand.store import audit_read, erase
from deskhand.store.desk import Desk
from deskhand.store.erase import Kept
from deskhand.store.files import Files, FsyncError
from deskhand.store.recipes import Recipes

OPERATION = "forgetting a task"
_NUMBERS = 100
"""Numbered names that are tried for a delivery whose own name was taken."""


class Found(Struct, frozen=True):
    """What there is of a task before it is forgotten."""

    task: Task
    kept: Kept
    bytes: int
    """Of its files."""
    deliveries: tuple[str, ...]
    """Paths of what was delivered, as far as they can be proved; they belong to the person."""
    unknown_deliveries: int
    """Deliveries of which the place cannot be told any more."""
    related: tuple[str, ...]
    """Keys of other tasks with the same input."""
    backups: tuple[str, ...]
    """Names in `backups/` that were made since the task was received."""


class Asked(Struct):
    """One wish, on its way."""

    key: str
    actor: Actor
    reason: str | None
    promise: Future[dict[str, Any]]
    looking: Future[Found] | None = None
    found: Found | None = None
    erasing: Future[list[str]] | None = None


class Forgetting:
    """Used by the deciding thread only."""

    def __init__(
        self,
        files: Files,
        desk: Desk,
        ledger: Ledger,
        recipes: Recipes,
        background: Background,
        log: Log,
        purge: Callable[[str], None],
    ) -> None:
        """*purge*: lets go of what is remembered of a task beside its files."""
        self._files = files
        self._desk = desk
        self._ledger = ledger
        self._recipes = recipes
        self._background = background
        self._log = log
        self._purge = purge
        self._asked: list[Asked] = []

    @property
    def busy(self) -> bool:
        """Whether something is on record and not erased yet: no new file of the log is begun meanwhile."""
        return bool(self._asked)

    def begin(self, key: str, actor: Actor, reason: str | None) -> Future[dict[str, Any]]:
        """Forget the finished task *key*; the promise says what was erased and what is left to the person.

        UsageError when it is not finished.
        """
        if self._ledger.known(key):
            task = self._ledger.tasks.get(key)
            state = "on its way to its last folder" if task is None or task.terminal else f"{task.state}"
            hint = "cancel it or wait until it is over"
            raise UsageError(OPERATION, f"only a finished task can be forgotten; this one is {state}", hint=hint)
        asked = Asked(key, actor, reason, Future())
        asked.looking = self._background.submit(partial(find, self._desk, self._recipes, key))
        self._asked.append(asked)
        return asked.promise

    def hear(self) -> None:
        """Put on record what was looked at, and tell what was erased."""
        for asked in list(self._asked):
            if asked.looking is not None and asked.looking.done():
                self._looked(asked, asked.looking)
            if asked.erasing is not None and asked.erasing.done():
                self._erased(asked, asked.erasing)

    def _looked(self, asked: Asked, looking: Future[Found]) -> None:
        asked.looking = None
        try:
            asked.found = looking.result()
        except (DeskhandError, OSError) as error:
            self._asked.remove(asked)
            asked.promise.set_exception(
                error if isinstance(error, DeskhandError) else StoreError(OPERATION, error.strerror or str(error))
            )
            return
        fields = {
            "task": asked.key,
            "actor": msgspec.to_builtins(asked.actor),
            "reason": asked.reason,
            "files": len(asked.found.kept.paths),
        }
        self._ledger.note(Draft("task.forgotten", {name: value for name, value in fields.items() if value is not None}))
        self._purge(asked.key)

    def recorded(self) -> None:
        """Everything that was appended is durable: erase."""
        for asked in list(self._asked):
            if asked.found is not None and asked.erasing is None:
                asked.erasing = self._background.submit(partial(erase.erase, self._files, self._desk, asked.found.kept))
                if asked.erasing.done():
                    self._erased(asked, asked.erasing)

    def _erased(self, asked: Asked, erasing: Future[list[str]]) -> None:
        self._asked.remove(asked)
        problems = erasing.result()
        if asked.found is None or problems:
            self._log.error("a task is forgotten on record, and not all of it could be erased", task=asked.key)
            cause = f"it is on record, but not everything could be erased: {'; '.join(problems)}"
            asked.promise.set_exception(StoreError(OPERATION, cause, hint="see to that, and give the command again"))
            return
        self._log.info("a task was forgotten", task=asked.key)
        asked.promise.set_result(_reply(asked.found))

    def go_on(self, keys: Iterable[str]) -> None:
        """At the start: erase what an earlier run of the daemon had put on record.  OSError is left to the log."""
        for key in keys:
            try:
                kept = erase.look(self._desk, key)
                # What it is called goes first and its files last: without files there is nothing left to do.
                problems = erase.erase(self._files, self._desk, kept) if kept.paths else []
            except FsyncError:
                raise
            except OSError as error:
                problems = [error.strerror or str(error)]
            if problems:
                self._log.error("not all of a forgotten task could be erased", task=key, problems=len(problems))


def _reply(found: Found) -> dict[str, Any]:
    return {
        "key": found.task.key,
        "files": len(found.kept.paths),
        "bytes": found.bytes,
        "deliveries": list(found.deliveries),
        "unknown_deliveries": found.unknown_deliveries,
        "related": list(found.related),
        "backups": list(found.backups),
    }


def find(desk: Desk, recipes: Recipes, key: str) -> Found:
    """What there is of a finished task.  UsageError when the log does not know it as one."""
    task, targets, related = _on_record(desk, key)
    if task is None or not task.terminal or task.undelivered:
        raise UsageError(OPERATION, "the log knows no finished task with this key", path=key, hint="deskhand tasks")
    kept = erase.look(desk, key)
    deliveries = tuple(_places(desk, recipes, task, kept, targets))
    return Found(
        task=task,
        kept=kept,
        bytes=kept.bytes,
        deliveries=deliveries,
        unknown_deliveries=max(0, _count(targets) - len(deliveries)),
        related=tuple(sorted(related)),
        backups=tuple(_backups(desk, task.received)),
    )


def _on_record(desk: Desk, key: str) -> tuple[Task | None, list[dict[str, str]], list[str]]:
    """The task, where its results went (committed), and keys of others with the same input; reads the whole log."""
    task: Task | None = None
    targets: list[dict[str, str]] = []
    same: dict[str, list[str]] = {}
    related: dict[str, None] = {}
    for line in audit_read.lines(desk.audit):
        if b'"type":"task.' not in line.raw or (record := line.record) is None or record.type not in TARGETS:
            continue
        if record.fields.get("task") == key:
            task = apply(task, record.type, record.fields, record.seq, record.ts)
            targets = record.fields.get("targets", targets)
        elif record.type == "task.received":
            same.setdefault(str(record.fields.get("input_sha256")), []).append(str(record.fields["task"]))
            if record.fields.get("parent") == key:
                related[str(record.fields["task"])] = None
    if task is not None:
        related.update(dict.fromkeys(same.get(task.input_sha256, ())))
    return task, targets, list(related)


def _count(targets: list[dict[str, str]]) -> int:
    return sum(int(target.get("count", 1)) for target in targets)


def _places(desk: Desk, recipes: Recipes, task: Task, kept: Kept, targets: list[dict[str, str]]) -> Iterator[str]:
    """The paths that the log commits to, found again by trying what the recipe says."""
    wanted = {target["path_commit"] for target in targets if "path_commit" in target}
    described = kept.described
    if not wanted or described is None or task.pin is None:
        return
    with suppress(DeskhandError, OSError):
        recipe = recipes.get(task.pin)
        out = [path for path in kept.paths if path.name.endswith(".out")]
        names = [described.original_name, *(entry.name for path in out for entry in sorted(path.iterdir()))]
        for name in names:
            path = Path(desk.root, deliver_path.render(recipe.deliver or "", place_of(recipe, described), name))
            for number in range(1, _NUMBERS):
                target = path if number == 1 else path.with_name(deliver_path.numbered(path.name, number))
                if commitment(described.salt, str(target)) in wanted:
                    wanted.discard(commitment(described.salt, str(target)))
                    yield str(target)


def _backups(desk: Desk, since: float) -> Iterator[str]:
    with suppress(FileNotFoundError, NotADirectoryError):
        for path in sorted(desk.backups.iterdir()):
            if path.suffix in (".zip", ".age") and path.stat().st_mtime >= since:
                yield path.name
