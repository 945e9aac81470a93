"""What a crash leaves behind is recovered; what a crash cannot have done is refused, by file and line."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path

import pytest

from deskhand.core.record import Draft, decode
from deskhand.errors import ExitCode, IntegrityError, StoreError
from deskhand.store.audit_log import AuditLog
from deskhand.store.audit_recovery import CUT_INLINE
from deskhand.store.audit_verify import verify
from deskhand.store.files import Files
from deskhand.store.head import encode_head, read_head
from deskhand.testing.clock import FakeClock
from deskhand.testing.sample_log import append_task, begin, three_days

BEAT = Draft("log.heartbeat", {"uptime_s": 1})
NAME = "audit_2026-09-21.jsonl"


class QuickFiles(Files):
    """Without the syncs, which these tests do not look at: hundreds of logs are opened here."""

    def fsync(self, fd: int) -> None:
        """Nothing."""

    def fdatasync(self, fd: int) -> None:
        """Nothing."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit_logs"


def reopen(folder: Path, clock: FakeClock, files: Files | None = None) -> AuditLog:
    return AuditLog.open(files or QuickFiles(), folder, clock=clock)


def one_task(folder: Path, clock: FakeClock) -> tuple[bytes, bytes]:
    """A log of genesis and one task: the file and the head."""
    log = begin(folder, clock)
    append_task(log, 0)
    log.commit()
    log.close()
    return (folder / NAME).read_bytes(), (folder / "head").read_bytes()


def refused(folder: Path, clock: FakeClock) -> str:
    """The words of the refusal; nothing was changed by it."""
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(IntegrityError) as caught:
        reopen(folder, clock)
    assert caught.value.exit_code is ExitCode.INTEGRITY
    assert caught.value.hint
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    return str(caught.value)


def test_f51_torn_at_every_byte_of_the_tail(folder: Path, clock: FakeClock) -> None:
    """Three records behind the head, cut at each byte: whole lines stay, the rest is kept in log.recovered."""
    whole, head = one_task(folder, clock)
    lines = whole.splitlines(keepends=True)
    log = reopen(folder, clock)
    for _ in range(2):
        log.append(BEAT)
    log.commit()
    log.close()
    longer = (folder / NAME).read_bytes()
    ends = [len(whole) + len(longer[len(whole) :].split(b"\n")[0]) + 1, len(longer)]
    for size in range(len(whole), len(longer) + 1):
        (folder / NAME).write_bytes(longer[:size])
        (folder / "head").write_bytes(head)
        again = reopen(folder, clock)
        kept = max(end for end in (len(whole), *ends) if end <= size)
        if size == kept:
            assert again.recovered is None
            assert (folder / NAME).read_bytes() == longer[:size]
        else:
            assert again.recovered is not None
            assert (again.recovered.kept_bytes, again.recovered.cut_bytes) == (kept, size - kept)
            last = decode((folder / NAME).read_bytes()[kept:])
            assert (last.type, last.seq) == ("log.recovered", again.head.seq)
            assert base64.b64decode(last.fields["cut"]) == longer[kept:size]
        again.close()
        assert read_head(folder)[0] == again.head
        assert again.head.seq >= len(lines)
    assert verify(folder).ok


@pytest.mark.parametrize(
    "tail",
    [b"\0" * 5000, b"garbage\n", b"\n", b'{"prev":"' + b"0" * 64 + b'","seq":11,}\n', os.urandom(64)],
    ids=["zeros", "line", "empty line", "wrong prev", "random"],
)
def test_f51_what_a_power_cut_leaves_behind_the_head_is_cut(folder: Path, clock: FakeClock, tail: bytes) -> None:
    whole, _ = one_task(folder, clock)
    (folder / NAME).write_bytes(whole + tail)
    log = reopen(folder, clock, Files())
    assert log.recovered is not None
    assert (log.recovered.line, log.recovered.cut_bytes) == (11, len(tail))
    assert log.recovered.cut_sha256 == hashlib.sha256(tail).hexdigest()
    assert verify(folder).ok


def test_f51_a_chained_line_that_is_no_record_is_cut(folder: Path, clock: FakeClock) -> None:
    whole, _ = one_task(folder, clock)
    prev = hashlib.sha256(whole.splitlines(keepends=True)[-1]).hexdigest()
    (folder / NAME).write_bytes(whole + b'{"prev":"%b","seq":11,"ts":"\0\0\0\n' % prev.encode())
    log = reopen(folder, clock)
    assert log.recovered is not None and log.recovered.reason == "the line is no record"


def test_f51_a_large_cut_is_kept_in_a_file_too(folder: Path, clock: FakeClock) -> None:
    whole, _ = one_task(folder, clock)
    tail = os.urandom(CUT_INLINE * 4)
    (folder / NAME).write_bytes(whole + tail)
    log = reopen(folder, clock)
    assert log.recovered is not None and log.recovered.copy == "cut_11.bin"
    assert (folder / "cut_11.bin").read_bytes() == tail
    record = decode((folder / NAME).read_bytes()[len(whole) :])
    assert base64.b64decode(record.fields["cut"]) == tail[:CUT_INLINE]
    assert verify(folder).ok


