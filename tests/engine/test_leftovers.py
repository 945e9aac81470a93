"""What handlers leave behind, and results that cannot be kept or delivered: none of it wedges a task or the daemon."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from deskhand.core.state import State
from deskhand.core.task import Task
from deskhand.engine.outcome import Finished
from deskhand.engine.runs import Runs
from deskhand.host.found import init
from deskhand.store.files import StrPath
from deskhand.testing.faulty_files import FaultyFiles
from tests.support import invariants
from tests.support.desk import recipe
from tests.support.inside import PERSON, Inside, inside


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A fresh desk."""
    init(tmp_path / "desk")
    return tmp_path / "desk"


def shell(script: str, **more: object) -> str:
    """A recipe that runs *script* with the output folder as ``$1``."""
    return recipe("leaves", "command", argv=["sh", "-c", script, "sh", "{output_dir}"], **more)


def failure(desk: Inside, key: str) -> str:
    """Why a task failed."""
    (reason,) = [record.fields["reason"] for record in desk.records("task.failed") if record.fields["task"] == key]
    return str(reason)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ('ln -s /etc/hostname "$1/x"', "the result holds a link"),
        ('mkdir "$1/sub"; ln -s nowhere "$1/sub/x"', "the result holds a link"),
        ('mkfifo "$1/x"', "the result holds a pipe, socket or device"),
        ("mkdir log", "its own `log` is no plain file"),
        ("mkfifo log", "its own `log` is no plain file"),
        ("ln -s /etc/hostname log", "its own `log` is no plain file"),
        ('rmdir "$1"; echo x > "$1"', "in place of the output folder"),
        ('rmdir "$1"; ln -s /etc "$1"', "in place of the output folder"),
        ('d="$1"; for i in $(seq 110); do d="$d/x"; done; mkdir -p "$d"', "levels of folders"),
    ],
)
def test_what_cannot_be_kept_fails_the_attempt_and_leaves_nothing(root: Path, script: str, reason: str) -> None:
    with inside(root) as desk:
        desk.bless(shell(script), "leaves")
        key = desk.drop(recipe="leaves")
        assert desk.until_state(key, State.FAILED, State.COMPLETED) == State.FAILED
        assert reason in failure(desk, key)
        assert not desk.session.parts.runs.busy
    invariants.check(root)


def test_an_output_folder_that_was_removed_is_an_empty_one(root: Path) -> None:
    with inside(root) as desk:
        desk.bless(shell('rmdir "$1"'), "leaves")
        key = desk.drop(recipe="leaves")
        assert desk.until_state(key, State.FAILED, State.COMPLETED, State.LOST) == State.COMPLETED
        desk.until(lambda: desk.engine.idle)
    invariants.check(root)


def test_a_failed_attempt_keeps_its_own_reason(root: Path) -> None:
    with inside(root) as desk:
        desk.bless(shell("mkdir log; exit 3"), "leaves")
        key = desk.drop(recipe="leaves")
        desk.until_state(key, State.FAILED)
        assert failure(desk, key) == "exit status 3"


def test_leftovers_that_cannot_be_removed_are_a_warning_at_the_start(root: Path) -> None:
    with inside(root) as desk:
        work = desk.desk.work
    (work / "old-1").mkdir()

    def stubborn(operation: str, path: StrPath | int) -> bool:
        return operation == "rmtree" and str(path).endswith("old-1")

    with inside(root, FaultyFiles(1, errno.EPERM, only=stubborn)) as desk:
        assert "what an attempt left cannot be removed" in desk.log.events("warning")
    with inside(root):
        assert not (work / "old-1").exists()


class Refusing(FaultyFiles):
    """A disk that refuses what is to be written where *where* says, as long as it says so."""

    def __init__(self) -> None:
        super().__init__()
        self.where = "never"

    def before(self, operation: str, path: StrPath | int) -> None:
        """Refuse."""
        if self.where in str(path):
            raise OSError(errno.ENOSPC, "no space left on device")


