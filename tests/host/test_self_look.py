"""The daemon's look at itself: in another thread, on record when something changed, shown where people look."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path

import msgspec
import pytest

from deskhand.core.health import Verdict
from deskhand.core.state import State
from deskhand.engine import self_look
from deskhand.engine.clockwork import Reason
from deskhand.engine.watcher import PROBE, Watcher
from deskhand.host.control import Control
from deskhand.host.foreground import Daemon
from deskhand.host.found import init
from deskhand.operations.health_daemon import Vitals
from tests.support.inside import Inside, inside


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Inside]:
    """A fresh desk, open."""
    init(tmp_path / "desk")
    with inside(tmp_path / "desk") as opened:
        yield opened


@pytest.fixture
def daemon(desk: Inside) -> Iterator[Daemon]:
    """Its daemon, without a thread of its own."""
    made = Daemon(desk.session, desk._bell, desk.log, Control(desk.desk.socket, lambda: None, desk.log))
    made.clockwork.start()
    yield made
    made.clockwork.stop()
    made._looks.close(5.0)


def turn_until(desk: Inside, daemon: Daemon, condition: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        desk._bell.wait(0.02)
        daemon._turn()


def look(desk: Inside, daemon: Daemon) -> dict[str, Verdict]:
    """Have it look once; name -> verdict."""
    before = daemon._health.checks
    daemon.ring(Reason.HEALTH)
    daemon._turn()
    turn_until(desk, daemon, lambda: daemon._health.checks is not before)
    return {check.name: check.verdict for check in daemon._health.checks}


def test_a_change_goes_on_record_once_and_is_shown(desk: Inside, daemon: Daemon) -> None:
    found = look(desk, daemon)
    bad = {name for name, verdict in found.items() if verdict is not Verdict.OK}
    assert bad == {"backup", "drill", "watcher"}  # this desk is open without a watcher
    assert [record.fields["check"] for record in desk.records("health.changed")] == ["watcher"]
    recipe = next((desk.desk.recipes / "blessed" / "note").glob("*.yaml"))
    recipe.chmod(0o644)
    recipe.write_bytes(recipe.read_bytes() + b"\n")
    for _ in range(2):
        assert look(desk, daemon)["recipes"] is Verdict.DOWN
    _, record = desk.records("health.changed")
    assert {name: record.fields[name] for name in ("check", "from", "to", "reason")} == {
        "check": "recipes",
        "from": "ok",
        "to": "down",
        "reason": "1 recipe not as blessed",
    }
    assert desk.engine.ledger.book.condition.health == {"watcher": "degraded", "recipes": "down"}
    daemon._status._written = -inf  # it writes once a second
    daemon._turn()
    assert "**recipes** down: 1 recipe not as blessed: note" in (desk.desk.vault / "_deskhand/status.md").read_text()
    shown = daemon._health.status()
    assert shown["overall"] == "down" and {check["name"] for check in shown["checks"]} == bad | {"recipes"}
    recipe.write_bytes(recipe.read_bytes()[:-1])
    assert look(desk, daemon)["recipes"] is Verdict.OK
    assert [record.fields["to"] for record in desk.records("health.changed")][1:] == ["down", "ok"]


def test_after_a_restart_nothing_is_told_twice(desk: Inside, daemon: Daemon) -> None:
    (desk.desk.inbox).chmod(0o777)
    assert look(desk, daemon)["permissions"] is Verdict.DEGRADED
    again = Daemon(desk.session, desk._bell, desk.log, daemon._control)
    again.clockwork.start()
    try:
        assert look(desk, again)["permissions"] is Verdict.DEGRADED
    finally:
        again.clockwork.stop()
        again._looks.close(5.0)
    assert [record.fields["check"] for record in desk.records("health.changed")] == ["watcher", "permissions"]


def test_one_look_at_a_time_and_none_that_the_deciding_thread_waits_for(
    desk: Inside, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted = []
    monkeypatch.setattr(daemon._looks, "submit", lambda name, call, then=None: submitted.append(name))
    for _ in range(3):
        daemon.ring(Reason.HEALTH)
        daemon._turn()
    assert submitted == ["health"]


def test_a_look_that_fails_is_unknown_and_the_next_one_is_taken(
    desk: Inside, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(self_look, "Look", lambda *arguments: 1 / 0)
        assert look(desk, daemon) == {"look": Verdict.UNKNOWN}
    assert look(desk, daemon)["disk"] in Verdict


def test_who_asks_gets_what_only_the_daemon_knows(desk: Inside, daemon: Daemon) -> None:
    promise = daemon._health.vitals()
    turn_until(desk, daemon, promise.done)
    vitals = msgspec.convert(promise.result(), Vitals)
    assert vitals.turn_due == 10.0 and vitals.lag == 0.0 and vitals.turn_age < 5


def test_a_clockwork_that_died_is_late(daemon: Daemon) -> None:
    assert daemon.clockwork.lag() == 0.0
    daemon.clockwork._clock = type("Later", (), {"wall": staticmethod(lambda: time.time() + 100.0)})()
    assert daemon.clockwork.lag() == pytest.approx(90.0, abs=2.0)  # of the rescan, due every 10 s


def test_a_dead_watcher_is_noticed(desk: Inside, daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_look, "PATIENCE", 0.05)
    watcher = Watcher(desk.desk, desk.session.settings, lambda: None)
    watcher.supervise()
    try:
        object.__setattr__(desk.session.parts, "watcher", watcher)
        assert look(desk, daemon)["watcher"] is Verdict.OK
        monkeypatch.setattr(watcher, "supervise", list)  # else the next turn would revive it
        assert watcher._observer is not None
        watcher._observer.stop()
        watcher._observer.join()
        assert look(desk, daemon)["watcher"] is Verdict.DOWN
    finally:
        watcher.close()
        object.__setattr__(desk.session.parts, "watcher", None)
    assert not list(desk.desk.inbox.glob(f"{PROBE}*"))


def test_every_look_writes_the_notes_about_recipes_and_security(desk: Inside, daemon: Daemon) -> None:
    key = desk.drop(recipe="note")
    desk.until_state(key, State.COMPLETED)
    look(desk, daemon)
    folder = desk.desk.vault / "_deskhand"
    assert "| **note** 1 (note) |" in (folder / "recipes.md").read_text()
    assert "| never | 1 | 0 | 0 |" in (folder / "recipes.md").read_text()
    security = (folder / "security.md").read_text()
    assert f"Audit log `{desk.session.audit.log_id}`" in security and "| permissions | **ok** |" in security
    (folder / "recipes.md").unlink()
    (folder / "recipes.md").mkdir()
    assert look(desk, daemon)["vault"] is Verdict.DEGRADED
