"""``audit verify``: a good log is good, and every kind of damage is named by file, line and reason."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from deskhand.core.chain import Link
from deskhand.core.record import Draft, Stamp, encode
from deskhand.store.audit_log import AuditLog
from deskhand.store.audit_verify import MAX_PROBLEMS, Verified, verify
from deskhand.store.files import Files
from deskhand.store.head import encode_head, read_head
from deskhand.testing.clock import FakeClock
from deskhand.testing.sample_log import append_task, begin, key, three_days

DAY1, DAY2, DAY3 = "audit_2026-09-21.jsonl", "audit_2026-09-22.jsonl", "audit_2026-09-23.jsonl"
BEAT = Draft("log.heartbeat", {"uptime_s": 1})


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    return three_days(tmp_path / "audit_logs", FakeClock())


@pytest.fixture
def folder(log: AuditLog, tmp_path: Path) -> Path:
    return tmp_path / "audit_logs"


def places(result: Verified) -> list[tuple[str, int]]:
    return [(problem.file, problem.line) for problem in result.errors]


def reasons(result: Verified) -> str:
    return "\n".join(problem.reason for problem in result.errors)


@pytest.mark.parametrize("strict", [True, False])
def test_a_good_log(folder: Path, log: AuditLog, strict: bool) -> None:
    seen: list[tuple[int, int]] = []
    result = verify(folder, strict=strict, progress=lambda done, total: seen.append((done, total)))
    assert result.ok and result.errors == () and result.notes == ()
    assert (result.entries, result.head, result.log_id) == (log.head.seq, log.head.hash, log.log_id)
    assert (result.first_seq, result.last_seq, result.files) == (1, log.head.seq, (DAY1, DAY2, DAY3))
    total = sum(path.stat().st_size for path in folder.glob("*.jsonl"))
    assert seen[-1] == (total, total) and seen == sorted(seen)


def test_f51_one_changed_byte_is_found_at_its_line(folder: Path) -> None:
    for name in (DAY1, DAY3):
        good = (folder / name).read_bytes()
        start = 0
        for number, line in enumerate(good.splitlines(keepends=True), 1):
            for at in range(0, len(line), 89):
                bad = bytearray(good)
                bad[start + at] ^= 0x04
                (folder / name).write_bytes(bad)
                for strict in (True, False):
                    result = verify(folder, strict=strict)
                    assert not result.ok
                    assert number == 1 or (name, number) in places(result), (name, number, at, result.errors)
            start += len(line)
        (folder / name).write_bytes(good)


def test_a_changed_last_line_of_a_closed_day_is_found_in_that_day(folder: Path) -> None:
    data = (folder / DAY1).read_bytes()
    (folder / DAY1).write_bytes(data[:-30] + b"X" + data[-29:])
    result = verify(folder, strict=False)
    assert places(result) == [(DAY1, 19)]
    assert "the line was changed" in reasons(result)


Edit = Callable[[list[bytes]], list[bytes]]


@pytest.mark.parametrize(
    ("edit", "line", "words"),
    [
        (lambda x: x[:4] + x[5:], 5, "record 5 is missing before this line"),
        (lambda x: [*x[:4], x[5], x[4], *x[6:]], 5, "record 5 is missing"),
        (lambda x: [*x[:4], x[3], *x[4:]], 5, "record 4 stands where 5 should: duplicated or moved"),
        (lambda x: [*x[:4], b'{"hello":1}\n', *x[4:]], 5, "does not begin with"),
        (lambda x: x[:-1], 0, "bytes is"),
        (lambda x: [*x[:-1], x[-1][:-9]], 19, "incomplete"),
    ],
    ids=["missing", "swapped", "twice", "inserted", "tail of a closed day", "torn"],
)
def test_f51_edited_lines(folder: Path, edit: Edit, line: int, words: str) -> None:
    path = folder / DAY1
    path.write_bytes(b"".join(edit(path.read_bytes().splitlines(keepends=True))))
    result = verify(folder)
    assert words in reasons(result), result.errors
    assert (DAY1, line) in places(result) or line == 0


def test_f51_a_chain_made_anew_does_not_meet_its_head(folder: Path) -> None:
    """Somebody changes a record and recomputes everything after it: only the head (or its mirror) still knows."""
    path = folder / DAY3
    prev, lines = "", []
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True)):
        if number == 4:
            line = line.replace(b"rename", b"rEname").replace(b"ready", b"reAdy")
        if number > 4:
            line = line[:9] + prev.encode() + line[73:]
        prev = hashlib.sha256(line).hexdigest()
        lines.append(line)
    path.write_bytes(b"".join(lines))
    result = verify(folder, strict=False)
    assert places(result) == [(DAY3, 19)]
    assert "the head says that record" in reasons(result)


def test_f51_deleted_files_are_named(folder: Path, log: AuditLog) -> None:
    (folder / DAY2).rename(folder / "aside")
    result = verify(folder)
    assert places(result)[0] == (DAY2, 0)
    assert "records 20 to 38 are missing between" in reasons(result)
    (folder / "aside").rename(folder / DAY2)
    (folder / DAY3).unlink()
    result = verify(folder)
    assert places(result) == [(DAY3, 0)]
    assert f"the head says that record {log.head.seq} is in it" in reasons(result)


def test_older_days_that_are_not_here_are_said_to_be_unverified(folder: Path) -> None:
    (folder / DAY1).unlink()
    result = verify(folder)
    assert result.ok and result.absent == (DAY1,) and result.first_seq == 20
    assert "records 1 to 19 are in older files that are not here and were not verified" in result.notes[0]


def test_an_empty_folder_is_no_log(tmp_path: Path) -> None:
    result = verify(tmp_path)
    assert not result.ok and result.head is None and "there is no log" in reasons(result)


def test_what_is_behind_the_head_is_counted_and_no_error(folder: Path, log: AuditLog) -> None:
    head = (folder / "head").read_bytes()
    log.append(BEAT)
    log.append(BEAT)
    log.commit()
    (folder / "head").write_bytes(head)
    with (folder / DAY3).open("ab") as stream:
        stream.write(b'{"prev":"torn')
    result = verify(folder)
    assert result.ok
    assert (result.entries, result.beyond_head, result.loose_bytes) == (log.head.seq - 2, 2, 13)


def test_f67_a_log_that_was_rolled_back_is_known_from_outside(folder: Path, log: AuditLog) -> None:
    log.append(BEAT)
    log.commit()
    path = folder / DAY3
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    head, _ = read_head(folder)
    assert head is not None
    before = lines[-1][9:73].decode()
    cut = type(head)(head.seq - 1, before, head.file, head.offset - len(lines[-1]))
    (folder / "head").write_bytes(encode_head(cut))
    assert verify(folder).ok, "not detectable from inside"
    result = verify(folder, at_least=Link(log.head.seq, log.head.hash))
    assert not result.ok and "but the log ends before" in reasons(result)
    assert verify(folder, at_least=Link(cut.seq, cut.hash)).ok
    assert not verify(folder, at_least=Link(cut.seq, "f" * 64)).ok
    assert not verify(folder, at_least=Link(3, "f" * 64)).ok


def test_a_damaged_snapshot_is_named_and_a_missing_one_noted(folder: Path) -> None:
    (folder / "snapshot_19.json").write_bytes(b"other")
    (folder / "snapshot_38.json").unlink()
    result = verify(folder)
    assert places(result) == [("snapshot_19.json", 0)]
    assert result.notes == (f"snapshot_38.json, recorded in {DAY3}, is not here",)


def forged(log: AuditLog, folder: Path, line: Callable[[Stamp], bytes]) -> Verified:
    """The log with a well-chained line added by somebody who can compute hashes."""
    head = log.head
    raw = line(Stamp(head.hash, head.seq + 1, 0.0, "r", 0, "s" * 22))
    with (folder / head.file).open("ab") as stream:
        stream.write(raw)
    digest = hashlib.sha256(raw).hexdigest()
    (folder / "head").write_bytes(encode_head(type(head)(head.seq + 1, digest, head.file, head.offset + len(raw))))
    return verify(folder)


BASE = {"task": key(9), "tn": 1, "tprev": None, "from": None, "to": "received"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (lambda s: encode(BEAT, s).replace(b',"type"', b' ,"type"'), "spaces outside strings"),
        (lambda s: encode(BEAT, s).replace(b"uptime_s", b"password"), "no field"),
        (lambda s: encode(BEAT, s).replace(b"heartbeat", b"heartburn"), "no such record type"),
        (lambda s: encode(Draft("log.genesis", {}), s), "does not belong here"),
        (lambda s: encode(Draft("segment.open", {}), s), "does not belong here"),
        (lambda s: encode(Draft("task.ready", {**BASE, "to": "ready"}), s), "a task begins as received"),
        (lambda s: encode(Draft("task.ready", {**BASE, "tn": 2, "tprev": 5, "to": "ready"}), s), "no unfinished task"),
        (lambda s: encode(Draft("task.received", {**BASE, "task": "../../etc"}), s), "task is not a task key"),
    ],
)
def test_a_well_chained_line_that_breaks_the_rules_is_found(
    log: AuditLog, folder: Path, line: Callable[[Stamp], bytes], words: str
) -> None:
    result = forged(log, folder, line)
    assert places(result) == [(DAY3, 20)]
    assert words in reasons(result)
    assert verify(folder, strict=False).ok, "the chain alone says nothing about content"


def test_a_log_full_of_damage_lists_only_so_much(tmp_path: Path) -> None:
    log = begin(tmp_path, FakeClock())
    for _ in range(MAX_PROBLEMS + 50):
        log.append(BEAT)
    log.commit()
    path = tmp_path / log.head.file
    path.write_bytes(path.read_bytes().replace(b"uptime_s", b"downtime"))
    result = verify(tmp_path)
    assert len(result.errors) == MAX_PROBLEMS and result.more_errors > 50


def test_verify_changes_nothing_and_runs_beside_the_daemon(tmp_path: Path) -> None:
    log = begin(tmp_path, FakeClock())
    for number in range(20):
        append_task(log, number)
        log.commit()
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        assert verify(tmp_path).entries == log.head.seq
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.slow
def test_a_large_log_needs_no_more_memory_than_a_small_one(tmp_path: Path) -> None:
    import tracemalloc

    peaks = []
    for count in (2_000, 20_000):
        folder = tmp_path / str(count)
        log = AuditLog.create(Files(), folder, clock=FakeClock(), origin={}, desk="d", version="0")
        for number in range(count // 9):
            append_task(log, number)
        log.commit()
        tracemalloc.start()
        assert verify(folder).ok
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.5 + 500_000


def test_only_what_is_finished_can_be_forgotten(log: AuditLog, folder: Path) -> None:
    forgotten = {"actor": {"kind": "person", "via": "command"}, "files": 3}
    log.append(Draft("task.forgotten", {"task": key(0), **forgotten}))
    log.commit()
    assert verify(folder).ok
    append_task(log, 9, upto=3)
    log.append(Draft("task.forgotten", {"task": key(9), **forgotten}))
    log.commit()
    assert reasons(verify(folder)) == f"{key(9)} is unfinished and was forgotten"
