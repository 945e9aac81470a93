"""The daemon ends although a call to the system never does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deskhand.core.state import State
from deskhand.engine.bell import Bell
from deskhand.host.control import Control
from deskhand.host.foreground import Daemon
from deskhand.host.found import init
from tests.support import invariants
from tests.support.desk import recipe
from tests.support.inside import inside

pytestmark = pytest.mark.slow
PROGRAM = """
import os, signal, sys, threading
from pathlib import Path
from deskhand.engine.work import Work
from deskhand.host import foreground
from deskhand.store.desk import Desk

def hangs(self, job):
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait()

Work.deliver = hangs
foreground.GRACE = foreground.PATIENCE = 0.1
foreground.run(Desk(Path(sys.argv[1])), console=False)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A desk that does not wait for what runs."""
    init(tmp_path / "desk")
    (tmp_path / "desk/deskhand.yaml").write_text("schema: 1\nrun:\n  drain: 0s\n")
    return tmp_path / "desk"


def test_a_delivery_that_hangs_does_not_keep_the_process(root: Path) -> None:
    with inside(root) as desk:
        desk.bless(recipe("hand", "keep", deliver="outbox/{name}"), "hand")
        desk.drop(recipe="hand")
    line = [sys.executable, "-c", PROGRAM, str(root.resolve())]
    done = subprocess.run(line, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    with inside(root) as desk:
        desk.until(lambda: (root / "outbox/file.txt").exists() and desk.engine.idle)
        assert len(desk.records("daemon.stopped")) == 1
    (task,) = invariants.check(root)
    assert task.state is State.COMPLETED


def test_draining_goes_on_keeping_results_and_gives_up_in_the_end(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deskhand.host.foreground.GRACE", 0.2)
    bell = Bell()
    with inside(root) as desk:
        desk.bless(recipe("once", "command", argv=["cp", "{input}", "{output_dir}/result"]), "once")
        runs = desk.session.parts.runs
        tries = []

        def full(*_: object) -> None:
            tries.append(1)
            raise OSError(28, os.strerror(28))

        monkeypatch.setattr(runs._work, "finish_small", lambda *_: None)
        monkeypatch.setattr(runs._work, "finish", full)
        key = desk.drop(recipe="once")
        desk.until(lambda: runs._unfinished.qsize())
        control = Control(desk.desk.socket, bell.ring, desk.log)
        daemon = Daemon(desk.session, bell, desk.log, control)
        daemon.drain()
        assert len(tries) > 1
        assert runs.keys() == {key}
        assert "not everything ended in time" in desk.log.events("warning")
        control.close()
    bell.close()
    assert not runs.stuck
    with inside(root) as desk:
        assert desk.until_state(key, State.IN_DOUBT)
