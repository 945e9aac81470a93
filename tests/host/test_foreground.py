"""The daemon's loop and the clockwork: one clock for full scans, and one for what is due at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deskhand.core.state import State
from deskhand.engine.clockwork import Reason
from deskhand.host.control import Control
from deskhand.host.foreground import Daemon
from deskhand.host.found import init
from tests.support.inside import Inside, inside


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Inside]:
    """A fresh desk, open; it is scanned in full once an hour."""
    init(tmp_path / "desk")
    with (tmp_path / "desk/deskhand.yaml").open("a") as file:
        file.write("scan_interval: 1h\n")
    with inside(tmp_path / "desk") as opened:
        yield opened


@pytest.fixture
def daemon(desk: Inside) -> Iterator[Daemon]:
    """Its daemon, without a thread of its own."""
    made = Daemon(desk.session, desk._bell, desk.log, Control(desk.desk.socket, lambda: None, desk.log))
    made.clockwork.start()
    yield made
    made.clockwork.stop()


def test_the_clockwork_is_asked_to_ring_when_the_next_attempt_may_start(desk: Inside, daemon: Daemon) -> None:
    at = time.time() + 3600
    key = desk.drop(not_before=at)
    desk.until_state(key, State.READY)
    daemon._turn()
    assert daemon.clockwork.next_times()[Reason.RETRY].timestamp() == pytest.approx(at, abs=0.001)
    desk.command("cancel", key=key)
    daemon._turn()
    daemon._turn()
    assert desk.engine.ledger.outcomes[key] == State.CANCELLED


def test_only_the_clockwork_asks_for_full_scans(desk: Inside, daemon: Daemon) -> None:
    daemon._turn()
    assert desk.engine.next_wake() > 3600
    folder = desk.desk.folder("failed")
    (folder / ".deskhand-keep").unlink()
    folder.rmdir()
    daemon._turn()
    assert not folder.exists()
    daemon.ring(Reason.RESCAN)
    daemon._turn()
    assert folder.is_dir()
    ahead = daemon.clockwork.next_times()[Reason.RESCAN].timestamp() - time.time()
    assert 3500 < ahead <= 3600
