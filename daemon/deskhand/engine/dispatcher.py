"""Which task is started next, and whose question expires next.

Highest priority first, oldest first within it, and waiting makes up for priority: ``ageing`` seconds of waiting are
worth one step.  Because everybody ages at the same speed the order never changes while tasks wait, so one heap per
recipe is enough: the key is ``received - priority * ageing``.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from deskhand.core.state import STARTABLE, State
from deskhand.core.task import Task
from deskhand.engine.agenda import Agenda, Entry

Rank = tuple[float, int, str, int]


class Dispatcher:
    """Tasks that may be started, in order.  Entries go stale instead of being removed; a stale one is skipped."""

    def __init__(self, ageing: float) -> None:
        self._ageing = ageing
        self._due: dict[str, list[Rank]] = defaultdict(list)
        self._now: list[Entry] = []
        """What was startable when it was recorded."""
        self._later = Agenda()
        self._expiring = Agenda()

    def add(self, task: Task) -> None:
        """Take note of a task that may be started, now or later, or whose question expires; ignore any other."""
        if task.state in STARTABLE and task.pin is not None:
            entry = Entry(task.next_at, task.seq, task.key)
            if task.next_at > task.since:
                self._later.enter(entry)
            else:
                self._now.append(entry)
        elif task.state is State.WAITING and task.expires is not None:
            self._expiring.enter(Entry(task.expires, task.seq, task.key))

    def clock_set_back(self, tasks: Iterable[Task], now: float) -> None:
        """Let pauses that began in what is the future now begin anew, instead of lasting until the clock is there."""
        for task in tasks:
            if task.state is State.RETRY and task.since > now:
                self._later.enter(Entry(now + max(0.0, task.next_at - task.since), task.seq, task.key))

    def next_due(self) -> float | None:
        """Epoch seconds at which the next waiting task becomes startable."""
        moments = [entry.moment for entry in self._now]
        if self._later.soonest is not None:
            moments.append(self._later.soonest)
        return min(moments, default=None)

    def next_expiry(self) -> float | None:
        """Epoch seconds at which the next question (perhaps one that is answered) expires."""
        return self._expiring.soonest

    def expired(self, now: float, current: Callable[[str], Task | None]) -> Iterator[Task]:
        """Tasks whose question has expired; each is forgotten when the next one is asked for."""
        given = 0
        try:
            for entry in self._expiring.due(now):
                task = current(entry.key)
                if task is not None and task.seq == entry.seq:
                    yield task
                given += 1
        finally:
            self._expiring.drop(given)

    def waiting(self) -> bool:
        """Whether anything is startable now (perhaps stale)."""
        return any(self._due.values())

    def mature(self, now: float, current: Callable[[str], Task | None]) -> None:
        """Let tasks whose time has come join the order."""
        due = self._later.due(now)
        self._later.drop(len(due))
        early = [entry for entry in self._now if entry.moment > now]  # the clock was set back
        for entry in (*due, *self._now):
            task = current(entry.key)
            if entry.moment > now or task is None or task.seq != entry.seq or task.pin is None:
                continue
            rank = task.received - task.priority * self._ageing
            heapq.heappush(self._due[task.pin.id], (rank, task.first_seq, entry.key, task.seq))
        self._now = early

    def ready(self, current: Callable[[str], Task | None], full: Callable[[str], bool]) -> Iterator[Task]:
        """Tasks in starting order, each removed as it is given; recipes for which *full* says so are left waiting."""
        while True:
            best: str | None = None
            for recipe, heap in self._due.items():
                while heap and self._stale(heap[0], current):
                    heapq.heappop(heap)
                if heap and not full(recipe) and (best is None or heap[0] < self._due[best][0]):
                    best = recipe
            if best is None:
                return
            task = current(heapq.heappop(self._due[best])[2])
            if task is not None:
                yield task

    @staticmethod
    def _stale(entry: Rank, current: Callable[[str], Task | None]) -> bool:
        task = current(entry[2])
        return task is None or task.seq != entry[3]
