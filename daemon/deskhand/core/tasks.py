"""All unfinished tasks of a desk, in little memory.

A mapping from key to task like any other, in the order of arrival.  When there are many, those that rest (they wait
for a person, a time or their turn) are kept as about 200 bytes each and taken apart when they are asked for; a ``Task``
and its strings take 1,000.  How many are in each state, and which, is known without taking any apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, MutableMapping
from typing import Any, TypeVar, overload

import msgspec
from msgspec.structs import astuple

from deskhand.core.recipe import Pin
from deskhand.core.state import State
from deskhand.core.task import Task

Other = TypeVar("Other")
KEPT_OPEN = 2_500
"""Tasks up to which none is packed: it costs 4 us to pack one and take it apart again."""
SHARED_MAX = 10_000
"""Recipe versions, names of inboxes and reasons that are stored once however many tasks have them."""
RESTING = frozenset(State) - {State.RECEIVED, State.STARTED, State.COMPLETED}

_NAMES = Task.__struct_fields__
_FIRST = _NAMES.index("key")
"""The key, whose place the number of the state takes: it is the first field, and the mapping has it anyway."""
_STATE = _NAMES.index("state")
_HASHES = tuple(map(_NAMES.index, ("task_sha256", "input_sha256", "digest", "approved")))
_SHARED = tuple(map(_NAMES.index, ("inbox", "pin", "reason")))
_TUPLES = tuple(map(_NAMES.index, ("after", "results")))
_STATES = tuple(State)
_NUMBERS = {state: number for number, state in enumerate(_STATES)}
_STATE_AT = 3
"""Byte of a packed task that is the number of its state: behind the head of a MessagePack array of 16 to 65,535."""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Any]).decode


class Tasks(MutableMapping[str, Task]):
    """See the module.  Used by one thread."""

    def __init__(self, kept_open: int = KEPT_OPEN) -> None:
        self.counts: Counter[State] = Counter()
        """How many tasks are in each state."""
        self._tasks: dict[str, Task | bytes] = {}
        self._kept_open = kept_open
        self._labels: Counter[str] = Counter()
        self._shared: list[Any] = []
        self._numbers: dict[Any, int] = {}

    def __getitem__(self, key: str) -> Task:
        found = self._tasks[key]
        return found if type(found) is Task else self._unpacked(key, found)  # type: ignore[arg-type]

    @overload
    def get(self, key: str) -> Task | None: ...

    @overload
    def get(self, key: str, default: Task | Other) -> Task | Other: ...

    def get(self, key: str, default: Any = None) -> Any:
        """The task; *default* when there is none.  Asked for often: what a mapping has for it takes twice as long."""
        found = self._tasks.get(key)
        if found is None:
            return default
        return found if type(found) is Task else self._unpacked(key, found)  # type: ignore[arg-type]

    def __setitem__(self, key: str, task: Task) -> None:
        before = self._tasks.get(key)
        if before is not None:
            self._uncount(key, before)
        self.counts[task.state] += 1
        if task.label is not None and not task.terminal:
            self._labels[task.label] += 1
        pack = len(self._tasks) >= self._kept_open and task.state in RESTING
        self._tasks[key] = self._packed(task) if pack else task

    def __delitem__(self, key: str) -> None:
        self._uncount(key, self._tasks.pop(key))

    def __iter__(self) -> Iterator[str]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    def __contains__(self, key: object) -> bool:
        return key in self._tasks

    def state(self, key: str) -> State | None:
        """The state of a task; None when there is none with this key."""
        found = self._tasks.get(key)
        return None if found is None else _state(found)

    def keys_in(self, states: Collection[State]) -> list[str]:
        """Keys of the tasks in one of *states*, oldest first."""
        if not any(self.counts[state] for state in states):
            return []
        return [key for key, found in self._tasks.items() if _state(found) in states]

    def having(self, states: Collection[State]) -> Iterator[Task]:
        """The tasks in one of *states*, oldest first.  Tasks may be changed between one and the next."""
        for key in self.keys_in(states):
            task = self.get(key)
            if task is not None and task.state in states:
                yield task

    def first(self, states: Collection[State], count: int) -> list[Task]:
        """The *count* tasks in one of *states* that arrived first; looks no further than the last of them."""
        most = min(count, sum(self.counts[state] for state in states))
        found: list[Task] = []
        for key, task in self._tasks.items():
            if len(found) == most:
                break
            if _state(task) in states:
                found.append(self[key])
        return found

    def oldest(self) -> dict[State, Task]:
        """State -> the task in it that arrived first."""
        wanted = {state for state, count in self.counts.items() if count}
        found: dict[State, str] = {}
        for key, task in self._tasks.items():
            if len(found) == len(wanted):
                break
            found.setdefault(_state(task), key)
        return {state: self[key] for state, key in found.items()}

    def labelled(self, label: str) -> bool:
        """Whether a task with this label is not over yet."""
        return self._labels[label] > 0

    def _uncount(self, key: str, found: Task | bytes) -> None:
        self.counts[_state(found)] -= 1
        if self._labels:
            task = found if isinstance(found, Task) else self._unpacked(key, found)
            if task.label is not None and not task.terminal:
                self._labels[task.label] -= 1
                if not self._labels[task.label]:
                    del self._labels[task.label]

    def _packed(self, task: Task) -> bytes:
        row: list[Any] = list(astuple(task))
        row[_FIRST], row[_STATE] = _NUMBERS[task.state], None
        for at in _HASHES:
            row[at] = _short(row[at])
        for at in _SHARED:
            row[at] = self._number(row[at])
        return bytes(memoryview(_encode(row)))  # a copy: what the encoder gives has room behind its end

    def _unpacked(self, key: str, data: bytes) -> Task:
        row = _decode(data)
        row[_FIRST], row[_STATE] = key, _STATES[row[_FIRST]]
        for at in _HASHES:
            if type(row[at]) is bytes:
                row[at] = row[at].hex()
        for at in _SHARED:
            if type(row[at]) is int:
                row[at] = self._shared[row[at]]
        for at in _TUPLES:
            if row[at] is not None:
                row[at] = tuple(row[at])
        return Task(*row)

    def _number(self, value: str | Pin | None) -> Any:
        """The number of *value* among what is shared; the value itself when there is too much of that."""
        if value is None:
            return None
        number = self._numbers.get(value)
        if number is None:
            if len(self._shared) >= SHARED_MAX and isinstance(value, str):
                return value
            number = self._numbers[value] = len(self._shared)
            self._shared.append(value)
        return number


def _state(found: Task | bytes) -> State:
    return found.state if isinstance(found, Task) else _STATES[found[_STATE_AT]]


def _short(text: str | None) -> str | bytes | None:
    """The bytes of a hash; anything else as it is."""
    if text is None or len(text) != 64:
        return text
    try:
        data = bytes.fromhex(text)
    except ValueError:
        return text
    return data if data.hex() == text else text
