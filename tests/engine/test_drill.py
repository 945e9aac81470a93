"""A drill fails with a backup that is no desk, and with one whose finished work is not what is on record."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from deskhand.engine import drill as drills
from deskhand.engine.clock import SystemClock
from deskhand.engine.drill import Drilled, Place, drill
from deskhand.host.found import init
from deskhand.store.archive_check import Verified
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.restore_folder import Unpacked, restore_to
from tests.support import archives
from tests.support.inside import inside

NAME = "backup_2026-09-21_12-26-40.zip"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk with one finished task."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = init(tmp_path / "desk")[0]
    with inside(made.root) as opened:
        key = opened.drop(name="done.txt")
        opened.until_state(key, "completed")
        opened.until(lambda: key not in opened.engine.ledger.ended)
    return made


def drilled(desk: Desk) -> Drilled:
    path = archives.back_up(desk, desk.root.parent / NAME)
    return drill(Files(), Place("desk", path.parent, (NAME,)), clock=SystemClock(), dice=random.Random(1))


def test_a_desk_whose_finished_work_is_changed_is_no_proof(desk: Desk) -> None:
    assert drilled(desk).backups[0].canary is not None
    (payload,) = desk.folder("completed").rglob("*.in.txt")
    payload.chmod(0o600)
    payload.write_bytes(b"something else\n")
    found = drilled(desk)
    assert not found.ok and "the input of a finished task is not the one on record" in str(found.reason)


def test_a_desk_that_knows_other_tasks_is_no_proof(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with inside(desk.root) as opened:
        opened._drops = 5
        key = opened.drop(name="odd.txt", recipe="nosuch")
        opened.until_state(key, "parked")
    assert drilled(desk).ok
    real, other = restore_to, "20260101-000000-zzzzzz"

    def claiming(*keys: str) -> Callable[..., Unpacked]:
        def restored(*args: Any) -> Unpacked:
            made = real(*args)
            return replace(made, tasks=dict.fromkeys(keys, made.tasks[key]))

        return restored

    for keys, reason in (((key, other), f"does not know {other}"), ((), f"invents {key}")):
        monkeypatch.setattr(drills, "restore_to", claiming(*keys))
        found = drilled(desk)
        assert not found.ok and reason in str(found.reason)


def test_damage_is_done_and_has_to_be_found(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [(one.what.split(" (")[0].split(" at ")[0], one.found) for one in drilled(desk).damaged] == [
        ("a flipped byte", True),
        ("an end cut off", True),
    ]
    monkeypatch.setattr(drills, "verify_file", lambda path: Verified(True, path, 0, 0, 0, 0, ()))
    found = drilled(desk)
    assert not found.ok and "was not noticed" in str(found.reason)
