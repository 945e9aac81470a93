"""A thread of the daemon asks the deciding thread: a backup is made by one while the other goes on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deskhand.core.record import DAEMON
from deskhand.core.settings import Settings
from deskhand.engine.backing import create
from deskhand.engine.bell import Bell
from deskhand.engine.commands import Commands
from deskhand.engine.errands import Errands
from deskhand.errors import HeldError, UsageError
from deskhand.host.found import init
from deskhand.store.files import Files
from tests.support.inside import inside


def test_a_chore_makes_a_backup_inside_the_daemon(tmp_path: Path) -> None:
    init(tmp_path / "desk")
    bell = Bell()
    errands = Errands(bell.ring)
    with inside(tmp_path / "desk") as desk, ThreadPoolExecutor(1) as chores:
        commands = Commands(desk.engine)
        made = chores.submit(create, Files(), desk.desk, Settings(), errands.carry)
        while not made.done():
            bell.wait(0.01)
            heard = [(promise, commands.carry_out(command, 0.0)) for command, promise in errands.pending()]
            desk.engine.tick()
            for promise, reply in heard:
                assert isinstance(reply, dict)
                promise.set_result(reply)
        assert made.result().verified
        assert [record.fields["actor"]["kind"] for record in desk.records("backup.created")] == [DAEMON.kind]
    bell.close()


def test_whoever_asks_a_daemon_that_stops_is_told() -> None:
    errands = Errands(lambda: None)
    with ThreadPoolExecutor(1) as chores:
        asked = chores.submit(errands.carry, "ping", {})
        while not (heard := errands.pending()):
            pass
        heard[0][1].set_exception(UsageError("ping", "no"))
        with pytest.raises(UsageError):
            asked.result(10)
        waiting = chores.submit(errands.carry, "ping", {})
        while errands._commands.empty():
            pass
        errands.close(HeldError("asking the daemon", "the daemon stops"))
        with pytest.raises(HeldError):
            waiting.result(10)
        with pytest.raises(HeldError):
            errands.carry("ping", {})
