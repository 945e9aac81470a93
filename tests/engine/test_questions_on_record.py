"""A question reaches its folder after it is on record, and its absence until then is nobody's deed."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from deskhand.core.log import NoLog
from deskhand.engine.assemble import Session, open_desk
from deskhand.host.found import init
from deskhand.store.audit_read import Filter, lines
from deskhand.store.desk import Desk
from deskhand.store.files import Files, StrPath

QUICK = "schema: 1\nintake: {settle: 0ms}\n"
LETTERS = 5


class FullApprovals(Files):
    """Has no room for requests in approvals/ for a while."""

    full = True

    def before(self, operation: str, path: StrPath | int) -> None:
        """Refuse new files there."""
        if self.full and operation == "create" and Path(str(path)).parent.name == "approvals":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


@pytest.fixture
def letters(tmp_path: Path) -> Desk:
    """A desk with letters that somebody has to agree to."""
    desk, _ = init(tmp_path / "desk")
    desk.config.write_text(QUICK)
    for number in range(LETTERS):
        (desk.inbox / "hand-over" / f"letter-{number}.txt").write_text(f"{number}\n")
    return desk


def turn(session: Session) -> None:
    """A tick of a desk in which something changes all the time."""
    session.parts.notice.give_quietly()
    session.engine.scan_everything()
    session.engine.tick()


def questions(desk: Desk) -> int:
    """How many stand there."""
    return sum(1 for path in desk.approvals.glob("2*.json") if not path.name.endswith(".task.json"))


def restored(desk: Desk) -> int:
    """How often the log says that somebody took a file away."""
    return sum(1 for _ in lines(desk.audit, Filter(type="foreign.restored")))


def test_a_new_question_is_not_taken_for_a_deleted_one(letters: Desk, wait_for: Callable[..., object]) -> None:
    with open_desk(letters, NoLog(), ring=lambda: None, watch=False) as session:

        def asked() -> bool:
            turn(session)
            return questions(letters) == LETTERS

        wait_for(asked)
        turn(session)
        assert restored(letters) == 0
        next(path for path in letters.approvals.glob("2*.json") if not path.name.endswith(".task.json")).unlink()
        turn(session)
        turn(session)
        assert restored(letters) == 1
        assert questions(letters) == LETTERS


def test_a_question_that_could_not_be_put_yet_is_not_taken_for_a_deleted_one(
    letters: Desk, wait_for: Callable[..., object]
) -> None:
    files = FullApprovals()
    with open_desk(letters, NoLog(), ring=lambda: None, watch=False, files=files) as session:

        def behind() -> bool:
            turn(session)
            return len(session.parts.placement.behind) == LETTERS

        wait_for(behind)
        assert questions(letters) == 0
        files.full = False
        turn(session)
        turn(session)
        assert (questions(letters), restored(letters)) == (LETTERS, 0)
