"""The unfinished tasks as the audit log tells them, and the only way for the engine to write to the log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import msgspec
from msgspec import Struct, field

from deskhand.core.compatibility import NEWER
from deskhand.core.condition import Condition
from deskhand.core.event import Event
from deskhand.core.money import Spending
from deskhand.core.names import is_key
from deskhand.core.recipe import Pin
from deskhand.core.record import Draft, Record
from deskhand.core.replay import TARGETS, apply, stamp_task
from deskhand.core.routine import Routine
from deskhand.core.state import State
from deskhand.core.step import Decision, step
from deskhand.core.task import Source, Task
from deskhand.core.tasks import Tasks
from deskhand.engine.intake_facts import Taken
from deskhand.errors import IntegrityError
from deskhand.store.audit_log import AuditLog

LABELS_KEPT = 100_000
OUTCOMES_KEPT = 10_000
REPLAY_MAX = 25_000
"""Records after which the log goes on in a new file with a snapshot: a start replays no more than these."""
REPLAY_SHARE = 2
"""Records for each unfinished task that are waited for when there are many: a snapshot has all of them."""


class Facts(Struct):
    """What the log says beside its unfinished tasks, folded up."""

    labels: dict[str, str] = field(default_factory=dict)
    """Hash of a drop's `key:` -> the final state of the last task that carried it."""
    pins: list[Pin] = field(default_factory=list)
    """Every blessed or adopted recipe version, in order."""
    paused: str = "no"
    """`no`, `intake` (draining) or `all`."""
    adopted: int = 0
    """Sequence number of the last adoption: what was here before may have run elsewhere."""
    unremoved: dict[str, Taken] = field(default_factory=dict)
    """Key -> a drop that was copied and whose original, as far as is known, is not removed: never taken again."""
    clock_unconfirmed: bool = False
    """The clock jumped over a day; nothing expires until a person confirms."""
    spending: Spending = field(default_factory=Spending)
    """What runs cost today, and what is reserved for those under way."""
    routine: Routine = field(default_factory=Routine)
    """Schedules and checklists."""
    condition: Condition = field(default_factory=Condition)
    """Backups, drills, health and incidents."""


class Snapshot(Facts, forbid_unknown_fields=True):
    """A file to replay the log from; its tasks are taken apart one by one."""

    tasks: dict[str, msgspec.Raw] = field(default_factory=dict)


class Book(Facts):
    """What the log says, folded up."""

    tasks: Tasks = field(default_factory=Tasks)
    """Key -> every task that is unfinished or undelivered."""

    @classmethod
    def read(cls, snapshot: bytes) -> Book:
        """What :meth:`snapshot` wrote; MsgspecError when it is something else."""
        found = _SNAPSHOT.decode(snapshot)
        book = cls(**{name: getattr(found, name) for name in Facts.__struct_fields__})
        for key in list(found.tasks):
            book.tasks[key] = _TASK.decode(found.tasks.pop(key))
        return book

    def snapshot(self) -> bytes:
        """Everything, as JSON: what the next file of the log is replayed from."""
        data = bytearray(msgspec.json.encode({name: getattr(self, name) for name in Facts.__struct_fields__}))
        data[-1:] = b',"tasks":{'
        for number, task in enumerate(self.tasks.values()):
            data += b'%b"%b":%b' % (b"," if number else b"", task.key.encode(), msgspec.json.encode(task))
        data += b"}}"
        return bytes(data)

    def take(self, record: Record) -> tuple[Task | None, Task] | None:
        """Fold one record in; for a task record, the task before and after."""
        fields = record.fields
        match record.type:
            case "recipe.adopted" | "recipe.blessed":
                self.pins.append(msgspec.convert(fields["recipe"], Pin))
            case "desk.adopted":
                self.adopted = record.seq
            case "desk.paused":
                self.paused = "intake" if fields.get("reason") == "drain" else "all"
            case "desk.resumed":
                self.paused, self.clock_unconfirmed = "no", False
            case "log.clock_step":
                self.clock_unconfirmed |= not fields.get("confirmed", True)  # a small step confirms no earlier one
            case "cost.level" | "cost.billed":
                self.spending.take(record)
            case _ if record.type in TARGETS:
                self.spending.take(record)
                if fields.get("copied"):
                    self.unremoved[fields["task"]] = taken(fields)
                return self._take_task(record)
            case _:
                self.routine.take(record.type, fields, record.ts)
                self.condition.take(record.type, fields, record.ts)
        return None

    def _take_task(self, record: Record) -> tuple[Task | None, Task]:
        key = record.fields["task"]
        before = self.tasks.get(key)
        after = apply(before, record.type, record.fields, record.seq, record.ts)
        if after.terminal and after.label is not None:
            self.labels.pop(after.label, None)
            self.labels[after.label] = after.state
            if len(self.labels) > LABELS_KEPT:
                del self.labels[next(iter(self.labels))]
        if after.terminal and not after.undelivered:
            self.tasks.pop(key, None)
        else:
            self.tasks[key] = after
        return before, after


