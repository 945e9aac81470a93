"""A log that becomes long goes on in a new file, so that a start has little to replay."""

from __future__ import annotations

from pathlib import Path

import pytest

from deskhand.core.record import Draft
from deskhand.core.state import State
from deskhand.engine import ledger
from deskhand.host.found import init
from deskhand.store.audit_verify import verify
from tests.support import invariants
from tests.support.desk import recipe
from tests.support.inside import Inside, inside


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh desk whose log goes on in a new file every 12 records."""
    monkeypatch.setattr(ledger, "REPLAY_MAX", 12)
    init(tmp_path / "desk")
    return tmp_path / "desk"


def busy(desk: Inside) -> str:
    """Ten tasks that end after one that waits; its key."""
    desk.bless(recipe("nothing", "keep", idempotent=True), "nothing")
    waits = desk.drop(recipe="hand-over")
    desk.until_state(waits, State.WAITING)
    for _ in range(10):
        desk.until_state(desk.drop(recipe="nothing"), State.COMPLETED)
    return waits


def test_a_start_replays_the_newest_file_only(root: Path) -> None:
    with inside(root) as desk:
        waits = busy(desk)
        before = desk.task(waits)
    files = sorted((root / "audit_logs").glob("audit_*.jsonl"))
    assert len(files) > 3
    assert max(len(path.read_bytes().splitlines()) for path in files) < 12 + 12
    with inside(root) as desk:
        snapshot, records = desk.session.audit.replay()
        assert snapshot is not None and len(list(records)) < 12 + 12
        assert desk.task(waits) == before
        desk.command("approve", key=waits, digest=before.digest if before else None)
        assert desk.until_state(waits, State.COMPLETED)
    assert sorted(task.state for task in invariants.check(root)) == [State.COMPLETED] * 11
    assert verify(root / "audit_logs").ok


def test_with_many_unfinished_tasks_snapshots_are_rarer(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with inside(root) as desk:
        busy(desk)
        log, book = desk.session.audit, desk.engine.ledger
        while log.records < 12:
            book.note(Draft("log.heartbeat", {"uptime_s": 1}))
        assert book.rotation_due()
        monkeypatch.setattr(ledger, "REPLAY_SHARE", 30)
        assert not book.rotation_due()


def test_a_damaged_snapshot_is_made_up_for_by_older_files(root: Path) -> None:
    with inside(root) as desk:
        waits = busy(desk)
        before = desk.task(waits)
    newest = max((root / "audit_logs").glob("snapshot_*.json"), key=lambda path: int(path.stem[9:]))
    newest.write_bytes(b"{}")
    with inside(root) as desk:
        assert desk.task(waits) == before
