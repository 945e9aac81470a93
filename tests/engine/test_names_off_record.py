"""Names of files never get into the log, whatever goes wrong with them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from deskhand.core.state import State
from deskhand.errors import IntegrityError, nameless
from deskhand.host.found import init
from tests.support.desk import recipe
from tests.support.inside import Inside, inside

NAME = "ann-lee-diagnosis.txt"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A fresh desk."""
    init(tmp_path / "desk")
    return tmp_path / "desk"


def log(root: Path) -> bytes:
    """All of it."""
    return b"".join(path.read_bytes() for path in sorted((root / "audit_logs").glob("audit_*.jsonl")))


def later(desk: Inside, identifier: str = "later") -> str:
    """A task that is not started yet."""
    desk.bless(recipe(identifier, "keep"), identifier)
    key = desk.drop(name=NAME, recipe=identifier, not_before=desk.session.clock.wall() + 3600)
    desk.until_state(key, State.READY)
    return key


def test_the_files_of_a_lost_task_are_called_by_what_they_are(root: Path) -> None:
    with inside(root) as desk:
        key = later(desk)
        placement = desk.session.parts.placement
        desk.session.parts.effects.missing[key] = placement.names(key)
        assert desk.until_state(key, State.LOST)
        assert sorted(desk.records("task.lost")[0].fields["missing"]) == ["in", "task.json"]
    assert b"ann-lee" not in log(root)


def test_a_damaged_task_file_is_no_reason_to_say_its_name(root: Path) -> None:
    with inside(root) as desk:
        key = desk.drop(name=NAME, recipe="hand-over")
        desk.until_state(key, State.WAITING)
        identifier = desk.session.parts.placement.identifier(key)
        path = desk.desk.approvals / f"{identifier}.task.json"
        path.chmod(0o600)
        path.write_bytes(path.read_bytes() + b" ")
        request = desk.desk.approvals / f"{identifier}.json"
        request.rename(request.with_name(f"{request.name}.approved"))
        desk.engine.scan_everything()
        assert desk.until_state(key, State.QUARANTINED, State.PARKED)
    assert b"ann-lee" not in log(root)


def test_a_link_in_a_dropped_folder_is_not_named(root: Path) -> None:
    (root / "deskhand.yaml").write_text("schema: 1\nintake:\n  settle_folder: 50ms\n")
    with inside(root) as desk:
        folder = root.parent / "ann-lee-papers"
        folder.mkdir()
        (folder / "ann-lee-secret").symlink_to("/etc/passwd")
        folder.rename(root / "watch_inbox" / folder.name)
        desk.engine.scan_everything()
        desk.until(lambda: desk.records("task.quarantined"), timeout=15.0)
    assert b"ann-lee" not in log(root)


def test_a_foreign_name_is_hashed_with_a_secret_of_the_desk(root: Path) -> None:
    with inside(root) as desk:
        for name in (NAME, f"{NAME}.approved"):
            (desk.desk.approvals / name).write_text("x")
        desk.engine.scan_everything()
        desk.until(lambda: desk.records("foreign.found") and desk.records("approval.ignored"))
        (found,) = desk.records("foreign.found")
        secret = desk.desk.salt.read_bytes().hex()
        assert found.fields["name_sha256"] == hashlib.sha256((secret + NAME).encode()).hexdigest()
    assert hashlib.sha256(NAME.encode()).hexdigest().encode() not in log(root)
    assert secret.encode() not in log(root)


def test_a_key_has_one_hash_in_all_runs_of_the_daemon(root: Path) -> None:
    with inside(root) as desk:
        desk.bless(recipe("nothing", "keep"), "nothing")
        first = desk.drop(recipe="nothing", key="rent")
        assert desk.until_state(first, State.COMPLETED)
        log_id = desk.session.audit.log_id
        label = desk.records("task.received")[0].fields["label"]
        assert label != hashlib.sha256(f"{log_id}rent".encode()).hexdigest()
    with inside(root) as desk:
        source = root.parent / "second.txt"
        source.write_bytes(b"x")
        desk._drops = 5
        second = desk.drop(recipe="nothing", after=("rent",))
        assert desk.until_state(second, State.COMPLETED)


def test_what_goes_on_record_about_an_error() -> None:
    assert nameless(IntegrityError("reading a task", "its file is gone", path=NAME)) == (
        "reading a task: its file is gone"
    )
    assert nameless(FileNotFoundError(2, os.strerror(2), NAME)) == os.strerror(2)
    assert nameless(KeyError(NAME)) == "KeyError"
