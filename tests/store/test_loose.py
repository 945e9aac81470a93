"""What others could change or read."""

from __future__ import annotations

import pytest

from deskhand.store.desk import Desk
from deskhand.store.loose import loose
from deskhand.store.room import room


@pytest.mark.parametrize(
    ("path", "mode", "said"),
    [
        ("audit_logs", 0o757, "every user can change it"),
        ("queue/pending", 0o702, "every user can change it"),
        ("watch_inbox", 0o777, "every user can take away"),
        ("watch_inbox", 0o1777, ""),
        ("queue/.salt", 0o640, "others can read"),
        ("queue/.salt", 0o600, ""),
        ("audit_logs", 0o775, ""),  # a group that shares a desk
    ],
)
def test_what_is_too_open_is_named(desk: Desk, path: str, mode: int, said: str) -> None:
    target = desk.root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.endswith(".salt"):
        target.write_bytes(b"x")
    else:
        target.mkdir()
    target.chmod(mode)
    found = [f"{each.path}: {each.reason}" for each in loose(desk)]
    assert (len(found) == 1 and found[0].startswith(path) and said in found[0]) if said else found == []
    target.chmod(0o700)


def test_the_room_of_a_folder_that_is_not_there_is_that_of_the_one_above(desk: Desk) -> None:
    here, there = room(desk.root), room(desk.root / "backups" / "none")
    assert (here.device, here.total) == (there.device, there.total)
    assert 0 < here.free <= here.total
    assert here.inodes is None or here.inodes_free is not None