def running(desk: Inside, key: str) -> Task:
    """Tick until an attempt is under way."""
    desk.until_state(key, State.STARTED)
    desk.until(lambda: desk.session.parts.runs.keys())
    task = desk.task(key)
    assert task is not None
    return task


def test_f48_a_question_that_the_full_disk_refused_is_asked_when_there_is_room(root: Path) -> None:
    files = Refusing()
    with inside(root, files) as desk:
        desk.bless(recipe("once", "command", argv=["sleep", "60"]), "once")
        key = desk.drop(recipe="once")
        running(desk, key)
        files.where = ".requests"
        desk.session.parts.runs.stop(key, "drain", force=True)
        desk.until(lambda: "the disk refuses something" in desk.log.events("warning"))
        assert desk.session.parts.runs.busy
        assert not desk.engine.idle
        files.where = "never"
        assert desk.until_state(key, State.IN_DOUBT)
        assert not desk.session.parts.runs.busy
    invariants.check(root)


def test_f48_results_that_the_full_disk_refused_are_kept_when_there_is_room(root: Path) -> None:
    files = Refusing()
    with inside(root, files) as desk:
        desk.bless(shell('echo x > "$1/x"'), "leaves")
        files.where = ".out"
        key = desk.drop(recipe="leaves")
        desk.until(lambda: desk.session.parts.runs._unfinished.qsize())
        assert desk.engine.ledger.tasks[key].state is State.STARTED
        files.where = "never"
        desk.session.parts.runs.retry()
        assert desk.until_state(key, State.COMPLETED)
    invariants.check(root)


@pytest.mark.parametrize(
    ("result", "idempotent"), [("failed", False), ("unready", False), ("cut", True), ("drained", True)]
)
def test_what_a_person_wanted_stopped_does_not_run_again(root: Path, result: str, idempotent: bool) -> None:
    """The attempt ends by itself, just before it would have been stopped."""
    with inside(root) as desk:
        text = recipe("once", "command", argv=["sleep", "60"], idempotent=idempotent, retry={"attempts": 5})
        desk.bless(text, "once")
        key = desk.drop(recipe="once")
        task = running(desk, key)
        outcomes = desk.session.parts.outcomes
        outcomes.cancelled_by[key] = (PERSON, "not needed any more")
        outcomes.finished(Finished(key, task.attempt, result, "by itself"), desk.session.clock.wall())  # type: ignore[arg-type]
        assert desk.until_state(key, State.CANCELLED)
        (record,) = desk.records("task.cancelled")
        assert record.fields["reason"] == "not needed any more"
        assert record.fields["actor"]["kind"] == "person"
        assert outcomes.cancelled_by == {}


# -- deliveries ------------------------------------------------------------------------------------------------


def undelivered(desk: Inside, key: str) -> str:
    """Tick until a delivery was tried and did not work; the id of the task's files."""
    desk.until(lambda: "results cannot be delivered" in desk.log.events("error"))
    task = desk.task(key)
    assert task is not None
    assert task.undelivered
    return desk.session.parts.placement.identifier(key)


def given_up(desk: Inside, key: str) -> str:
    """Tick until there will be no delivery; why."""
    desk.until(lambda: desk.task(key) is None and desk.records("task.delivered"))
    (record,) = desk.records("task.delivered")
    assert record.fields["targets"] == []
    assert "results will not be delivered" in desk.log.events("error")
    return str(record.fields["problem"])


