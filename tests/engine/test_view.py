"""The read-only look at a desk."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from deskhand.core.names import key_of, task_id
from deskhand.core.recipe import Pin
from deskhand.core.record import DAEMON, Draft
from deskhand.core.replay import apply, stamp_task
from deskhand.core.state import State
from deskhand.core.task import InputFile, Source, Task, TaskFile
from deskhand.engine.ledger import Book
from deskhand.engine.view import look
from deskhand.errors import IntegrityError
from deskhand.store.audit_log import AuditLog
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.testing.clock import FakeClock

DAY = 86_400.0
START = 1_790_000_000.0 - 1_790_000_000.0 % DAY + 43_200
"""Noon of a day."""
ACTOR = msgspec.to_builtins(DAEMON)


class Story:
    """Writes a log with tasks, and their files, without an engine."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.clock = FakeClock(START)
        self.log = AuditLog.create(Files(), desk.audit, clock=self.clock, origin={}, desk="d", version="0")
        self.book = Book()
        self._number = 0

    def receive(self, name: str, folder: str = "inbox") -> str:
        """A new task with its files in *folder*; its key."""
        self._number += 1
        suffix = base64.b32encode(self._number.to_bytes(4)).decode().lower()[:6]
        identifier = task_id(name, self.clock.wall(), suffix)
        file = InputFile("", hashlib.sha256(b"x").hexdigest(), 1)
        described = TaskFile(
            *(1, identifier, name, self.clock.wall(), "main", "file", (file,), "salt", Source(1, 1, 1, 1, 1)),
            input=f"{identifier}.in",
        )
        place = self.desk.folder(folder)
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{identifier}.task.json").write_bytes(msgspec.json.encode(described))
        (place / f"{identifier}.in").write_bytes(b"x")
        fields = {"task_sha256": "0" * 64, "input_sha256": file.sha256, "inbox": "main"}
        self.say(key_of(identifier), "task.received", **fields)
        return key_of(identifier)

    def say(self, key: str, kind: str, **fields: Any) -> None:
        """The next record of a task, and a second that passes."""
        draft = stamp_task(self.book.tasks.get(key), key, Draft(kind, {"actor": ACTOR, **fields}))
        seq = self.log.append(draft)
        self.log.commit()
        after = apply(self.book.tasks.get(key), draft.type, draft.fields, seq, self.clock.wall())
        self.book.tasks[key] = after
        if after.terminal:
            del self.book.tasks[key]
        self.clock.advance(1)

    def complete(self, key: str) -> None:
        """Everything up to the end."""
        self.say(key, "task.ready", recipe=msgspec.to_builtins(Pin("note", 1, "0" * 64)), priority=0)
        self.say(key, "task.started", attempt=1, attempt_key=key)
        self.say(key, "task.completed", attempt=1, results=[])

    def next_day(self) -> None:
        """Time passes and the log begins a new file."""
        self.clock.advance(DAY)
        self.log.rotate(self.book.snapshot())


@pytest.fixture
def story(desk: Desk) -> Iterator[Story]:
    """A desk with a log."""
    made = Story(desk)
    yield made
    made.log.close()


def _states(tasks: list[Task]) -> list[State]:
    return [task.state for task in tasks]


def test_a_desk_without_a_log_is_empty(desk: Desk) -> None:
    view = look(desk)
    assert (view.has_log, view.tasks(), view.submitted(), view.all_keys()) == (False, [], [], {})
    assert view.task("20261120-195331-abcdef") is None


def test_unfinished_and_finished_tasks(story: Story) -> None:
    first, second = story.receive("a.txt", "completed"), story.receive("b.txt")
    story.complete(first)
    view = look(story.desk)
    assert list(view.unfinished) == [second] and list(view.ended) == [first]
    assert _states(view.tasks()) == [State.RECEIVED, State.COMPLETED]
    assert view.identifier(first).endswith(first[-6:]) and "-a-" in view.identifier(first)
    described = view.task_file(second)
    assert described is not None and described.name == "b.txt"
    place = view.place(first)
    assert place is not None and place.folder.name == "completed" and len(place.names) == 2
    assert view.last_record == story.clock.wall() - 1


