"""Tasks whose files are not those on record: not run, and somebody is told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from deskhand.core.state import State
from deskhand.errors import IntegrityError
from deskhand.host.found import init
from tests.support.desk import recipe
from tests.support.inside import Inside, inside


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A fresh desk."""
    init(tmp_path / "desk")
    return tmp_path / "desk"


def ticks(desk: Inside) -> None:
    """Do what can be done now."""
    for _ in range(3):
        desk.session.parts.notice.give_quietly()
        desk.engine.scan_everything()
        desk.engine.tick()


def later(desk: Inside) -> str:
    """A task that is not started yet."""
    desk.bless(recipe("file", "keep"), "file")
    key = desk.drop(recipe="file", not_before=desk.session.clock.wall() + 3600)
    desk.until_state(key, State.READY)
    return key


@pytest.mark.parametrize("kind", ["keep", "command"])
def test_f44_an_input_that_changed_after_the_yes_is_asked_about_again(root: Path, kind: str) -> None:
    with inside(root) as desk:
        more = {"argv": ["true"]} if kind == "command" else {}
        desk.bless(recipe("it", kind, approval="required", **more), "it")
        key = desk.drop(b"dear you\n", recipe="it")
        desk.until_state(key, State.WAITING)
        task = desk.task(key)
        assert task is not None
        (payload,) = desk.desk.approvals.glob("*.in.txt")
        payload.chmod(0o600)
        payload.write_bytes(b"dear Eve\n")
        desk.command("approve", key=key, digest=task.digest)
        found = desk.task(key)
        for _ in range(40):
            ticks(desk)
            found = desk.task(key)
            if found is None or (found.state is State.WAITING and found.revision == 2):
                break
            desk._bell.wait(0.01)
        assert found is not None and found.state is State.WAITING and found.revision == 2


def test_an_input_that_is_gone_is_a_task_that_is_lost(root: Path) -> None:
    with inside(root) as desk:
        key = later(desk)
        (payload,) = desk.desk.folder("pending").glob("*.in.txt")
        payload.unlink()
        ticks(desk)
        assert desk.task(key) is None and desk.engine.ledger.outcomes[key] == State.LOST


def test_f51_tasks_without_a_log_are_refused(root: Path) -> None:
    with inside(root) as desk:
        later(desk)
    for path in desk.desk.audit.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(IntegrityError, match="unfinished tasks but no audit log"), inside(root):
        pytest.fail("it was opened")


def test_f38_an_edited_request_is_no_yes(root: Path) -> None:
    with inside(root) as desk:
        key = desk.drop(b"dear you\n", recipe="hand-over")
        desk.until_state(key, State.WAITING)
        (request,) = [path for path in desk.desk.approvals.glob("*.json") if not path.name.endswith(".task.json")]
        request.write_bytes(request.read_bytes() + b" ")
        request.rename(f"{request}.approved")
        ticks(desk)
        task = desk.task(key)
        assert task is not None and task.state is State.WAITING
