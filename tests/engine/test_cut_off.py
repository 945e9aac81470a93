"""A run that was cut off, and a disk that refuses to put its files where they belong just then."""

from __future__ import annotations

import errno
from pathlib import Path

from deskhand.core.state import State
from deskhand.host.found import init
from deskhand.store.files import Files, StrPath
from tests.support import invariants
from tests.support.desk import recipe
from tests.support.inside import inside


class Refusing(Files):
    """Refuses to move inputs a few times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.left = times

    def rename(self, source: StrPath, target: StrPath) -> None:
        """Refused when an input goes to pending/."""
        if self.left and str(target).endswith(".in.txt") and "/pending/" in str(target):
            self.left -= 1
            raise OSError(errno.ENOSPC, "No space left on device")
        super().rename(source, target)


def test_f48_what_cannot_be_put_in_place_yet_is_asked_about_later(tmp_path: Path) -> None:
    root = tmp_path / "desk"
    init(root)
    with inside(root) as desk:
        desk.bless(recipe("once", "command", argv=["sleep", "60"], idempotent=False), "once")
        key = desk.drop(recipe="once")
        desk.until_state(key, State.STARTED)
    (payload,) = (root / "queue" / "pending").glob("*.in.txt")
    payload.rename(root / "queue" / "inbox" / payload.name)
    files = Refusing(3)
    with inside(root, files) as desk:
        desk.until_state(key, State.IN_DOUBT)
        desk.until(lambda: desk.engine.idle)
    assert files.left == 0
    invariants.check(root)
