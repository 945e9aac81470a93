"""The head's mirror outside the desk: what it says of a desk that was moved, copied, rolled back or emptied."""

from __future__ import annotations

import os
import shutil
import sys
from functools import partial
from pathlib import Path

import pytest

from deskhand.core.chain import Link
from deskhand.core.record import Draft
from deskhand.store.audit_log import AuditLog
from deskhand.store.files import Files
from deskhand.store.machine import machine_id, state_folder
from deskhand.store.mirror import Finding, Mirror, Verdict
from deskhand.testing.clock import FakeClock
from deskhand.testing.faulty_files import FaultyFiles
from deskhand.testing.sample_log import append_task, begin
from tests.support.crash_files import CRASHED, CrashFiles
from tests.support.forks import in_child

BEAT = Draft("log.heartbeat", {"uptime_s": 1})


class Place:
    """A desk's folder, its log, and a mirror in the same state folder as all others."""

    def __init__(self, root: Path, state: Path, machine: str = "m1") -> None:
        self.root = root
        self.clock = FakeClock()
        self.mirror = Mirror(Files(), state, root, machine)

    @property
    def folder(self) -> Path:
        return self.root / "audit_logs"

    def begin(self) -> AuditLog:
        self.root.mkdir(parents=True, exist_ok=True)
        log = begin(self.folder, self.clock)
        log.attach(self.mirror)
        append_task(log, 0)
        log.commit()
        return log

    def check(self) -> Finding:
        log = AuditLog.open(Files(), self.folder, clock=self.clock)
        try:
            return self.mirror.check(log.log_id, log.head.link, log.hash_at)
        finally:
            log.close()

    def go_on(self) -> None:
        log = AuditLog.open(Files(), self.folder, clock=self.clock)
        log.attach(self.mirror)
        log.append(BEAT)
        log.commit()
        log.close()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state" / "deskhand"


@pytest.fixture
def place(tmp_path: Path, state: Path) -> Place:
    place = Place(tmp_path / "desk", state)
    place.begin().close()
    return place


def test_the_desk_that_acted_last_is_ok_and_one_file_says_so(place: Place, state: Path) -> None:
    assert place.check().verdict is Verdict.OK
    place.go_on()
    finding = place.check()
    assert finding.verdict is Verdict.OK and finding.mirror is not None and finding.mirror.seq == 11
    assert len(list(state.iterdir())) == 1


def test_a_new_desk_is_new(tmp_path: Path, state: Path) -> None:
    place = Place(tmp_path / "new", state)
    place.root.mkdir()
    assert place.mirror.check(None, (0, "0" * 64), lambda seq: None).verdict is Verdict.NEW  # type: ignore[arg-type]
    log = begin(place.folder, place.clock)
    assert place.mirror.check(log.log_id, log.head.link, log.hash_at).verdict is Verdict.NEW


def test_f55_a_log_that_is_gone(place: Place) -> None:
    shutil.rmtree(place.folder)
    finding = place.mirror.check(None, (0, "0" * 64), lambda seq: None)  # type: ignore[arg-type]
    assert finding.verdict is Verdict.LOG_MISSING and "10 records" in finding.sentence
    log = begin(place.folder, place.clock)
    assert place.mirror.check(log.log_id, log.head.link, log.hash_at).verdict is Verdict.LOG_MISSING


def test_f55_a_desk_rolled_back_to_an_older_copy(place: Place, tmp_path: Path) -> None:
    shutil.copytree(place.folder, tmp_path / "backup")
    place.go_on()
    shutil.rmtree(place.folder)
    shutil.copytree(tmp_path / "backup", place.folder)
    finding = place.check()
    assert finding.verdict is Verdict.BEHIND and "10, but 11" in finding.sentence
    log = AuditLog.open(Files(), place.folder, clock=place.clock)
    for _ in range(3):
        log.append(BEAT)
    log.commit()
    finding = place.mirror.check(log.log_id, log.head.link, log.hash_at)
    assert finding.verdict is Verdict.BEHIND and "went on from an older copy" in finding.sentence
    log.attach(place.mirror)
    assert place.check().verdict is Verdict.OK, "adopting overwrites what was remembered"


def test_f55_a_copied_desk_beside_its_original(place: Place, tmp_path: Path, state: Path) -> None:
    shutil.copytree(place.root, tmp_path / "copy")
    copy = Place(tmp_path / "copy", state)
    finding = copy.check()
    assert finding.verdict is Verdict.COPIED and str(place.root) in finding.sentence
    assert place.check().verdict is Verdict.OK
    copy.go_on()
    assert copy.check().verdict is Verdict.OK, "once adopted it is a desk of its own"
    place.go_on()
    assert place.check().verdict is Verdict.OK
    assert len(list(state.iterdir())) == 2


