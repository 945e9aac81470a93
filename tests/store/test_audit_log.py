"""The log on a working disk: places, days, snapshots, and refusing what is not its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deskhand.core.record import Draft, decode, line_hash
from deskhand.errors import ExitCode, HeldError, IntegrityError
from deskhand.store.audit_log import SNAPSHOTS_KEPT, AuditLog
from deskhand.store.audit_verify import verify
from deskhand.store.files import Files
from deskhand.store.head import HEAD_SIZE, Head, decode_head, encode_head, read_head
from deskhand.store.open_segment import RESERVE
from deskhand.testing.clock import FakeClock
from deskhand.testing.sample_log import append_task, begin, three_days

DAY = 86_400
BEAT = Draft("log.heartbeat", {"uptime_s": 1})


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit_logs"


def reopen(folder: Path, clock: FakeClock) -> AuditLog:
    return AuditLog.open(Files(), folder, clock=clock)


def test_a_log_begins_with_its_genesis(folder: Path, clock: FakeClock) -> None:
    log = begin(folder, clock)
    assert sorted(os.listdir(folder)) == ["audit_2026-09-21.jsonl", "head"]
    line = (folder / log.head.file).read_bytes()
    genesis = decode(line)
    assert (genesis.type, genesis.seq, genesis.prev) == ("log.genesis", 1, "0" * 64)
    assert genesis.fields["log_id"] == log.log_id and len(log.log_id) == 26
    assert genesis.fields["vkey"] is None
    assert log.head == Head(1, line_hash(line), "audit_2026-09-21.jsonl", len(line)) == read_head(folder)[0]


@pytest.mark.parametrize("there", ["audit_2020-01-01.jsonl", "head"])
def test_a_log_is_never_begun_over_another(folder: Path, clock: FakeClock, there: str) -> None:
    folder.mkdir()
    (folder / there).write_bytes(b"x")
    with pytest.raises(IntegrityError) as caught:
        begin(folder, clock)
    assert caught.value.exit_code is ExitCode.INTEGRITY
    assert os.listdir(folder) == [there]


def test_what_is_committed_is_there_when_opened_again(folder: Path, clock: FakeClock) -> None:
    log = begin(folder, clock)
    written = append_task(log, 0)
    log.commit()
    log.append(BEAT)
    log.close()
    again = reopen(folder, clock)
    assert (again.head.seq, again.recovered, again.log_id) == (written[-1], None, log.log_id)
    assert again.run != log.run
    assert again.append(BEAT) == written[-1] + 1
    again.commit()
    snapshot, records = again.replay()
    assert snapshot is None
    assert [record.seq for record in records] == list(range(1, written[-1] + 2))
    assert verify(folder).ok


def test_a_bad_draft_changes_nothing(folder: Path, clock: FakeClock) -> None:
    log = begin(folder, clock)
    with pytest.raises(ValueError, match="no such record type"):
        log.append(Draft("no.such"))
    with pytest.raises(ValueError, match="longer"):
        log.append(Draft("desk.paused", {"reason": "x" * 20_000}))
    assert log.append(BEAT) == 2
    log.commit()
    assert verify(folder).ok


# -- somebody else ---------------------------------------------------------------------------------------------------


def test_f55_another_writer_is_noticed_before_the_next_write(folder: Path, clock: FakeClock) -> None:
    first, second = begin(folder, clock), reopen(folder, clock)
    second.append(BEAT)
    second.commit()
    first.append(BEAT)
    before = (folder / first.head.file).read_bytes()
    with pytest.raises(HeldError) as caught:
        first.commit()
    assert caught.value.exit_code is ExitCode.HELD
    assert (folder / first.head.file).read_bytes() == before


@pytest.mark.parametrize("what", ["replaced", "removed", "longer", "shorter"])
def test_f55_a_log_file_that_is_not_ours_any_more(folder: Path, clock: FakeClock, what: str) -> None:
    log = begin(folder, clock)
    path = folder / log.head.file
    data = path.read_bytes()
    if what in ("replaced", "removed"):
        path.rename(folder / "aside")
        if what == "replaced":
            path.write_bytes(data)
    else:
        path.write_bytes(data + b"x" if what == "longer" else data[:-1])
    log.append(BEAT)
    with pytest.raises(HeldError):
        log.commit()
    with pytest.raises(HeldError):
        log.rotate(b"{}")


# -- days ------------------------------------------------------------------------------------------------------------


def test_a_new_day_closes_the_old_one(folder: Path, clock: FakeClock) -> None:
    log = begin(folder, clock)
    append_task(log, 0, upto=3)
    assert not log.rotation_due()
    clock.advance(DAY)
    assert log.rotation_due()
    log.rotate(b'{"tasks":1}', unfinished=1)
    assert not log.rotation_due()
    assert (log.head.file, log.head.seq) == ("audit_2026-09-22.jsonl", 5)
    opening = decode((folder / log.head.file).read_bytes())
    closed = (folder / "audit_2026-09-21.jsonl").read_bytes()
    assert opening.prev == line_hash(closed.splitlines(keepends=True)[-1])
    facts = {name: opening.fields[name] for name in ("name", "previous", "first_seq", "last_seq", "bytes", "sha256")}
    assert facts == {
        "name": "audit_2026-09-22.jsonl",
        "previous": "audit_2026-09-21.jsonl",
        "first_seq": 1,
        "last_seq": 4,
        "bytes": len(closed),
        "sha256": line_hash(closed),
    }
    log.append(BEAT)
    log.commit()
    for again in (log, reopen(folder, clock)):
        snapshot, records = again.replay()
        assert snapshot == b'{"tasks":1}'
        assert [record.type for record in records] == ["segment.open", "log.heartbeat"]


def test_f58_a_date_that_comes_back_goes_on_in_a_second_file(folder: Path, clock: FakeClock) -> None:
    log = begin(folder, clock)
    for step in (DAY, -DAY, -10 * 365 * DAY, 20 * 365 * DAY, -10 * 365 * DAY):
        clock.step(step)
        log.rotate(b"{}")
        assert not log.rotation_due()
    assert log.head.file == "audit_2026-09-21_3.jsonl"
    assert "audit_2026-09-21_2.jsonl" in os.listdir(folder)
    result = verify(folder)
    assert (result.ok, result.entries, len(result.files)) == (True, 6, 6)
    assert result.files[-1] == log.head.file
    assert reopen(folder, clock).head.seq == 6


def test_a_damaged_snapshot_is_not_used(folder: Path, clock: FakeClock) -> None:
    log = three_days(folder, clock)
    snapshots = sorted(folder.glob("snapshot_*.json"), key=lambda path: int(path.stem[9:]))
    assert log.replay()[0] == b'{"day":2}'
    snapshots[-1].write_bytes(b'{"day":7}')
    snapshot, records = log.replay()
    assert snapshot == b'{"day":1}'
    assert next(records).seq == 20 and sum(1 for _ in records) == log.head.seq - 20
    snapshots[0].unlink()
    snapshot, records = log.replay()
    assert (snapshot, sum(1 for _ in records)) == (None, log.head.seq)
    (folder / "audit_2026-09-21.jsonl").unlink()
    with pytest.raises(IntegrityError, match="no usable snapshot"):
        log.replay()


def test_replay_checks_the_chain_of_what_it_reads(folder: Path, clock: FakeClock) -> None:
    log = begin(folder, clock)
    append_task(log, 0)
    log.commit()
    path = folder / log.head.file
    data = path.read_bytes().replace(b'"attempt":1', b'"attempt":7', 1)
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match=r"line 7: its prev is"):
        list(log.replay()[1])


def test_old_days_may_be_taken_away(folder: Path, clock: FakeClock) -> None:
    log = three_days(folder, clock)
    log.close()
    (folder / "audit_2026-09-21.jsonl").unlink()
    again = reopen(folder, clock)
    assert (again.log_id, again.head.seq) == (log.log_id, log.head.seq)
    assert again.replay()[0] == b'{"day":2}'


def test_only_the_newest_snapshots_are_kept(folder: Path, clock: FakeClock) -> None:
    log = begin(folder, clock)
    for _ in range(SNAPSHOTS_KEPT + 3):
        clock.advance(DAY)
        log.rotate(b"{}")
    kept = sorted(int(path.stem[9:]) for path in folder.glob("snapshot_*.json"))
    assert kept == list(range(4, 4 + SNAPSHOTS_KEPT))
    assert log.replay()[0] == b"{}"


# -- the reserve and the head ----------------------------------------------------------------------------------------


def test_f50_space_is_reserved_ahead_without_showing(folder: Path, clock: FakeClock) -> None:
    log = begin(folder, clock)
    path = folder / log.head.file
    if not log.reserve_supported:
        pytest.skip("this filesystem cannot reserve space")
    assert log.reserve_ok
    assert path.stat().st_size == log.head.offset
    assert path.stat().st_blocks * 512 >= RESERVE
    clock.advance(DAY)
    log.rotate(b"{}")
    assert path.stat().st_blocks * 512 < RESERVE, "the closed day gives its reserve back"


def test_a_log_without_new_records_still_looks_for_its_reserve(folder: Path, clock: FakeClock) -> None:
    log = begin(folder, clock)
    log.commit()
    assert log.reserve_ok and log.head.seq == 1


def test_a_head_comes_back_and_a_damaged_one_does_not() -> None:
    head = Head(12, "ab" * 32, "audit_2026-01-01_2.jsonl", 4567)
    data = encode_head(head)
    assert len(data) == HEAD_SIZE and decode_head(data) == head
    for at in range(len(data.rstrip())):
        with pytest.raises(ValueError):
            decode_head(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    with pytest.raises(ValueError):
        decode_head(data[:-1])


def test_a_missing_or_damaged_head_is_made_again_after_everything_was_verified(folder: Path, clock: FakeClock) -> None:
    log = three_days(folder, clock)
    log.close()
    for damage in (None, b"nonsense", b"x" * HEAD_SIZE):
        (folder / "head").unlink()
        if damage is not None:
            (folder / "head").write_bytes(damage)
        again = reopen(folder, clock)
        again.close()
        assert read_head(folder)[0] == again.head == log.head