def test_what_ended_lately_is_found_over_all_files(story: Story) -> None:
    early = story.receive("early.txt")
    late = story.receive("late.txt")
    story.complete(early)
    story.next_day()
    story.say(late, "task.cancelled", reason="no more")
    moment = story.clock.wall()
    story.complete(story.receive("a.txt"))
    lost = story.receive("b.txt")
    story.say(lost, "task.lost", missing=["in"])
    story.next_day()
    story.complete(story.receive("c.txt"))
    view = look(story.desk)
    assert view.count_ended(0.0, State.COMPLETED) == 3 and view.count_ended(moment, State.COMPLETED) == 2
    (found,) = view.ended_since(moment, {State.LOST, State.FAILED})
    assert (found.key, found.state) == (lost, State.LOST)
    (found,) = view.ended_since(moment - 5, {State.CANCELLED})  # received before the files that are read
    assert (found.key, found.reason) == (late, "no more")
    assert view.ended_since(moment, {State.CANCELLED}) == []


def test_nothing_behind_the_head_is_shown(story: Story) -> None:
    key = story.receive("a.txt")
    head = (story.desk.audit / "head").read_bytes()
    story.say(key, "task.cancelled", reason="enough")
    (story.desk.audit / "head").write_bytes(head)
    assert look(story.desk).unfinished[key].state is State.RECEIVED
    (story.desk.audit / "head").unlink()
    assert look(story.desk).ended[key].state is State.CANCELLED


def test_a_line_being_written_is_not_there_yet(story: Story) -> None:
    key = story.receive("a.txt")
    (story.desk.audit / "head").unlink()
    (segment,) = story.desk.audit.glob("audit_*.jsonl")
    with segment.open("ab") as file:
        file.write(b'{"prev":"00')
    assert list(look(story.desk).unfinished) == [key]


def test_days(story: Story) -> None:
    old, stays = story.receive("old.txt", "completed"), story.receive("stays.txt")
    story.complete(old)
    first_day = story.clock.wall()
    story.next_day()
    new = story.receive("new.txt", "completed")
    story.complete(new)
    view = look(story.desk)
    assert list(view.ended) == [new] and list(view.unfinished) == [stays]
    assert view.complete_since is not None and view.complete_since > first_day
    wide = look(story.desk, since=first_day - 10)
    assert list(wide.ended) == [old, new] and wide.complete_since is None
    older = view.task(old)
    assert older is not None and older.state is State.COMPLETED
    assert set(view.all_keys()) == {old, stays, new}
    assert [record.type for record in view.records(stays)] == ["task.received"]


def test_archived_days_are_not_needed(story: Story) -> None:
    stays = story.receive("stays.txt")
    story.next_day()
    min(story.desk.audit.glob("audit_*.jsonl")).unlink()
    view = look(story.desk, since=0.0)
    assert list(view.unfinished) == [stays] and view.complete_since is not None
    for path in story.desk.audit.glob("snapshot_*"):
        path.unlink()
    with pytest.raises(IntegrityError, match="no usable snapshot"):
        look(story.desk)


def test_erased_and_tidied_files(story: Story) -> None:
    key = story.receive("a.txt", "completed/2026-09-01")
    other = story.receive("b.txt", "completed")
    view = look(story.desk)
    place = view.place(key)
    assert place is not None and place.folder.name == "2026-09-01"
    for path in story.desk.folder("completed").glob("*-b-*"):
        path.unlink()
    view = look(story.desk)
    assert (view.place(other), view.task_file(other), view.identifier(other)) == (None, None, other)


def test_submitted_drops(story: Story) -> None:
    taken = story.receive("a.txt")
    waiting = "20261120-195331-later-abcdef"
    for name in (waiting, look(story.desk).identifier(taken), ".20261120-195331-x-abcdeg.partial", "rubbish"):
        (story.desk.dropped / name).mkdir(parents=True)
    assert look(story.desk).submitted() == [waiting]


def test_a_log_that_makes_no_sense_is_refused_by_name(story: Story) -> None:
    story.receive("a.txt")
    (segment,) = story.desk.audit.glob("audit_*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(lines[0] + b"x" * (len(lines[1]) - 1) + b"\n")
    with pytest.raises(IntegrityError, match="line 2") as caught:
        look(story.desk)
    assert caught.value.exit_code == 4 and "audit verify" in str(caught.value.hint)


def test_looking_changes_nothing(story: Story) -> None:
    key = story.receive("a.txt")
    before = {path: path.stat().st_mtime_ns for path in story.desk.root.rglob("*")}
    look(story.desk).records(key)
    assert {path: path.stat().st_mtime_ns for path in story.desk.root.rglob("*")} == before
