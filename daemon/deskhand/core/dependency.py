"""What a task waits for when it waits for others (`after:`), and whether they wait for it.

A drop waits for the tasks with a key, or for one task by its id; it goes on when all of them are completed.  Tasks that
wait for each other in a circle never would: nothing here ends them, it only says so, because which of them has to go is
a person's choice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from deskhand.core.state import TERMINAL, State
from deskhand.core.task import Task


class Waits:
    """Who waits for whom among the unfinished tasks at one moment."""

    def __init__(self, unfinished: Iterable[Task]) -> None:
        """*unfinished*: also those that are completed and not yet delivered."""
        self._tasks = {task.key: task for task in unfinished}
        self._carries: dict[str, list[str]] = {}
        for task in self._tasks.values():
            if task.label is not None and not task.terminal:
                self._carries.setdefault(task.label, []).append(task.key)

    def circle(self, task: Task) -> tuple[str, ...]:
        """Keys of the tasks that wait for each other, from *task* back to it; empty when it is in no circle."""
        ahead: list[tuple[str, ...]] = [(task.key,)]
        seen: set[str] = set()
        while ahead:
            path = ahead.pop()
            for key in self._awaited(path[-1]):
                if key == task.key:
                    return (*path, key)
                if key not in seen:
                    seen.add(key)
                    ahead.append((*path, key))
        return ()

    def _awaited(self, key: str) -> Iterator[str]:
        """The unfinished tasks that keep this one from going on."""
        task = self._tasks.get(key)
        if task is None or task.state not in (State.BLOCKED, State.RECEIVED):
            return
        for wanted in task.after:
            if wanted in self._tasks:
                yield wanted
            yield from self._carries.get(wanted, ())

    def why(
        self, task: Task, labels: Mapping[str, str], final: Callable[[str], str | None], names: Sequence[str] = ()
    ) -> str | None:
        """What keeps a blocked task as things are now; None when nothing does any more.

        *labels*: final state of the last finished task with a label; *final*: that of a finished task by its key;
        *names*: what the drop itself wrote in `after:`, in the same order.
        """
        ring = self.circle(task)
        if ring:
            return in_words(ring)
        for number, wanted in enumerate(task.after):
            name = f"'{names[number]}'" if number < len(names) else wanted[:16]
            state = self._state(wanted) or labels.get(wanted) or final(wanted)
            if state is None:
                return f"waits for {name}, which has not been dropped yet"
            if state != State.COMPLETED and state in TERMINAL:
                return f"waits for {name}, which is {state}: try that again or drop it anew, or cancel this one"
            if state != State.COMPLETED:
                return f"waits for {name}, which is {state}"
        return None

    def hopeless(self, task: Task, labels: Mapping[str, str], final: Callable[[str], str | None]) -> bool:
        """Whether a blocked task waits for what never comes by itself: a circle, a failed task, one never dropped."""
        if self.circle(task):
            return True
        states = (self._state(wanted) or labels.get(wanted) or final(wanted) for wanted in task.after)
        return any(state is None or (state != State.COMPLETED and state in TERMINAL) for state in states)

    def _state(self, wanted: str) -> str | None:
        carrying = [wanted] if wanted in self._tasks else self._carries.get(wanted, [])
        return self._tasks[carrying[-1]].state if carrying else None


def in_words(ring: Sequence[str]) -> str:
    """What a person is told about a circle; the short ends of the keys are what commands take."""
    return f"waits in a circle: {' waits for '.join(key[-6:] for key in ring)}; cancel one of them"
