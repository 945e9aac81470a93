"""Approving, rejecting, cancelling and retrying, here without a daemon: the command does it itself."""

from __future__ import annotations

import pytest

from deskhand.cli import approve

from .conftest import Console


@pytest.fixture
def letter(console: Console) -> str:
    """The id of a task that waits for an answer."""
    return console.drop("letter.txt", b"dear\n", "--recipe", "hand-over")


def _state(console: Console, identifier: str) -> str:
    return str(console.json("task", "show", identifier)["task"]["state"])


def test_approvals_lists_questions(console: Console, letter: str) -> None:
    (found,) = console.json("approvals")["approvals"]
    assert (found["id"], found["standing"], found["state"]) == (letter, "asked", "waiting")
    text = console("approvals").output
    assert "Run hand-over on letter.txt?" in text and f"deskhand approve {letter[-6:]}" in text


def test_nothing_to_answer(console: Console) -> None:
    assert console("approvals").output == "nothing waits for an answer\n"
    assert console("approve").output == "nothing waits for an answer\n"
    assert console.json("approvals")["approvals"] == []


def test_approve_shows_the_whole_request_and_approves_exactly_that(console: Console, letter: str) -> None:
    digest = console.json("approvals")["approvals"][0]["digest"]
    output = console("approve", letter[-6:]).output
    assert "what will happen: " in output and digest not in output and f"{letter}: approved" in output
    console.work_off()
    assert _state(console, letter) == "completed"
    (approved,) = [r for r in console.json("task", "trace", letter)["records"] if r["type"] == "task.approved"]
    assert approved["digest"] == digest and approved["actor"]["via"] == "command"
    assert (console.desk.root / "outbox" / "letter.txt").read_bytes() == b"dear\n"


def test_approve_without_an_id_and_without_a_terminal_only_lists(console: Console, letter: str) -> None:
    assert "Run hand-over" in console("approve", code=3).output
    assert _state(console, letter) == "waiting"
    assert "need an ID" in console("approve", "--yes", code=2).stderr


def test_an_edited_request_is_not_approved(console: Console, letter: str) -> None:
    request = console.desk.approvals / f"{letter}.json"
    request.write_bytes(request.read_bytes().replace(b"hand-over", b"hand-ovre"))
    assert console.json("approvals")["approvals"][0]["standing"] == "edited"
    error = console("approve", letter, code=4).stderr
    assert "edited" in error and "not what was asked" in error
    assert _state(console, letter) == "waiting"


def test_a_missing_request_is_not_approved(console: Console, letter: str) -> None:
    (console.desk.approvals / f"{letter}.json").unlink()
    assert "not there" in console("approve", letter, code=3).stderr


@pytest.mark.parametrize(
    ("answers", "said", "code"),
    [
        ("y\nn\nno thanks\ns\n", [["approved"], ["rejected"], []], 3),
        ("s\nq\n", [[], [], []], 3),
        ("y\ny\ny\n", [["approved"], ["approved"], ["approved"]], 0),
        ("x\ny\ny\ny\n", [["approved"], ["approved"], ["approved"]], 0),
    ],
)
def test_the_walk(
    console: Console, answers: str, said: list[list[str]], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [console.drop(f"{name}.txt", name.encode(), "--recipe", "hand-over") for name in ("one", "two", "three")]
    monkeypatch.setattr(approve, "interactive", lambda: True)
    result = console("approve", code=code, answers=answers)
    assert "1 of 3" in result.output and "Run hand-over on one.txt?" in result.output
    assert [console.answers(identifier) for identifier in ids] == said


def test_a_named_request_is_confirmed_on_a_terminal(
    console: Console, letter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approve, "interactive", lambda: True)
    assert "not answered" in console("approve", letter, code=3, answers="n\n").output
    assert _state(console, letter) == "waiting"
    console("approve", letter, "--yes")
    assert console.answers(letter) == ["approved"]


def test_reject_needs_a_reason_and_records_it(console: Console, letter: str) -> None:
    assert "--reason" in console("reject", letter, code=2).stderr
    assert console("reject", letter, "--reason", "not today").output == f"{letter}: rejected\n"
    shown = console.json("task", "show", letter)["task"]
    assert (shown["state"], shown["reason"], shown["folder"]) == ("rejected", "not today", "queue/rejected")


def test_happened_is_only_for_tasks_in_doubt(console: Console, letter: str) -> None:
    assert "never started" in console("approve", letter, "--happened", code=3).stderr


def test_only_waiting_tasks_can_be_answered(console: Console, letter: str) -> None:
    done = console.drop("notes.txt", b"milk\n")
    assert "no waiting task" in console("approve", done, code=2).stderr
    console("approve", "@last")
    assert console.answers(letter) == ["approved"]


def test_cancel_waits_for_the_end(console: Console, letter: str) -> None:
    data = console.json("task", "cancel", letter, "--reason", "enough")
    assert (data["id"], data["state"]) == (letter, "cancelled")
    assert "no unfinished task" in console("task", "cancel", letter, code=2).stderr


def test_retry_of_a_finished_task_is_a_new_one(console: Console, letter: str) -> None:
    console("reject", letter, "--reason", "no")
    new = console.json("task", "retry", letter)
    assert new["retry_of"] == letter and new["daemon"] is False
    console.work_off()
    shown = console.json("task", "show", new["id"])["task"]
    assert (shown["state"], shown["retry_of"], shown["inbox"], shown["name"]) == (
        "waiting",
        letter,
        "retry",
        "letter.txt",
    )
    assert _state(console, letter) == "rejected"


def test_retry_of_a_parked_task_looks_again(console: Console) -> None:
    parked = console.drop("a.txt", b"a", "--recipe", "shout")
    assert f"{parked}: parked" in console("task", "retry", parked).output
    console("recipe", "new", "shout", "--kind", "keep")
    console("recipe", "bless", "shout")
    if _state(console, parked) == "parked":
        console("task", "retry", parked)
    assert _state(console, parked) == "waiting"


def test_retry_says_when_the_files_are_gone(console: Console) -> None:
    done = console.drop("a.txt", b"a")
    console.erase(done, "completed")
    assert "its files are gone" in console("task", "retry", done[-6:], code=2).stderr


def test_pause_and_resume(console: Console) -> None:
    assert console.json("pause") == {"schema": 1, "paused": "all", "daemon": False}
    assert console.json("status")["paused"] == "all"
    assert "no daemon runs" in console("resume").output
    assert console.json("status")["paused"] == "no"
    assert console.json("pause", "--drain")["paused"] == "intake"
