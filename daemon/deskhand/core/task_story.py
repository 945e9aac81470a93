"""Every task's own records, held against its numbering and the transition table, while a log streams by.

Memory is bounded by the tasks that are unfinished at one time: a finished task is forgotten, and a record about a
forgotten task is itself the fault.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from deskhand.core.names import is_key
from deskhand.core.record import Record
from deskhand.core.state import TERMINAL, TRANSITIONS, State

_STATES = {state.value: state for state in State}


class _Place(NamedTuple):
    tn: int
    seq: int
    state: State
    undelivered: bool


class TaskStories:
    """Feed it every record in order; *first_seq* is the first one that it will see."""

    def __init__(self, first_seq: int) -> None:
        self._first_seq = first_seq
        self._open: dict[str, _Place] = {}

    @property
    def unfinished(self) -> int:
        """Tasks with a record and no terminal one."""
        return sum(place.state not in TERMINAL for place in self._open.values())

    def feed(self, record: Record) -> str | None:
        """What is wrong with *record* as the next one of its task; None when nothing is, or it is no task record."""
        if not record.type.startswith("task."):
            return None
        fields = record.fields
        key = fields.get("task")
        if not isinstance(key, str) or not is_key(key):
            return "task is not a task key"
        if record.type == "task.forgotten":
            return f"{key} is unfinished and was forgotten" if key in self._open else None
        to = _STATES.get(str(fields.get("to")))
        if to is None:
            return "to is no state"
        place = self._open.get(key)
        problem = self._judge(place, record, to)
        self._keep(key, record, to)
        return problem

    def _judge(self, place: _Place | None, record: Record, to: State) -> str | None:
        fields = record.fields
        tn, tprev, origin = fields.get("tn"), fields.get("tprev"), fields.get("from")
        delivered = record.type == "task.delivered"
        if to != (State.COMPLETED if delivered else record.type.removeprefix("task.")):
            return f"{record.type} cannot lead to {to}"
        if place is None:
            if tn == 1:
                return None if to is State.RECEIVED and (tprev, origin) == (None, None) else "a task begins as received"
            early = isinstance(tprev, int) and 0 < tprev < self._first_seq
            return None if early else f"no unfinished task {fields['task']} is known before this record"
        if (tn, tprev) != (place.tn + 1, place.seq):
            return f"tn {tn} and tprev {tprev} should be {place.tn + 1} and {place.seq}"
        if origin != place.state:
            return f"from is {origin}, but the task was {place.state}"
        legal = place.undelivered if delivered else to in TRANSITIONS[place.state]
        return None if legal else f"{place.state} -> {to} is no legal move"

    def _keep(self, key: str, record: Record, to: State) -> None:
        """Go on from what the record says, so that one fault is reported once."""
        tn: Any = record.fields.get("tn")
        undelivered = record.type == "task.completed" and bool(record.fields.get("deliver"))
        if to in TERMINAL and not undelivered:
            self._open.pop(key, None)
        else:
            self._open[key] = _Place(tn if isinstance(tn, int) else 0, record.seq, to, undelivered)
