"""The engine at work on a real desk, without a daemon around it: order, dependencies, trouble with the disk."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest

from deskhand.core.state import State
from deskhand.engine.work import Job
from deskhand.handlers.attempt import Attempt
from deskhand.host.found import init
from deskhand.store.files import StrPath
from deskhand.testing.faulty_files import FaultyFiles
from tests.support import invariants
from tests.support.desk import recipe
from tests.support.inside import Inside, inside


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A fresh desk."""
    init(tmp_path / "desk")
    return tmp_path / "desk"


def furnish(desk: Inside) -> None:
    """Recipes for the tests: one that does nothing, one that takes long and must not be repeated."""
    desk.bless(recipe("nothing", "keep", idempotent=True), "nothing")
    desk.bless(recipe("once", "command", argv=["sleep", "60"]), "once")


def test_a_drop_becomes_a_note_and_everything_is_on_record(root: Path) -> None:
    with inside(root) as desk:
        key = desk.drop(b"Call Ann.\n", name="call.txt")
        assert desk.until_state(key, State.COMPLETED) == State.COMPLETED
        desk.until(lambda: desk.engine.idle)
    assert "Call Ann." in (root / "vault/Notes/call.md").read_text()
    (task,) = invariants.check(root)
    assert task.state is State.COMPLETED


def test_what_waits_for_a_key_goes_on_when_that_is_completed(root: Path) -> None:
    with inside(root) as desk:
        furnish(desk)
        second = desk.drop(recipe="nothing", after=("first",))
        assert desk.until_state(second, State.BLOCKED)
        first = desk.drop(recipe="nothing", key="first")
        assert desk.until_state(first, State.COMPLETED)
        assert desk.until_state(second, State.COMPLETED)
    invariants.check(root)


def test_what_waits_for_a_task_goes_on_when_a_person_says_that_it_happened(root: Path) -> None:
    with inside(root) as desk:
        furnish(desk)
        first = desk.drop(recipe="once", key="letter")
        second = desk.drop(recipe="nothing", after=("letter",))
        desk.until_state(second, State.BLOCKED)
        desk.until_state(first, State.STARTED)
        desk.until(lambda: desk.session.parts.runs.keys())
        desk.session.parts.runs.stop(first, "drain", force=True)
        desk.until_state(first, State.IN_DOUBT)
        doubt = desk.task(first)
        assert doubt is not None
        desk.command("happened", key=first, digest=doubt.digest)
        assert desk.until_state(second, State.COMPLETED)
    invariants.check(root)


def test_a_dependency_on_a_failed_task_stays_blocked_and_says_why(root: Path) -> None:
    with inside(root) as desk:
        desk.bless(recipe("fails", "command", argv=["false"]), "fails")
        furnish(desk)
        first = desk.drop(recipe="fails", key="bad")
        assert desk.until_state(first, State.FAILED)
        second = desk.drop(recipe="nothing", after=("bad",))
        desk.until_state(second, State.BLOCKED)
        blocked = desk.task(second)
        assert blocked is not None
        assert "failed" in (blocked.reason or "")


def test_a_damaged_task_file_of_a_cut_off_run_does_not_end_the_daemon(root: Path) -> None:
    with inside(root) as desk:
        furnish(desk)
        key = desk.drop(recipe="once")
        desk.until_state(key, State.STARTED)
        desk.until(lambda: desk.session.parts.runs.keys())
        identifier = desk.session.parts.placement.identifier(key)
        path = desk.desk.folder("pending") / f"{identifier}.task.json"
        path.chmod(0o600)
        path.write_text("{}")
        desk.session.parts.runs.stop(key, "drain", force=True)
        assert desk.until_state(key, State.QUARANTINED)


def test_a_passing_error_while_starting_does_not_lose_the_task(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with inside(root) as desk:
        furnish(desk)
        recipes = desk.session.parts.recipes
        get, failures = recipes.get, [OSError(errno.EMFILE, "too many open files")] * 2

        def failing(pin: object) -> object:
            if failures and failing.armed:  # type: ignore[attr-defined]
                raise failures.pop()
            return get(pin)  # type: ignore[arg-type]

        key = desk.drop(recipe="nothing", not_before=desk.session.clock.wall() + 0.3)
        desk.until_state(key, State.READY)
        failing.armed = True  # type: ignore[attr-defined]
        monkeypatch.setattr(recipes, "get", failing)
        assert desk.until_state(key, State.COMPLETED)
        assert failures == []


def test_what_was_about_to_start_does_not_start_after_the_end(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    began, closed = threading.Event(), threading.Event()
    with inside(root) as desk:
        desk.bless(recipe("leaves", "command", argv=["touch", str(root / "ran")]), "leaves")
        runs = desk.session.parts.runs
        begin, close = runs._work.begin, runs._spawner.close

        def slow(job: Job) -> Attempt | None:
            attempt = begin(job)
            began.set()
            assert closed.wait(10.0)
            return attempt

        def closing() -> None:
            close()
            closed.set()

        monkeypatch.setattr(runs._work, "look", lambda job: False)  # as if it were large: a thread prepares it
        monkeypatch.setattr(runs._work, "begin", slow)
        monkeypatch.setattr(runs._spawner, "close", closing)
        key = desk.drop(recipe="leaves")
        desk.until_state(key, State.STARTED)
        assert began.wait(10.0)
    assert not runs._spawner.alive
    assert not (root / "ran").exists()
    with inside(root) as desk:
        assert desk.until_state(key, State.IN_DOUBT)


class Full(FaultyFiles):
    """A disk on which nothing more can be written to the log while *full*."""

    def __init__(self) -> None:
        super().__init__()
        self.full = False

    def before(self, operation: str, path: StrPath | int) -> None:
        """Refuse what the log needs."""
        if self.full and operation == "pwrite":
            raise OSError(errno.ENOSPC, "no space left on device")


def test_f48_with_a_full_disk_everything_waits_and_then_goes_on(root: Path) -> None:
    files = Full()
    with inside(root, files) as desk:
        furnish(desk)
        files.full = True
        key = desk.drop(recipe="nothing")
        desk.until(lambda: desk.engine.ledger.dirty)
        assert not list(desk.desk.folder("completed").glob("*.task.json"))
        files.full = False
        assert desk.until_state(key, State.COMPLETED)
    invariants.check(root)


def test_more_workers_than_inline_attempts(root: Path) -> None:
    """The two limits are independent: many processes leave room for work that starts none, and the other way round."""
    (root / "deskhand.yaml").write_text("schema: 1\nrun:\n  workers: 1\n")
    with inside(root) as desk:
        furnish(desk)
        long = [desk.drop(recipe="once") for _ in range(2)]
        desk.until_state(long[0], State.STARTED)
        quick = desk.drop(recipe="nothing")
        assert desk.until_state(quick, State.COMPLETED)
        waiting = desk.task(long[1])
        assert waiting is not None
        assert waiting.state is State.READY
