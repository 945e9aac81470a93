"""Packing and forgetting beside the daemon's work: on record before anything goes, and no decision waits for it."""

from __future__ import annotations

import threading
from pathlib import Path
from unittest.mock import Mock

import pytest

from deskhand.errors import StoreError, UsageError
from deskhand.host.found import init
from deskhand.store import audit_pack, erase
from deskhand.store.audit_verify import verify
from deskhand.store.desk import Desk
from deskhand.testing.faulty_files import FaultyFiles
from tests.support.inside import Inside, inside


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A fresh desk."""
    init(tmp_path / "desk")
    return tmp_path / "desk"


def rotate(own: Inside) -> None:
    """Close the newest file of the log."""
    own.engine.tick()
    own.engine.ledger.rotate(own.session.parts.intake.on_record)


def packed(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "audit_logs").glob("audit_*.gz"))


def plain(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "audit_logs").glob("audit_*.jsonl"))


def test_tidying_packs_what_is_old_enough(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with inside(root) as own:
        rotate(own)
        own.engine.tidy()
        own.until(lambda: not own.session.parts.packing.busy)
        assert packed(root) == [], "nothing is a month old"
        now = own.session.clock.wall()
        monkeypatch.setattr(own.session.clock, "wall", lambda: now + 31 * 86_400)
        own.engine.tidy()
        own.until(lambda: packed(root) and not own.session.parts.packing.busy)
        (record,) = own.records("audit.compressed")
        assert f"{record.fields['name']}.gz" == packed(root)[0]
        assert verify(Desk(root).audit).ok


def test_nothing_is_packed_while_the_clock_is_in_doubt(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with inside(root) as own:
        rotate(own)
        own.engine.ledger.book.clock_unconfirmed = True
        monkeypatch.setattr(own.session.clock, "wall", lambda: 4e9)
        own.engine.tidy()
        assert not own.session.parts.packing.busy


def test_the_plain_file_stays_until_the_record_is_durable(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with inside(root) as own:
        rotate(own)
        refuse = StoreError("write the audit log", "full")
        monkeypatch.setattr(own.engine.ledger.log, "commit", Mock(side_effect=refuse))
        promise = own.engine.pack(4e9)
        own.until(lambda: packed(root))
        for _ in range(20):
            own.engine.tick()
        assert len(plain(root)) == 2 and not promise.done()
        monkeypatch.undo()
        own.until(promise.done)
        assert len(plain(root)) == 1 and promise.result()["problems"] == []


def test_the_deciding_thread_goes_on_meanwhile(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, began = threading.Event(), threading.Event()
    pack = audit_pack.pack

    def slow(*args: object) -> object:
        began.set()
        gate.wait(10)
        return pack(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(audit_pack, "pack", slow)
    with inside(root) as own:
        rotate(own)
        promise = own.engine.pack(4e9)
        own.until(began.is_set)
        key = own.drop()
        own.until_state(key, "completed")
        assert not promise.done() and not own.engine.idle
        second = own.engine.pack(4e9)
        gate.set()
        own.until(promise.done)
        assert second.result() == promise.result() and len(promise.result()["packed"]) == 1


def test_what_cannot_be_packed_is_told(root: Path) -> None:
    files = FaultyFiles(1, 28, only=lambda operation, path: operation == "copy")
    with inside(root, files) as own:
        rotate(own)
        promise = own.engine.pack(4e9)
        own.until(promise.done)
        assert "No space left" in promise.result()["problems"][0] and promise.result()["packed"] == []
        assert own.log.events("warning") == ["a closed day of the audit log cannot be packed"]
        again = own.engine.pack(4e9)
        own.until(again.done)
        assert len(again.result()["packed"]) == 1 and again.result()["problems"] == []


# -- forgetting --------------------------------------------------------------------------------------------------------


def test_the_record_is_durable_before_anything_is_erased(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with inside(root) as own:
        key = own.drop(name="ada.txt")
        own.until_state(key, "completed")
        own.until(lambda: key not in own.engine.ledger.ended)
        erased = []
        original = erase.erase

        def watched(*args: object) -> list[str]:
            erased.append([record.fields["task"] for record in own.records("task.forgotten")])
            return original(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(erase, "erase", watched)
        promise = own.command("forget", key=key, reason="asked for")
        own.until(promise.done)
        assert erased == [[key]] and promise.result()["key"] == key
        assert not list((root / "queue").rglob("*ada*"))
        assert key not in {entry.id[:15] + entry.id[-7:] for entry in own.session.parts.effects.completed}
        rotate(own)
    assert verify(Desk(root).audit).ok
    with inside(root) as own:
        assert own.engine.ledger.final_state(key) == "completed", "what waits for it goes by how it ended"


def test_no_new_file_of_the_log_is_begun_while_something_is_to_be_erased(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with inside(root) as own:
        key = own.drop()
        own.until_state(key, "completed")
        own.until(lambda: key not in own.engine.ledger.ended)
        gate = threading.Event()
        original = erase.erase
        monkeypatch.setattr(erase, "erase", lambda *args: gate.wait(10) and original(*args))
        promise = own.command("forget", key=key)
        own.until(lambda: own.records("task.forgotten"))
        monkeypatch.setattr(own.engine.ledger, "rotation_due", lambda: True)
        own.engine.tick()
        assert len(plain(root)) == 1
        gate.set()
        own.until(promise.done)
        own.engine.tick()
        assert len(plain(root)) == 2


def test_unfinished_and_unknown_tasks_are_not_forgotten(root: Path) -> None:
    with inside(root) as own:
        key = own.drop(recipe="hand-over")
        own.until_state(key, "waiting")
        with pytest.raises(UsageError, match="only a finished task"):
            own.command("forget", key=key)
        promise = own.command("forget", key="20200101-000000-aaaaaa")
        own.until(promise.done)
        with pytest.raises(UsageError, match="knows no finished task"):
            promise.result()
        assert own.records("task.forgotten") == []


def test_what_cannot_be_erased_is_erased_by_the_next_start(root: Path) -> None:
    files = FaultyFiles(None, 5, only=lambda operation, path: operation == "unlink" and ".in." in str(path))
    files.at = 1
    with inside(root, files) as own:
        key = own.drop(name="ada.txt")
        own.until_state(key, "completed")
        own.until(lambda: key not in own.engine.ledger.ended)
        promise = own.command("forget", key=key)
        own.until(promise.done)
        with pytest.raises(StoreError, match="not everything could be erased"):
            promise.result()
    assert list((root / "queue").rglob("*-ada-*"))
    with inside(root):
        assert not list((root / "queue").rglob("*-ada-*"))


def test_the_status_says_what_cannot_be_delivered_and_why(root: Path) -> None:
    files = FaultyFiles(1, 28, only=lambda operation, path: operation == "copy" and "/vault/" in str(path))
    with inside(root, files) as own:
        key = own.drop()
        own.until_state(key, "completed")
        why = own.until(lambda: own.engine.status()["undeliverable"].get(key))
        assert "No space left" in str(why)
        own.engine.go_on_delivering()
        own.until(lambda: own.task(key) is None)
        assert own.engine.status()["undeliverable"] == {} and own.engine.status()["unplaced"] == []
