"""The desk's secret: made once, kept, and made anew when it is gone."""

from __future__ import annotations

import errno
import stat

import pytest

from deskhand.errors import StoreError
from deskhand.store import desk_salt
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.testing.faulty_files import FaultyFiles


@pytest.fixture(autouse=True)
def _queue(desk: Desk) -> None:
    desk.queue.mkdir()


def test_it_stays_the_same_and_only_its_owner_can_read_it(desk: Desk) -> None:
    first = desk_salt.load(Files(), desk)
    assert (first.new, len(first.text)) == (True, 64)
    assert desk_salt.load(Files(), desk) == desk_salt.DeskSalt(first.text, new=False)
    assert stat.S_IMODE(desk.salt.stat().st_mode) == 0o600


@pytest.mark.parametrize("damage", ["gone", "short", "link"])
def test_one_that_is_gone_or_damaged_is_made_anew(desk: Desk, damage: str) -> None:
    first = desk_salt.load(Files(), desk)
    desk.salt.unlink()
    if damage == "short":
        desk.salt.write_bytes(b"abc")
    elif damage == "link":
        (desk.root / "mine").write_bytes(bytes(32))
        desk.salt.symlink_to(desk.root / "mine")
    again = desk_salt.load(Files(), desk)
    assert again.new
    assert again.text not in (first.text, bytes(32).hex())


def test_a_full_disk_is_an_error_with_a_path(desk: Desk) -> None:
    with pytest.raises(StoreError, match=r"\.salt"):
        desk_salt.load(FaultyFiles(1, errno.ENOSPC), desk)