def test_f51_a_flipped_bit_at_or_below_the_head_is_refused_with_its_line(folder: Path, clock: FakeClock) -> None:
    whole, _ = one_task(folder, clock)
    lines = whole.splitlines(keepends=True)
    start = 0
    for number, line in enumerate(lines, 1):
        for at in range(len(line) - 1, -1, -23):
            bad = bytearray(whole)
            bad[start + at] ^= 0x02
            (folder / NAME).write_bytes(bad)
            words = refused(folder, clock)
            assert NAME in words, words
            merged = at == len(line) - 1  # without its LF a line swallows the next one
            named = {f"line {number}:", f"line {number + merged}:"}
            assert number == 1 or any(name in words for name in named), (number, at, words)
        start += len(line)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda lines: lines[:3] + lines[4:], "it ends at byte"),
        (lambda lines: [*lines[:3], *lines[4:], b"x" * 900, b"\n"], "line 4: record 4 is missing before this line"),
        (lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]], "line 4: record 4 is missing before this line"),
        (lambda lines: [*lines[:3], lines[2], *lines[3:]], "line 4: record 3 stands where 4 should"),
        (lambda lines: lines[:-1], "it ends at byte"),
        (lambda lines: [], "line 1: the file is empty"),
        (lambda lines: lines[1:], "line 1: it does not begin with log.genesis"),
    ],
    ids=["missing", "missing and filled up", "swapped", "twice", "tail", "all", "first"],
)
def test_f51_missing_swapped_and_repeated_lines_are_refused(
    folder: Path, clock: FakeClock, edit: object, words: str
) -> None:
    whole, _ = one_task(folder, clock)
    assert callable(edit)
    (folder / NAME).write_bytes(b"".join(edit(whole.splitlines(keepends=True))))
    said = refused(folder, clock)
    assert words in said and NAME in said


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        ("audit_2026-09-23.jsonl", "the file is gone, but the head says"),
        ("audit_2026-09-22.jsonl", "the file is missing: audit_2026-09-23.jsonl follows on it"),
    ],
)
def test_f51_a_deleted_file_is_refused_and_named(folder: Path, clock: FakeClock, gone: str, words: str) -> None:
    three_days(folder, clock).close()
    (folder / gone).unlink()
    said = refused(folder, clock)
    assert words in said and gone in said


def test_f51_the_whole_log_deleted(folder: Path, clock: FakeClock) -> None:
    one_task(folder, clock)
    (folder / NAME).unlink()
    assert "the log is gone" in refused(folder, clock)
    (folder / "head").unlink()
    assert "there is no audit log" in refused(folder, clock)


def test_f51_a_closed_day_of_another_size_is_refused(folder: Path, clock: FakeClock) -> None:
    three_days(folder, clock).close()
    with (folder / NAME).open("ab") as stream:
        stream.write(b"x")
    assert "audit_2026-09-22.jsonl closed it with" in refused(folder, clock)


def test_with_an_older_head_closed_days_are_read_again(folder: Path, clock: FakeClock) -> None:
    """After a power cut the head may be of an earlier day; what was closed since must still be right."""
    log = begin(folder, clock)
    old = log.head
    append_task(log, 0)
    clock.advance(86_400)
    log.rotate(b"{}")
    log.append(BEAT)
    log.commit()
    log.close()
    (folder / "head").write_bytes(encode_head(old))
    again = reopen(folder, clock)
    assert (again.recovered, again.head) == (None, log.head)
    again.close()
    (folder / "head").write_bytes(encode_head(old))
    data = bytearray((folder / NAME).read_bytes())
    data[-20] ^= 1
    (folder / NAME).write_bytes(data)
    assert "line 10: the line was changed: the next file continues another one" in refused(folder, clock)


def test_without_a_head_only_an_incomplete_last_line_is_cut(folder: Path, clock: FakeClock) -> None:
    whole, _ = one_task(folder, clock)
    (folder / "head").unlink()
    (folder / NAME).write_bytes(whole[:-5])
    log = reopen(folder, clock)
    assert log.recovered is not None and log.recovered.line == 10
    log.close()
    (folder / "head").unlink()
    (folder / NAME).write_bytes(whole.replace(b'"attempt":1', b'"attempt":3', 1))
    assert "line 6: the line was changed" in refused(folder, clock)


def test_a_head_in_the_middle_of_a_line_is_refused(folder: Path, clock: FakeClock) -> None:
    one_task(folder, clock)
    head, _ = read_head(folder)
    assert head is not None
    (folder / "head").write_bytes(encode_head(type(head)(head.seq, head.hash, head.file, head.offset - 3)))
    assert "none does" in refused(folder, clock)
    (folder / "head").write_bytes(encode_head(type(head)(head.seq + 1, head.hash, head.file, head.offset)))
    assert "ends where the head says that 11 does" in refused(folder, clock)


def test_f51_recovery_rewrites_what_it_keeps(folder: Path, clock: FakeClock) -> None:
    """A failed sync can leave pages that look clean: what stays beyond the head goes to the disk again."""
    whole, head = one_task(folder, clock)
    log = reopen(folder, clock)
    log.append(BEAT)
    log.commit()
    log.close()
    (folder / "head").write_bytes(head)
    written: list[tuple[int, int]] = []

    class Watching(QuickFiles):
        def pwrite(self, fd: int, data: bytes, offset: int) -> None:
            written.append((offset, len(data)))
            super().pwrite(fd, data, offset)

    reopen(folder, clock, Watching()).close()
    assert (len(whole), log.head.offset - len(whole)) in written
    assert all(offset >= len(whole) or size == 256 for offset, size in written)


def test_leftovers_are_removed(folder: Path, clock: FakeClock) -> None:
    one_task(folder, clock)
    (folder / ".deskhand-audit_2026-09-22.jsonl.tmp").write_bytes(b"half")
    reopen(folder, clock).close()
    assert sorted(os.listdir(folder)) == [NAME, "head"]


def test_a_symbolic_link_in_place_of_the_log_is_refused(folder: Path, clock: FakeClock, tmp_path: Path) -> None:
    one_task(folder, clock)
    (folder / NAME).rename(tmp_path / "elsewhere")
    (folder / NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="ymbolic link"):
        reopen(folder, clock)