@pytest.mark.parametrize("kind", ["keep", "command"])
def test_what_was_swapped_after_the_run_is_not_delivered(root: Path, kind: str) -> None:
    outbox = root / "outbox"
    outbox.write_text("in the way")
    text = recipe("hand", "keep", deliver="outbox/{name}")
    if kind == "command":
        text = shell('echo right > "$1/a"; echo right > "$1/b"', deliver="outbox/{name}").replace("leaves", "hand", 1)
    with inside(root) as desk:
        desk.bless(text, "hand")
        key = desk.drop(recipe="hand")
        identifier = undelivered(desk, key)
        pending = desk.desk.folder("pending")
        swapped = pending / f"{identifier}.in.txt" if kind == "keep" else pending / f"{identifier}.out" / "b"
        swapped.chmod(0o600)
        swapped.write_text("wrong")
        outbox.unlink()
        desk.engine.go_on_delivering()
        assert given_up(desk, key) == "the result is not what was recorded"
        assert not outbox.exists()
        assert (desk.desk.folder("completed") / swapped.relative_to(pending)).read_text() == "wrong"


@pytest.mark.parametrize("change", ["one more", "one swapped"])
def test_more_results_than_are_listed_are_checked_as_a_whole(root: Path, change: str) -> None:
    outbox = root / "outbox"
    outbox.write_text("in the way")
    with inside(root) as desk:
        desk.bless(shell('for i in $(seq 60); do echo $i > "$1/$i"; done', deliver="outbox/{name}"), "leaves")
        key = desk.drop(recipe="leaves")
        identifier = undelivered(desk, key)
        out = desk.desk.folder("pending") / f"{identifier}.out"
        (out / ("x" if change == "one more" else "7")).write_text("wrong")
        outbox.unlink()
        desk.engine.go_on_delivering()
        assert given_up(desk, key) == "the results are not what was recorded"


def test_what_is_on_record_survives_a_restart(root: Path) -> None:
    outbox = root / "outbox"
    outbox.write_text("in the way")
    with inside(root) as desk:
        desk.bless(shell('echo right > "$1/a"', deliver="outbox/{name}"), "leaves")
        key = desk.drop(recipe="leaves")
        undelivered(desk, key)
    outbox.unlink()
    with inside(root) as desk:
        desk.until(lambda: desk.task(key) is None)
        (record,) = desk.records("task.delivered")
        assert len(record.fields["targets"]) == 1
        assert "problem" not in record.fields
    assert (outbox / "a").read_text() == "right\n"
    invariants.check(root)


def test_a_path_that_can_never_work_ends_the_delivery(root: Path, tmp_path: Path) -> None:
    (root / "outbox").symlink_to(tmp_path)
    with inside(root) as desk:
        desk.bless(recipe("hand", "keep", deliver="outbox/{name}"), "hand")
        key = desk.drop(recipe="hand")
        assert "a link leads out of the desk" in given_up(desk, key)
        desk.until(lambda: desk.engine.idle)
    (task,) = invariants.check(root)
    assert task.state is State.COMPLETED
    assert "a link leads out" in (task.reason or "")


def test_a_delivery_that_is_tried_later_does_not_keep_the_daemon_busy(root: Path) -> None:
    (root / "outbox").write_text("in the way")
    with inside(root) as desk:
        desk.bless(recipe("hand", "keep", deliver="outbox/{name}"), "hand")
        key = desk.drop(recipe="hand")
        undelivered(desk, key)
        desk.until(lambda: desk.engine.idle)
        task = desk.task(key)
        assert task is not None
        assert task.undelivered


def test_a_defect_in_a_delivery_is_reported(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(*_: object) -> None:
        raise TypeError("a defect")

    monkeypatch.setattr("deskhand.engine.work.deliver", defect)
    with inside(root) as desk:
        desk.bless(recipe("hand", "keep", deliver="outbox/{name}"), "hand")
        undelivered(desk, desk.drop(recipe="hand"))
        assert not desk.session.parts.runs.busy


def test_the_pool_is_not_waited_for_when_told_to_hurry(root: Path) -> None:
    read, write = os.pipe()
    with inside(root) as desk:
        runs: Runs = desk.session.parts.runs
        runs._pool.submit(os.read, read, 1)
        runs.hurry(0.05)
    assert runs.stuck
    os.write(write, b"x")
    for thread in runs._threads():
        thread.join(5.0)
    assert not runs.stuck
    os.close(read)
    os.close(write)
