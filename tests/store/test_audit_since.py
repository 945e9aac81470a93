"""Following the log from the last verified place: goes on, notices damage behind it, and says how far it came."""

from __future__ import annotations

from pathlib import Path

import pytest

from deskhand.store import audit_since
from deskhand.store.audit_log import AuditLog
from deskhand.store.audit_since import Mark, follow_on, read_mark, write_mark
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.testing.clock import FakeClock
from deskhand.testing.sample_log import append_task, three_days

DAY1, DAY2, DAY3 = "audit_2026-09-21.jsonl", "audit_2026-09-22.jsonl", "audit_2026-09-23.jsonl"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit_logs"


@pytest.fixture
def log(folder: Path) -> AuditLog:
    return three_days(folder, FakeClock())


def mark_of(folder: Path, mark: Mark | None = None) -> Mark:
    found = follow_on(folder, mark, 1.0)
    assert found.error is None and found.mark is not None
    return found.mark


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def test_it_goes_on_where_it_ended(log: AuditLog, folder: Path) -> None:
    first = follow_on(folder, None, 1.0)
    assert (first.error, first.checked, first.up_to, first.head) == (None, log.head.seq, log.head.seq, log.head.seq)
    assert first.mark == Mark(log.log_id, log.head.seq, log.head.hash, DAY3, log.head.offset, 1.0)
    assert follow_on(folder, first.mark, 2.0).checked == 0
    append_task(log, 9)
    log.commit()
    later = follow_on(folder, first.mark, 3.0)
    assert (later.error, later.checked, later.up_to) == (None, 9, log.head.seq)


def test_one_look_reads_only_so_much_and_the_next_goes_on(log: AuditLog, folder: Path) -> None:
    mark, looks = None, 0
    while mark is None or mark.seq < log.head.seq:
        found = follow_on(folder, mark, 1.0, limit=1)
        assert found.error is None and found.mark is not None
        assert mark is None or found.mark.seq > mark.seq
        mark, looks = found.mark, looks + 1
    assert looks >= 3 and mark.hash == log.head.hash


@pytest.mark.parametrize("name", [DAY1, DAY2, DAY3])
def test_a_flipped_bit_is_noticed_by_who_reads_it(log: AuditLog, folder: Path, name: str) -> None:
    flip(folder / name, (folder / name).stat().st_size // 2)
    found = follow_on(folder, None, 1.0)
    assert found.error is not None and found.error.startswith(name) and found.mark is None


def test_damage_at_the_mark_and_behind_it_is_noticed(log: AuditLog, folder: Path) -> None:
    mark = mark_of(folder)
    append_task(log, 9)
    log.commit()
    flip(folder / DAY3, mark.offset - 5)  # in the very record that was verified last
    assert "is not there any more as it was" in str(follow_on(folder, mark, 2.0).error)
    flip(folder / DAY3, mark.offset - 5)
    flip(folder / DAY3, mark.offset + 300)
    assert str(follow_on(folder, mark, 2.0).error).startswith(f"{DAY3}:")


def test_a_file_between_that_is_gone_is_noticed(log: AuditLog, folder: Path) -> None:
    (folder / DAY2).unlink()
    assert "are missing before" in str(follow_on(folder, None, 1.0).error)


def test_a_verified_file_that_was_put_away_is_continued_by_the_next_one(log: AuditLog, folder: Path) -> None:
    end = (folder / DAY1).stat().st_size
    first = follow_on(folder, None, 1.0, limit=end)
    assert first.mark is not None and first.mark.file == DAY1
    (folder / DAY1).unlink()
    log_id = follow_on(folder, None, 1.0).mark
    assert log_id is not None  # the second day names the same log
    assert follow_on(folder, first.mark, 2.0).error is None
    forged = Mark(first.mark.log_id, first.mark.seq, "0" * 64, DAY1, end, 1.0)
    assert "does not continue" in str(follow_on(folder, forged, 2.0).error)


@pytest.mark.parametrize("name", [DAY1, DAY2])
def test_a_file_that_does_not_begin_like_one_is_never_left_out(log: AuditLog, folder: Path, name: str) -> None:
    mark = mark_of(folder)
    flip(folder / name, 3)
    for known in (None, mark):
        assert follow_on(folder, known, 2.0).error == f"{name}: its first line is no line of the log"


def test_a_file_that_is_just_being_made_is_no_damage(log: AuditLog, folder: Path) -> None:
    (folder / "audit_2026-09-24.jsonl").touch()
    assert follow_on(folder, None, 2.0).error is None


def test_a_mark_of_another_log_or_beyond_the_end_counts_for_nothing(log: AuditLog, folder: Path) -> None:
    mark = mark_of(folder)
    for strange in (
        Mark("another", mark.seq, mark.hash, mark.file, mark.offset, 1.0),
        Mark(mark.log_id, mark.seq + 5, "0" * 64, mark.file, mark.offset, 1.0),
    ):
        assert follow_on(folder, strange, 2.0).checked == log.head.seq


def test_a_cut_log_a_missing_head_and_no_log(log: AuditLog, folder: Path, tmp_path: Path) -> None:
    size = (folder / DAY3).stat().st_size
    with (folder / DAY3).open("r+b") as stream:
        stream.truncate(log.head.offset - 1)
    assert "which was durable" in str(follow_on(folder, None, 1.0).error)
    with (folder / DAY3).open("r+b") as stream:
        stream.truncate(size)
    (folder / "head").unlink()
    assert "its head was not used" in str(follow_on(folder, None, 1.0).error)
    assert follow_on(tmp_path / "nothing", None, 1.0).error == "there is no log"


def test_the_mark_is_remembered_and_a_broken_one_is_none(desk: Desk) -> None:
    mark = Mark("id", 3, "0" * 64, DAY1, 700, 1.5)
    assert read_mark(desk) is None
    write_mark(Files(), desk, mark)
    assert read_mark(desk) == mark
    (desk.logs / audit_since.MARK_NAME).write_bytes(b"{}")
    assert read_mark(desk) is None
