"""Reading approvals/: what counts as an answer, what is reported, what is waited for."""

from __future__ import annotations

import hashlib

import pytest
from msgspec.structs import replace

from deskhand.core.names import key_of
from deskhand.core.state import State
from deskhand.core.task import Task
from deskhand.core.tasks import Tasks
from deskhand.engine.gestures import HALF_WRITTEN, Answered, Deleted, Edited, Foreign, Gesture, Gestures, Ignored
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.queue_folders import QueueFolders
from deskhand.store.requests import Requests

ID = "20261120-195331-letter-abcdef"
KEY = key_of(ID)
ASKED = b'{"question": "Run it?"}\n'
HASH = "0" * 64


def waiting(state: State = State.WAITING) -> Task:
    """A task that asks."""
    digest = hashlib.sha256(ASKED).hexdigest()
    return Task(
        key=KEY, state=state, tn=2, seq=5, first_seq=4, since=1.0, received=1.0,
        task_sha256=HASH, input_sha256=HASH, digest=digest, revision=1,
    )  # fmt: skip


class Folder:
    """approvals/ of a small desk with one question in it."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.folders = QueueFolders(Files(), desk)
        self.folders.ensure()
        self.gestures = Gestures(self.folders, Requests(Files(), desk))
        self.put(f"{ID}.json", ASKED)
        self.tasks = Tasks()
        self.tasks[KEY] = waiting()

    def put(self, name: str, data: bytes) -> None:
        """Put a file into approvals/."""
        (self.desk.approvals / name).write_bytes(data)

    def rename(self, ending: str) -> None:
        """What a person does."""
        (self.desk.approvals / f"{ID}.json").rename(self.desk.approvals / f"{ID}.{ending}")

    def look(self, mono: float = 0.0) -> list[Gesture]:
        """Read it once."""
        return self.gestures.look(self.tasks, lambda key: key in self.tasks, mono, 1e9)


@pytest.fixture
def folder(desk: Desk) -> Folder:
    return Folder(desk)


@pytest.mark.parametrize(
    ("ending", "verdict"),
    [
        ("json.approved", "approved"),
        ("approved.json", "approved"),
        ("json.rejected", "rejected"),
        ("rejected.json", "rejected"),
        ("json.happened", "happened"),
    ],
)
def test_a_rename_is_an_answer_to_exactly_what_was_asked(folder: Folder, ending: str, verdict: str) -> None:
    folder.rename(ending)
    (answer,) = folder.look()
    assert isinstance(answer, Answered)
    assert (answer.verdict, answer.digest) == (verdict, hashlib.sha256(ASKED).hexdigest())
    assert (answer.actor.kind, answer.actor.via) == ("person", "rename")


def test_a_question_that_nobody_answered_is_nothing(folder: Folder) -> None:
    assert folder.look() == []


def test_f37_both_suffixes_mean_no(folder: Folder) -> None:
    folder.rename("json.approved")
    folder.put(f"{ID}.json.rejected", ASKED)
    (answer,) = folder.look()
    assert isinstance(answer, Answered)
    assert answer.verdict == "rejected"


def test_f38_an_edited_request_is_no_approval(folder: Folder) -> None:
    folder.put(f"{ID}.json", ASKED.replace(b"Run", b"Skip"))
    folder.rename("json.approved")
    assert folder.look(mono=10.0) == []
    assert folder.gestures.unclear
    (edited,) = folder.look(mono=10.0 + HALF_WRITTEN)
    assert isinstance(edited, Edited)
    assert b"Skip" in edited.data


def test_a_copy_under_way_is_waited_for(folder: Folder) -> None:
    folder.put(f"{ID}.json.approved", ASKED[:5])
    assert folder.look(mono=1.0) == []
    folder.put(f"{ID}.json.approved", ASKED)
    (answer,) = folder.look(mono=1.5)
    assert isinstance(answer, Answered)
    assert not folder.gestures.unclear


def test_no_needs_no_proof_of_what_was_read(folder: Folder) -> None:
    folder.put(f"{ID}.json", b"whatever")
    folder.rename("json.rejected")
    (answer,) = folder.look()
    assert isinstance(answer, Answered)
    assert answer.digest == hashlib.sha256(ASKED).hexdigest()


@pytest.mark.parametrize("name", [f"{ID}.json.approved.txt", f"{ID}.json.APPROVED", "approved.txt"])
def test_f41_a_misspelled_answer_is_reported_once(folder: Folder, name: str) -> None:
    folder.put(name, ASKED)
    (ignored,) = folder.look()
    assert isinstance(ignored, Ignored)
    assert ".json.approved" in ignored.reason
    assert folder.look() == []


def test_f41_an_answer_to_nothing_is_reported_once(folder: Folder) -> None:
    folder.put("20250101-000000-old-zzzzzz.json.approved", ASKED)
    (ignored,) = folder.look()
    assert isinstance(ignored, Ignored)
    assert folder.look() == []


def test_f41_a_renamed_task_file_is_put_back(folder: Folder) -> None:
    folder.put(f"{ID}.task.json.approved", b"{}")
    (ignored,) = folder.look()
    assert isinstance(ignored, Ignored)
    assert ignored.put_back == f"{ID}.task.json"


def test_f42_a_deleted_request_is_noticed(folder: Folder) -> None:
    (folder.desk.approvals / f"{ID}.json").unlink()
    assert folder.look() == [Deleted(KEY)]


def test_f34_files_of_unknown_tasks_are_foreign(folder: Folder) -> None:
    folder.put("20250101-000000-forged-zzzzzz.task.json", b"{}")
    folder.put("20250101-000000-forged-zzzzzz.json", b"{}")
    folder.put("shopping list.txt", b"")
    assert {each.name for each in folder.look() if isinstance(each, Foreign)} == {
        "20250101-000000-forged-zzzzzz.task.json",
        "20250101-000000-forged-zzzzzz.json",
        "shopping list.txt",
    }


def test_f23_a_link_in_place_of_a_request_is_never_followed(folder: Folder) -> None:
    secret = folder.desk.root / "secret"
    secret.write_bytes(ASKED)
    (folder.desk.approvals / f"{ID}.json").unlink()
    (folder.desk.approvals / f"{ID}.json.approved").symlink_to(secret)
    assert folder.look(mono=0.0) == []
    assert isinstance(folder.look(mono=HALF_WRITTEN)[0], Edited)


def test_an_answer_to_an_answered_question_has_no_effect(folder: Folder) -> None:
    folder.tasks[KEY] = replace(waiting(), state=State.STARTED, digest=None)
    folder.rename("json.approved")
    (ignored,) = folder.look()
    assert isinstance(ignored, Ignored)
    assert "started" in ignored.reason


def test_it_looks_again_while_the_time_stamp_could_hide_a_change(desk: Desk) -> None:
    folder = Folder(desk)
    modified = folder.folders.modified("approvals") / 1e9
    folder.gestures.look(folder.tasks, lambda key: True, 0.0, modified + 0.01)
    assert folder.gestures.changed()
    folder.gestures.look(folder.tasks, lambda key: True, 0.0, modified + 10.0)
    assert not folder.gestures.changed()