_SNAPSHOT, _TASK = msgspec.json.Decoder(Snapshot), msgspec.json.Decoder(Task)


def taken(received: Mapping[str, Any]) -> Taken:
    """What a `task.received` says of the drop."""
    source = msgspec.convert(received["source"], Source)
    return Taken(received.get("inbox", ""), source, received["input_sha256"])


class Change(Struct, frozen=True):
    """A task before and after a batch; *before* is None for a new one."""

    before: Task | None
    after: Task
    attempt: bool = False
    """An attempt was recorded in this batch and has to be made."""


class Ledger:
    """Book and log together.  Used by the deciding thread only."""

    def __init__(self, log: AuditLog, history: Callable[[str], Iterable[Record]]) -> None:
        """*history* reads every record of one task back from disk: slow, for what is over."""
        self._log = log
        self._history = history
        self._changes: dict[str, Change] = {}
        self._written: dict[str, Task] = {}
        self._dirty = False
        snapshot, records = log.replay()
        self.book = Book() if snapshot is None else book_of(snapshot)
        self.ended: dict[str, Task] = {}
        """Key -> finished task whose files are not yet moved."""
        self.blocked: set[str] = set()
        """Keys of the tasks that wait for others."""
        self._completed = False
        self.outcomes: dict[str, str] = {}
        """Key -> final state of the tasks that ended in this run of the daemon, the last 10,000."""
        self.written_types: Counter[str] = Counter()
        """Type -> how many of these records this run of the daemon wrote."""
        self.ended_by_recipe: Counter[tuple[str, str]] = Counter()
        """Id of a recipe and a final state -> tasks that came to it in this run; recipe `` is none."""
        self.forgotten: list[str] = []
        """Keys of tasks that were forgotten since the last snapshot, as of the start; perhaps not all was erased."""
        unremoved = list(self.book.unremoved.values())
        for record in records:
            moved = self.book.take(record)
            if record.type == "task.forgotten":
                self.forgotten.append(record.fields["task"])
            if moved is not None and moved[1].terminal:
                self.ended[moved[1].key] = moved[1]
        self.sources: Iterator[Taken] = chain(unremoved, self._received())
        """Copied drops, received since the last snapshot or unremoved before it: some may still stand in an inbox.  To
        be read once, at the start."""
        self.blocked.update(self.tasks.keys_in({State.BLOCKED}))

    def _received(self) -> Iterator[Taken]:
        """Read in a pass of their own: among the tasks that stay they would leave holes in memory."""
        for record in self._log.replay(b'"type":"task.received"')[1]:
            if record.fields.get("copied"):  # what was moved can only stand there because somebody dropped it again
                yield taken(record.fields)

    @property
    def log(self) -> AuditLog:
        """The audit log itself."""
        return self._log

    @property
    def tasks(self) -> Tasks:
        """Key -> unfinished or undelivered task."""
        return self.book.tasks

    def known(self, key: str) -> bool:
        """Whether a task is unfinished, or ended since the last snapshot."""
        return key in self.book.tasks or key in self.ended

    @property
    def dirty(self) -> bool:
        """Whether something was decided that is not yet durable."""
        return self._dirty

    def note(self, draft: Draft) -> None:
        """Record something that is not about one task's state."""
        self._append(draft)

    def receive(self, key: str, draft: Draft) -> Task:
        """Record the first thing about a task."""
        return self._write(None, key, draft)

    def decide(self, task: Task, event: Event, now: float) -> Decision:
        """Let the core decide what *event* means for *task*, and record it."""
        decision = step(task, event, now)
        current: Task = task
        for draft in decision.drafts:
            current = self._write(current, current.key, draft)
        return decision

    def _write(self, task: Task | None, key: str, draft: Draft) -> Task:
        moved = self._append(stamp_task(task, key, draft))
        if moved is None:
            raise ValueError(f"{draft.type} is no task record")
        before, after = moved
        earlier = self._changes.get(key)
        first = before if earlier is None else earlier.before
        started = draft.type == "task.started" or (earlier is not None and earlier.attempt)
        self._changes[key] = Change(first, after, started)
        self._written[key] = after
        if after.state is State.BLOCKED:
            self.blocked.add(key)
        else:
            self.blocked.discard(key)
        self._completed |= after.state is State.COMPLETED
        if after.terminal:
            if before is None or not before.terminal:
                self.ended_by_recipe["" if after.pin is None else after.pin.id, after.state] += 1
            self.ended[key] = after
            self.outcomes[key] = after.state
            if len(self.outcomes) > OUTCOMES_KEPT:
                del self.outcomes[next(iter(self.outcomes))]
        return after

    def _append(self, draft: Draft) -> tuple[Task | None, Task] | None:
        seq, ts = self._log.append(draft), self._log.last_ts
        self._dirty = True
        self.written_types[draft.type] += 1
        plain: dict[str, Any] = draft.fields
        return self.book.take(Record("", seq, ts, draft.type, plain, self._log.run, 0))

    def commit(self) -> list[Change]:
        """Make everything decided durable; then, and only then, the changes to act on.

        StoreError when the disk refuses: nothing is lost, the same call can be made again.
        """
        if self._dirty:
            self._log.commit()
            self._dirty = False
        changes = list(self._changes.values())
        self._changes.clear()
        return changes

    def written(self) -> Iterable[Task]:
        """The tasks that something was decided about since the last call, as they are now."""
        written, self._written = self._written, {}
        return written.values()

    def take_completed(self) -> bool:
        """Whether a task was completed since the last call: what waited for it may go on."""
        completed, self._completed = self._completed, False
        return completed

    def rotation_due(self) -> bool:
        """Whether the day is over, or a start would have too much to replay."""
        most = max(REPLAY_MAX, REPLAY_SHARE * len(self.book.tasks))
        return self._log.rotation_due() or self._log.records >= most

    def rotate(self, unremoved: Container[Taken]) -> None:
        """Begin a new file of the log, with a snapshot of the unfinished tasks.

        *unremoved*: copied drops not to forget.
        """
        self.book.unremoved = {key: one for key, one in self.book.unremoved.items() if one in unremoved}
        self._log.rotate(self.book.snapshot(), unfinished=len(self.book.tasks))

    def copied(self, drop: Taken) -> str | None:
        """Key of the task that *drop* was copied for; None when there is none or its original is long gone."""
        return next((key for key, one in self.book.unremoved.items() if one == drop), None)

    def label_state(self, label: str) -> str | None:
        """Final state of the last task with this label; `unfinished` while one is under way; None if unknown."""
        if self.tasks.labelled(label):
            return "unfinished"
        return self.book.labels.get(label)

    def final_state(self, key: str) -> str | None:
        """How a finished task ended; None when the log does not know it.  Reads the log for what is long over."""
        last = self.outcomes.get(key)
        if last is not None or not is_key(key):
            return last
        for record in self._history(key):
            last = record.fields.get("to", last)
        return last


def book_of(snapshot: bytes) -> Book:
    """What the log said when *snapshot* was made; IntegrityError when it cannot be understood."""
    try:
        return Book.read(snapshot)
    except msgspec.MsgspecError as error:
        cause = f"the snapshot of unfinished tasks was made by a newer deskhand: {error}"
        raise IntegrityError("replay the audit log", cause, hint=NEWER) from error


def counts(tasks: Tasks) -> dict[str, int]:
    """How many tasks are in each state."""
    return {state: count for state, count in tasks.counts.items() if count}
