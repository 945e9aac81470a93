"""``audit show``: the last records, a selection, and following a log that grows and changes its day."""

from __future__ import annotations

from pathlib import Path

import pytest

from deskhand.core.record import Draft, line_hash
from deskhand.store.audit_log import AuditLog
from deskhand.store.audit_read import Filter, Line, follow, hash_at, last, lines
from deskhand.testing.clock import FakeClock
from deskhand.testing.sample_log import append_task, begin, key, three_days

BEAT = Draft("log.heartbeat", {"uptime_s": 1})


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def log(tmp_path: Path, clock: FakeClock) -> AuditLog:
    return three_days(tmp_path, clock)


def seqs(found: list[Line]) -> list[int]:
    return [line.record.seq for line in found if line.record is not None]


def test_all_lines_in_order(log: AuditLog, tmp_path: Path) -> None:
    found = list(lines(tmp_path))
    assert seqs(found) == list(range(1, log.head.seq + 1))
    assert (found[19].file, found[19].number) == ("audit_2026-09-22.jsonl", 1)


@pytest.mark.parametrize("count", [0, 1, 5, 25, 1000])
def test_the_last_ones_over_files(log: AuditLog, tmp_path: Path, count: int) -> None:
    total = log.head.seq
    assert seqs(last(tmp_path, count)) == list(range(1, total + 1))[max(0, total - count) :]


def test_an_incomplete_last_line_is_not_there_yet(log: AuditLog, tmp_path: Path) -> None:
    with (tmp_path / log.head.file).open("ab") as stream:
        stream.write(b'{"prev":"')
    assert seqs(last(tmp_path, 1)) == [log.head.seq]


def test_a_line_that_is_no_record_is_shown_and_never_selected(log: AuditLog, tmp_path: Path) -> None:
    with (tmp_path / log.head.file).open("ab") as stream:
        stream.write(b"nonsense\n")
    assert [(line.raw, line.record) for line in last(tmp_path, 1)] == [(b"nonsense\n", None)]
    assert seqs(last(tmp_path, 1, Filter(type="task.*"))) == [log.head.seq]


def test_filters(log: AuditLog, tmp_path: Path, clock: FakeClock) -> None:
    log.append(Draft("desk.paused", {"actor": {"kind": "person", "via": "command", "uid": 1000, "user": "ada"}}))
    log.commit()
    head = log.head.seq
    full_id = f"{key(3)[:15]}-some-name-{key(3)[-6:]}"
    for task in (key(3), key(3)[-6:], full_id):
        assert seqs(list(lines(tmp_path, Filter(task=task)))) == list(range(30, 39))
    assert len(list(lines(tmp_path, Filter(type="task.delivered")))) == 6
    assert len(list(lines(tmp_path, Filter(type="segment.*")))) == 2
    for actor in ("ada", "1000", "person", "a*"):
        assert seqs(list(lines(tmp_path, Filter(actor=actor)))) == [head]
    assert seqs(list(lines(tmp_path, Filter(since=clock.wall())))) == list(range(39, head + 1))
    assert seqs(last(tmp_path, 2, Filter(task=key(0), type="task.st*"))) == [6, 8]
    assert list(lines(tmp_path, Filter(task="nothing"))) == []


def test_following_survives_a_new_day(tmp_path: Path, clock: FakeClock) -> None:
    log = begin(tmp_path, clock)
    log.append(BEAT)
    log.commit()

    def beat() -> bool:
        log.append(BEAT)
        log.commit()
        return True

    def new_day() -> bool:
        log.append(BEAT)
        clock.advance(86_400)
        log.rotate(b"{}")
        log.append(BEAT)
        log.commit()
        return True

    steps = iter([beat, new_day, beat])
    found = list(follow(tmp_path, lambda: next(steps, bool)()))
    assert seqs(found) == list(range(3, log.head.seq + 1))
    assert found[-1].file == "audit_2026-09-22.jsonl"


def test_following_from_a_line_that_was_shown(log: AuditLog, tmp_path: Path) -> None:
    for back in (1, 7, 25):
        shown = last(tmp_path, back)[0]
        found = list(follow(tmp_path, lambda: False, after=shown))
        assert seqs(found) == list(range(log.head.seq - back + 2, log.head.seq + 1))
    only = Filter(type="task.completed")
    found = list(follow(tmp_path, lambda: False, only, after=next(lines(tmp_path))))
    assert len(found) == 6


def test_following_waits_for_whole_lines(tmp_path: Path, clock: FakeClock) -> None:
    log = begin(tmp_path, clock)
    append_task(log, 0, upto=1)
    log.commit()
    path = tmp_path / log.head.file
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    found: list[int] = []
    seen_while_waiting: list[list[int]] = []

    def finish() -> bool:
        seen_while_waiting.append(list(found))
        path.write_bytes(whole)
        return len(seen_while_waiting) < 2

    found.extend(line.number for line in follow(tmp_path, finish))
    assert (seen_while_waiting, found) == ([[], [2]], [2])


def test_no_log_to_follow(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        next(follow(tmp_path, lambda: False))


def test_the_hash_of_any_record(log: AuditLog, tmp_path: Path) -> None:
    raw = [line.raw for line in lines(tmp_path)]
    for seq in (1, 19, 20, log.head.seq):
        assert hash_at(tmp_path, seq) == line_hash(raw[seq - 1]) == log.hash_at(seq)
    assert hash_at(tmp_path, 0) is hash_at(tmp_path, log.head.seq + 1) is None
