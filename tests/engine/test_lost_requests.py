"""Requests and answers that are not what they were: lost, half asked again, folders with an answer's name."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from deskhand.core.state import State
from deskhand.engine.gestures import Gesture
from deskhand.host.found import init
from tests.support import invariants
from tests.support.desk import recipe
from tests.support.inside import Inside, inside


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A fresh desk."""
    init(tmp_path / "desk")
    return tmp_path / "desk"


def ask(desk: Inside, name: str = "letter.txt") -> tuple[str, Path]:
    """A task that waits for a yes, and its request."""
    key = desk.drop(name=name, recipe="hand-over")
    desk.until_state(key, State.WAITING)
    request = request_of(desk, key)
    desk.until(request.exists)
    return key, request


def request_of(desk: Inside, key: str) -> Path:
    """Where the request about a task stands."""
    return desk.desk.approvals / f"{desk.session.parts.placement.identifier(key)}.json"


def lose_copies(root: Path) -> None:
    """Empty the hidden folder, as somebody does who tidies up."""
    for path in (root / "queue/.requests").iterdir():
        path.unlink()


def answered(request: Path, word: str = "approved") -> Path:
    """Rename a request as a person does."""
    return request.rename(request.with_name(f"{request.name}.{word}"))


def revision(desk: Inside, key: str) -> int:
    """How often it was asked."""
    task = desk.task(key)
    assert task is not None
    return task.revision


def test_a_crash_before_the_new_question_is_on_record_leaves_the_old_one(root: Path) -> None:
    with inside(root) as desk:
        key, request = ask(desk)
        asked = request.read_bytes()
        desk.session.parts.placement._requests.prepare(request.stem, asked + b"\n")
    request.unlink()
    with inside(root) as desk:
        assert request.read_bytes() == asked
        answered(request)
        desk.engine.scan_everything()
        assert desk.until_state(key, State.COMPLETED)
    invariants.check(root)


def test_without_its_copies_a_request_that_stands_there_is_enough(root: Path) -> None:
    with inside(root) as desk:
        key, request = ask(desk)
        asked = request.read_bytes()
    lose_copies(root)
    with inside(root) as desk:
        desk.engine.tick()
        request.unlink()
        desk.engine.scan_everything()
        desk.until(request.exists)
        assert (request.read_bytes(), revision(desk, key)) == (asked, 1)


def test_a_request_lost_while_no_daemon_ran_is_asked_again(root: Path) -> None:
    with inside(root) as desk:
        key, request = ask(desk)
        old = request.read_bytes()
    lose_copies(root)
    request.unlink()
    with inside(root) as desk:
        desk.until(request.exists)
        assert revision(desk, key) == 2
        assert desk.records("task.waiting")[-1].fields["reason"] == "its request was lost"
        new = request.read_bytes()
        request.write_bytes(old)
        answered(request)
        desk.engine.scan_everything()
        desk.engine.tick()
        assert desk.engine.ledger.tasks[key].state is State.WAITING  # the old question cannot be answered any more
        request.with_name(f"{request.name}.approved").write_bytes(new)
        desk.engine.scan_everything()
        assert desk.until_state(key, State.COMPLETED)
    invariants.check(root)


def test_an_edited_request_without_its_copy_is_asked_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deskhand.engine.gestures.HALF_WRITTEN", 0.05)
    with inside(root) as desk:
        key, request = ask(desk)
        lose_copies(root)
        request.write_bytes(request.read_bytes().replace(b"Run", b"Skip") + b" ")
        renamed = answered(request)
        desk.engine.scan_everything()
        desk.until(lambda: revision(desk, key) == 2 and request.exists())
        assert not renamed.exists()


def test_a_request_lost_beside_a_running_daemon_is_asked_again(root: Path) -> None:
    with inside(root) as desk:
        key, request = ask(desk)
        lose_copies(root)
        request.unlink()
        desk.engine.scan_everything()
        desk.until(lambda: revision(desk, key) == 2 and request.exists())
        assert desk.records("foreign.restored") == []


def test_a_lost_question_about_a_run_in_doubt_stays_one(root: Path) -> None:
    with inside(root) as desk:
        desk.bless(recipe("once", "command", argv=["sleep", "60"]), "once")
        key = desk.drop(recipe="once")
        desk.until_state(key, State.STARTED)
        desk.until(lambda: desk.session.parts.runs.keys())
        desk.session.parts.runs.stop(key, "drain", force=True)
        desk.until_state(key, State.IN_DOUBT)
        request = request_of(desk, key)
        desk.until(request.exists)
    lose_copies(root)
    request.unlink()
    with inside(root) as desk:
        desk.until(request.exists)
        assert desk.engine.ledger.tasks[key].state is State.IN_DOUBT
        answered(request, "happened")
        desk.engine.scan_everything()
        assert desk.until_state(key, State.COMPLETED)
    invariants.check(root)


@pytest.mark.parametrize("word", ["approved", "rejected"])
def test_a_folder_named_like_an_answer_is_foreign_and_holds_up_no_answer(root: Path, word: str) -> None:
    with inside(root) as desk:
        key, request = ask(desk)
        other, second = ask(desk, "other.txt")
        request.with_name(f"{request.name}.{word}").mkdir()
        answered(second)
        desk.engine.scan_everything()
        assert desk.until_state(other, State.COMPLETED)
        assert list(desk.desk.folder("failed").glob(f"*.{word}.foreign"))
        assert desk.engine.ledger.tasks[key].state is State.WAITING
        assert len(desk.records("foreign.found")) == 1


def test_a_folder_in_place_of_the_request_gives_way_to_it(root: Path) -> None:
    with inside(root) as desk:
        _, request = ask(desk)
        request.unlink()
        request.mkdir()
    with inside(root) as desk:
        desk.engine.scan_everything()
        assert desk.until(request.is_file)


def test_one_answer_that_the_disk_refuses_holds_up_no_other(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with inside(root) as desk:
        keys = dict(ask(desk, f"{name}.txt") for name in "abc")
        answers = desk.session.parts.answers
        handle, refused = answers.handle, next(iter(keys))

        def failing(gesture: Gesture, now: float) -> None:
            if getattr(gesture, "key", None) == refused:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            handle(gesture, now)

        monkeypatch.setattr(answers, "handle", failing)
        for request in keys.values():
            answered(request)
        desk.engine.scan_everything()
        for key in list(keys)[1:]:
            assert desk.until_state(key, State.COMPLETED)
        monkeypatch.setattr(answers, "handle", handle)
        desk.engine.scan_everything()
        assert desk.until_state(refused, State.COMPLETED)
