"""What strays are, and what they are not."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from deskhand.core.state import State
from deskhand.core.task import Task
from deskhand.engine.strays import name_part
from deskhand.host.found import init
from tests.support.desk import recipe
from tests.support.inside import Inside, inside


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A fresh desk."""
    init(tmp_path / "desk")
    return tmp_path / "desk"


def look(desk: Inside) -> None:
    """Change the folder, and let strays be looked for."""
    (desk.desk.folder("pending") / f"stranger-{os.urandom(4).hex()}").write_text("x")
    desk.engine.scan_everything()
    desk.engine.tick()


def test_results_that_wait_for_their_place_were_moved_by_nobody(root: Path) -> None:
    with inside(root) as desk:
        (root / "letters").mkdir(mode=0o700)
        desk.bless(recipe("file", "keep", deliver="letters/{name}"), "file")
        key = desk.drop(recipe="file", not_before=desk.session.clock.wall() + 0.2)
        desk.until_state(key, State.READY)
        runs = desk.session.parts.runs
        runs.deliver = lambda task, identifier: None  # type: ignore[method-assign]
        desk.until(lambda: (task := desk.task(key)) is not None and task.undelivered)
        for _ in range(3):
            look(desk)
        assert len(desk.records("foreign.found")) >= 1
        assert desk.records("foreign.restored") == []


def test_one_task_that_cannot_be_put_back_holds_up_no_other(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with inside(root) as desk:
        desk.bless(recipe("later", "keep"), "later")
        later = desk.session.clock.wall() + 3600
        keys = [desk.drop(name=f"{name}.txt", recipe="later", not_before=later) for name in "ab"]
        for key in keys:
            desk.until_state(key, State.READY)
        pending = desk.desk.folder("pending")
        for path in pending.glob("*.in.txt"):
            path.rename(desk.desk.folder("inbox") / path.name)
        placement = desk.session.parts.placement
        repair = placement.repair

        def failing(task: Task) -> tuple[str, ...]:
            if task.key == keys[0]:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return repair(task)

        monkeypatch.setattr(placement, "repair", failing)
        desk.engine.scan_everything()
        desk.engine.tick()
        assert len(list(pending.glob("*-b-*.in.txt"))) == 1
        monkeypatch.setattr(placement, "repair", repair)
        desk.engine.scan_everything()
        desk.engine.tick()
        assert len(list(pending.glob("*.in.txt"))) == 2


def test_a_name_is_never_spelled_out() -> None:
    assert name_part("20261120-195331-letter-abcdef.in.pdf") == "in"
    assert name_part("ann-lee.pdf") == "unknown"
