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

Entry = tuple[float, int, str, int]


class Dispatcher:
    """Tasks that may be started, in order.  Entries go stale instead of being removed; a stale one is skipped."""

    def __init__(self, ageing: float) -> None:
        self._ageing = ageing
        self._due: dict[str, list[Entry]] = defaultdict(list)
        self._later: list[tuple[float, str, int]] = []
        self._expiring: list[tuple[float, str, int]] = []

    def add(self, task: Task) -> None:
        """Take note of a task that may be started, now or later, or whose question expires; ignore any other."""
        if task.state in STARTABLE and task.pin is not None:
            heapq.heappush(self._later, (task.next_at, task.key, task.seq))
        elif task.state is State.WAITING and task.expires is not None:
            heapq.heappush(self._expiring, (task.expires, task.key, task.seq))

    def clock_set_back(self, tasks: Iterable[Task], now: float) -> None:
        """Let pauses that began in what is the future now begin anew, instead of lasting until the clock is there."""
        for task in tasks:
            if task.state is State.RETRY and task.since > now:
                heapq.heappush(self._later, (now + max(0.0, task.next_at - task.since), task.key, task.seq))

    def next_due(self) -> float | None:
        """Epoch seconds at which the next waiting task becomes startable."""
        return self._later[0][0] if self._later else None

    def next_expiry(self) -> float | None:
        """Epoch seconds at which the next question (perhaps one that is answered) expires."""
        return self._expiring[0][0] if self._expiring else None

    def expired(self, now: float, current: Callable[[str], Task | None]) -> Iterator[Task]:
        """Tasks whose question has expired; each is forgotten when the next one is asked for."""
        while self._expiring and self._expiring[0][0] <= now:
            _, key, seq = self._expiring[0]
            task = current(key)
            if task is not None and task.seq == seq:
                yield task
            heapq.heappop(self._expiring)

    def waiting(self) -> bool:
        """Whether anything is startable now (perhaps stale)."""
        return any(self._due.values())

    def mature(self, now: float, current: Callable[[str], Task | None]) -> None:
        """Let tasks whose time has come join the order."""
        while self._later and self._later[0][0] <= now:
            _, key, seq = heapq.heappop(self._later)
            task = current(key)
            if task is None or task.seq != seq or task.pin is None:
                continue
            rank = task.received - task.priority * self._ageing
            heapq.heappush(self._due[task.pin.id], (rank, task.first_seq, key, seq))

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
    def _stale(entry: Entry, current: Callable[[str], Task | None]) -> bool:
        task = current(entry[2])
        return task is None or task.seq != entry[3]
