"""The formats on disk are frozen: a desk of each is read as it was left, and what is newer is refused untouched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec
import pytest

from deskhand.core import record
from deskhand.core.record import Actor, Draft
from deskhand.core.state import TERMINAL, State
from deskhand.engine.assemble import open_desk
from deskhand.engine.clock import SystemClock
from deskhand.engine.ledger import Ledger
from deskhand.engine.view import look
from deskhand.errors import ExitCode, IntegrityError
from deskhand.store.audit_log import AuditLog
from deskhand.store.audit_verify import verify
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.head import HEAD_NAME
from deskhand.store.machine import machine_id, state_folder
from deskhand.store.mirror import Mirror, Verdict
from deskhand.testing.log import MemoryLog
from tests.support import invariants
from tests.support.fixtures import FIXTURES, expected, unpack

FORMATS = sorted(path.name for path in FIXTURES.iterdir())
NOBODY = Actor(kind="person", via="command", uid=0)


@pytest.fixture(params=FORMATS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_f66_the_log_verifies_to_the_record(name: str, tmp_path: Path) -> None:
    found, said = verify(unpack(name, tmp_path).audit), expected(name)
    assert (found.ok, found.errors, found.entries, found.head) == (True, (), said.entries, said.head)


def test_f66_every_task_stands_where_it_stood(name: str, tmp_path: Path) -> None:
    desk, said = unpack(name, tmp_path), expected(name)
    assert {task.state for task in said.tasks.values()} == set(State), "there is one in every state"
    tasks = invariants.project(invariants.read(desk))
    assert {key: (t.state, t.attempt, t.undelivered, t.seq) for key, t in tasks.items()} == {
        key: (t.state, t.attempt, t.undelivered, t.seq) for key, t in said.tasks.items()
    }
    invariants.check(desk.root, settled=False)


def test_f66_the_snapshot_and_the_records_after_it_say_the_same(name: str, tmp_path: Path) -> None:
    desk, said = unpack(name, tmp_path), expected(name)
    log = AuditLog.open(Files(), desk.audit, clock=SystemClock())
    try:
        snapshot, _ = log.replay()
        ledger = Ledger(log, lambda key: ())
    finally:
        log.close()
    assert snapshot is not None
    unfinished = {key: one.state for key, one in said.tasks.items() if State(one.state) not in TERMINAL}
    undelivered = {key: one.state for key, one in said.tasks.items() if one.undelivered}
    assert {key: task.state for key, task in ledger.tasks.items()} == unfinished | undelivered
    kinds = {record.type for record in invariants.read(desk)}
    assert {"log.genesis", "segment.open", "log.recovered", "desk.adopted"} <= kinds


def test_f66_the_mirror_is_understood(name: str, tmp_path: Path) -> None:
    """In its old place the desk would be the one that acted last; here it is a desk that was moved."""
    desk = unpack(name, tmp_path)
    state = state_folder(os.environ)
    shutil.rmtree(state)
    state.mkdir(parents=True)
    log = AuditLog.open(Files(), desk.audit, clock=SystemClock())
    log.close()
    shutil.copyfile(FIXTURES / name / "mirror.json", state / f"{log.log_id}~0123456789abcdef.json")
    said = msgspec.json.decode((FIXTURES / name / "mirror.json").read_bytes())
    here = Mirror(Files(), state, desk.root, said["machine"])
    assert here.check(log.log_id, log.head.link, log.hash_at).verdict is Verdict.MOVED
    elsewhere = Mirror(Files(), state, desk.root, machine_id(Files(), state))
    assert elsewhere.check(log.log_id, log.head.link, log.hash_at).verdict is Verdict.OTHER_MACHINE


# -- what is newer -----------------------------------------------------------------------------------------------------

Newer = Callable[[Desk, pytest.MonkeyPatch], None]


def a_new_record(desk: Desk, patch: pytest.MonkeyPatch) -> None:
    """A later deskhand has one more type of record, and used it."""
    _written(desk, patch, {"task.snoozed": frozenset({"task"})}, Draft("task.snoozed", {"task": "x"}))


def a_new_field(desk: Desk, patch: pytest.MonkeyPatch) -> None:
    """... one more field."""
    more = {"log.heartbeat": record.TYPES["log.heartbeat"] | {"mood"}}
    _written(desk, patch, more, Draft("log.heartbeat", {"uptime_s": 1, "mood": "good"}))


def a_new_record_beyond_the_head(desk: Desk, patch: pytest.MonkeyPatch) -> None:
    """... and ended before its head said so; a torn end comes after it."""
    head = (desk.audit / HEAD_NAME).read_bytes()
    a_new_record(desk, patch)
    (desk.audit / HEAD_NAME).write_bytes(head)
    newest = max(desk.audit.glob("audit_*.jsonl"))
    newest.write_bytes(newest.read_bytes() + b'{"prev":"01')


def a_new_snapshot(desk: Desk, patch: pytest.MonkeyPatch) -> None:
    """... and closed a day with it."""
    log = AuditLog.open(Files(), desk.audit, clock=SystemClock())
    log.rotate(msgspec.json.encode({"tasks": {}, "moods": {}}), unfinished=0)
    log.close()


def a_new_head(desk: Desk, patch: pytest.MonkeyPatch) -> None:
    """... or notes the head in another form."""
    path = desk.audit / HEAD_NAME
    path.write_bytes(path.read_bytes().replace(b"deskhand-head-1", b"deskhand-head-2"))


def a_new_format(desk: Desk, patch: pytest.MonkeyPatch) -> None:
    """... or began this log."""
    shutil.rmtree(desk.audit)
    desk.audit.mkdir()
    with patch.context() as newer:
        newer.setattr("deskhand.store.audit_log.FORMAT", 2)
        log = AuditLog.create(Files(), desk.audit, clock=SystemClock(), origin={}, desk="desk", version="9")
    log.close()


def _written(desk: Desk, patch: pytest.MonkeyPatch, types: Mapping[str, frozenset[str]], draft: Draft) -> None:
    with patch.context() as newer:
        newer.setattr(record, "TYPES", MappingProxyType({**record.TYPES, **types}))
        log = AuditLog.open(Files(), desk.audit, clock=SystemClock())
        log.append(draft)
        log.append(Draft("daemon.stopped", {"reason": "asked to"}))
        log.commit()
        log.close()


NEWER = [a_new_record, a_new_field, a_new_record_beyond_the_head, a_new_snapshot, a_new_head, a_new_format]


def contents(root: Path) -> dict[str, bytes]:
    """Every file of a desk but the lock, which says who tried."""
    files = [path for path in root.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("made", NEWER)
@pytest.mark.parametrize(
    "adopt", [pytest.param(None, id="opened"), pytest.param(NOBODY, id="adopted", marks=pytest.mark.faults)]
)
def test_f66_what_a_newer_deskhand_wrote_is_refused_and_left_alone(
    made: Newer, adopt: Actor | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = unpack("format-1", tmp_path)
    made(desk, monkeypatch)
    if adopt is not None:
        shutil.rmtree(state_folder(os.environ))
    before = contents(desk.root)
    with (
        pytest.raises(IntegrityError, match=r"newer deskhand|reads and writes format 1|knows form 1") as caught,
        open_desk(desk, MemoryLog(), ring=lambda: None, watch=False, adopt=adopt),
    ):
        pytest.fail("it was opened")
    assert caught.value.exit_code is ExitCode.INTEGRITY
    assert caught.value.hint is not None and "use the deskhand that wrote this" in caught.value.hint
    assert contents(desk.root) == before, "nothing was written"


@pytest.mark.parametrize("made", [a_new_record, a_new_field, a_new_format])
def test_f66_what_is_only_shown_is_not_shown_half(made: Newer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = unpack("format-1", tmp_path)
    assert look(desk).unfinished
    made(desk, monkeypatch)
    with pytest.raises(IntegrityError, match=r"newer deskhand|reads and writes format 1"):
        look(desk)


def test_f66_the_same_is_opened_without_what_is_newer(tmp_path: Path) -> None:
    desk = unpack("format-1", tmp_path)
    with open_desk(desk, MemoryLog(), ring=lambda: None, watch=False, work=False) as session:
        assert session.engine.ledger.tasks