def test_f55_a_moved_desk_is_fine_and_the_old_place_is_forgotten(place: Place, tmp_path: Path, state: Path) -> None:
    place.root.rename(tmp_path / "elsewhere")
    moved = Place(tmp_path / "elsewhere", state)
    finding = moved.check()
    assert finding.verdict is Verdict.MOVED and str(place.root) in finding.sentence
    moved.go_on()
    assert moved.check().verdict is Verdict.OK
    assert len(list(state.iterdir())) == 1


def test_f55_swapped_with_its_own_copy(place: Place, tmp_path: Path, state: Path) -> None:
    """The original moved aside and a copy put in its place: the copy is found out while both stand."""
    place.root.rename(tmp_path / "aside")
    shutil.copytree(tmp_path / "aside", place.root)
    assert place.check().verdict is Verdict.OK, "the copy is complete and nothing says which one acted last"
    assert Place(tmp_path / "aside", state).check().verdict is Verdict.COPIED


def test_f55_a_mirror_from_another_machine(place: Place, state: Path) -> None:
    other = Place(place.root, state, machine="m2")
    assert other.check().verdict is Verdict.OTHER_MACHINE
    other.go_on()
    assert other.check().verdict is Verdict.OK
    assert place.check().verdict is Verdict.OTHER_MACHINE


def test_f55_a_history_that_nothing_remembers(place: Place, state: Path) -> None:
    shutil.rmtree(state)
    assert place.check().verdict is Verdict.UNKNOWN


def test_a_damaged_mirror_says_nothing(place: Place, state: Path) -> None:
    path = next(state.iterdir())
    path.write_bytes(path.read_bytes().replace(b'"seq":10', b'"seq":99'))
    assert place.check().verdict is Verdict.UNKNOWN
    path.write_bytes(b"")
    assert place.check().verdict is Verdict.UNKNOWN


def test_a_mirror_removed_while_running_comes_back(place: Place, state: Path) -> None:
    log = AuditLog.open(Files(), place.folder, clock=place.clock)
    log.attach(place.mirror)
    shutil.rmtree(state)
    log.append(BEAT)
    log.commit()
    assert log.trouble is None and len(list(state.iterdir())) == 1
    assert place.check().verdict is Verdict.OK


def test_a_mirror_that_cannot_be_written_is_trouble_and_no_failure(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file is in the way")
    place = Place(tmp_path / "desk", tmp_path / "state")
    log = place.begin()
    assert log.head.seq == 10 and "mirror" in str(log.trouble)


def test_the_size_never_changes(place: Place, state: Path) -> None:
    path = next(state.iterdir())
    size = path.stat().st_size
    for _ in range(3):
        place.go_on()
    assert path.stat().st_size == size and size % 512 == 0


def test_writing_is_one_call(place: Place, state: Path) -> None:
    files = FaultyFiles()
    mirror = Mirror(files, state, place.root, "m1")
    log = AuditLog.open(Files(), place.folder, clock=place.clock)
    log.attach(mirror)
    before = len(files.calls)
    log.append(BEAT)
    log.commit()
    assert [call.split()[0] for call in files.calls[before:]] == ["pwrite"]


@pytest.mark.skipif(os.name == "nt", reason="other folders there")
def test_where_state_lives(tmp_path: Path) -> None:
    assert state_folder({"XDG_STATE_HOME": str(tmp_path)}) == tmp_path / "deskhand"
    assert state_folder({"XDG_STATE_HOME": "relative"}) == Path.home() / ".local/state/deskhand"
    assert state_folder({}) == Path.home() / ".local/state/deskhand"


def test_a_machine_has_one_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = machine_id(Files(), tmp_path)
    assert first == machine_id(Files(), tmp_path) and len(first) == 32
    monkeypatch.setattr("deskhand.store.machine._SYSTEM_IDS", (tmp_path / "none",))
    made_up = machine_id(Files(), tmp_path / "a")
    assert made_up == machine_id(Files(), tmp_path / "a")
    assert made_up not in (first, machine_id(Files(), tmp_path / "b"))


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_f45_a_crash_while_it_is_made_leaves_nothing_for_ever(place: Place, state: Path) -> None:
    (path,) = state.iterdir()
    for at in range(1, 12):
        before, entry = path.read_bytes(), place.check().mirror
        assert entry is not None
        link, mirror = Link(entry.seq, entry.hash), Mirror(CrashFiles(at), state, place.root, "m1")
        code, said = in_child(partial(mirror.write, entry.log_id, link))
        assert code in (0, CRASHED), said
        assert path.read_bytes() == before
        place.go_on()
        assert list(state.iterdir()) == [path], f"a crash at call {at} left something"
        if not code:
            break
    else:
        pytest.fail("it never ends")
    assert at > 4
