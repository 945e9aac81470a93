"""What `deskhand cleanup` removes: found by looking, removed by whoever asked, as a person may with their own hands.

Finished tasks belong to the person, and the log says which are finished and since when; a file of which the log knows
nothing stays.  Unfinished tasks, the audit log and backups are never in a plan.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator

from msgspec import Struct

from deskhand.core.names import key_of
from deskhand.engine.view import View
from deskhand.store import leftovers, removal
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.leftovers import Leftover
from deskhand.store.removal import Standing


class Part(Struct, frozen=True):
    """What one kind of cleaning removes."""

    kind: str
    """`temp`, `logs`, `completed`, `failed`, `rejected` or `task`."""
    leftovers: tuple[Leftover, ...] = ()
    tasks: tuple[Standing, ...] = ()
    task_files: int = 0
    task_bytes: int = 0
    unknown: int = 0
    """Tasks in these folders that stay because the log that is here does not say that they ended."""

    @property
    def files(self) -> int:
        """How many files."""
        return self.task_files + sum(one.files for one in self.leftovers)

    @property
    def bytes(self) -> int:
        """How many bytes."""
        return self.task_bytes + sum(one.bytes for one in self.leftovers)


def plan(desk: Desk, view: View, kinds: Iterable[str], before: float, busy: Container[str]) -> list[Part]:
    """What each of *kinds* removes of what is older than *before* (epoch seconds).

    *busy*: keys of the tasks that are being run.
    """
    parts = []
    ends: dict[str, float] | None = None
    for kind in kinds:
        if kind == "temp":
            parts.append(Part(kind, leftovers=tuple(leftovers.temporary(desk, before, busy))))
        elif kind == "logs":
            parts.append(Part(kind, leftovers=tuple(leftovers.rotated(desk, before))))
        else:
            ends = view.ends() if ends is None else ends
            parts.append(_finished(kind, desk, view, ends, before))
    return parts


def _finished(kind: str, desk: Desk, view: View, ends: dict[str, float], before: float) -> Part:
    found, unknown = [], 0
    for one in removal.standing(desk, (kind,)):
        key = key_of(one.id)
        if key in view.unfinished:
            continue
        end = ends.get(key)
        if end is None:
            unknown += 1
        elif end < before:
            found.append(one)
    return _part(kind, found, unknown)


def of_task(desk: Desk, key: str) -> Part:
    """What there is of one finished task in the folders of finished ones."""
    return _part("task", [one for one in removal.standing(desk) if key_of(one.id) == key], 0)


def _part(kind: str, found: list[Standing], unknown: int) -> Part:
    sizes = [removal.size(path) for one in found for path in one.paths]
    return Part(kind, (), tuple(found), sum(files for files, _ in sizes), sum(count for _, count in sizes), unknown)


def carry_out(
    files: Files, desk: Desk, parts: Iterable[Part], told: Callable[[int], None] = lambda files: None
) -> Iterator[Part]:
    """Remove what is planned, and yield each part when it is gone.  OSError when the disk refuses.

    *told* is called with the number of files that were just removed.
    """
    removal.finish(files, desk)
    for part in parts:
        for one in part.leftovers:
            removal.discard(files, one.path)
            told(one.files)
        for task in removal.remove(files, desk, part.tasks):
            told(len(task.paths))
        yield part
