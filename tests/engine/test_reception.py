"""First records of drops: by whom, and what becomes of those that no record can describe."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deskhand.core.state import State
from deskhand.engine.reception import Reception
from deskhand.host.found import init
from deskhand.store import drop_file
from tests.support import invariants
from tests.support.inside import Inside, inside

TOO_MANY = tuple(f"k{number}" for number in range(300))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh desk whose intake lets everything pass that the record has no room for."""
    init(tmp_path / "desk")
    monkeypatch.setattr(drop_file, "check_options", lambda options: ())
    return tmp_path / "desk"


def refused(desk: Inside, key: str) -> None:
    """Check that it was received with a reason, and then quarantined with the same."""
    (received,) = [record for record in desk.records("task.received") if record.fields["task"] == key]
    (quarantined,) = [record for record in desk.records("task.quarantined") if record.fields["task"] == key]
    assert "longer than 16384" in received.fields["reason"]
    assert quarantined.fields["reason"] == received.fields["reason"]
    assert {"after", "label", "not_before"}.isdisjoint(received.fields)


def test_a_drop_that_no_record_has_room_for_is_quarantined(root: Path) -> None:
    with inside(root) as desk:
        key = desk.drop(after=TOO_MANY, key="x", not_before=1.0)
        assert desk.until_state(key, State.QUARANTINED)
        refused(desk, key)
        fine = desk.drop()
        assert desk.until_state(fine, State.COMPLETED)
    with inside(root) as desk:
        desk.engine.tick()
    invariants.check(root)


def test_it_is_quarantined_when_only_its_first_record_came_through(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, inside(root) as desk:
        patch.setattr(Reception, "route", lambda *arguments: None)
        key = desk.drop(after=TOO_MANY)
        assert desk.until_state(key, State.RECEIVED)
    with inside(root) as desk:
        assert desk.until_state(key, State.QUARANTINED)
        refused(desk, key)
    invariants.check(root)


def test_who_handed_it_in_is_on_record(root: Path) -> None:
    with inside(root) as desk:
        key = desk.drop()
        desk.until_state(key, State.COMPLETED)
        (received,) = desk.records("task.received")
    assert received.fields["actor"] == {"kind": "person", "via": "command", "uid": os.geteuid()}
