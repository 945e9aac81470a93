"""Packed days: every reader reads them as the plain ones, damage is found, and no crash loses a line."""

from __future__ import annotations

import gzip
import io
import shutil
import subprocess
import zlib
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import pytest

from deskhand.core.record import MAX_LINE, Draft
from deskhand.errors import IntegrityError, StoreError
from deskhand.store import audit_pack, audit_read
from deskhand.store.audit_log import AuditLog
from deskhand.store.audit_verify import Verified, verify
from deskhand.store.files import Files, StrPath
from deskhand.store.head import HEAD_NAME
from deskhand.store.packed import unpack
from deskhand.store.segments import batches, free_name, names, scan
from deskhand.testing.clock import FakeClock
from deskhand.testing.faulty_files import Crash, FaultyFiles
from deskhand.testing.sample_log import append_task, begin, three_days

DAY1, DAY2, DAY3 = "audit_2026-09-21.jsonl", "audit_2026-09-22.jsonl", "audit_2026-09-23.jsonl"
LATER = 4e9
BEAT = Draft("log.heartbeat", {"uptime_s": 1})


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def folder(tmp_path: Path, clock: FakeClock) -> Path:
    three_days(tmp_path / "audit_logs", clock).close()
    return tmp_path / "audit_logs"


def pack_all(folder: Path, files: Files | None = None) -> list[audit_pack.Packed]:
    """Pack what may be packed, and remove the plain ones."""
    done = []
    for segment in audit_pack.candidates(folder, LATER):
        packed = audit_pack.pack(files or Files(), segment.path)
        assert packed is not None
        audit_pack.retire(files or Files(), segment.path)
        done.append(packed)
    return done


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name.startswith("audit_") or path.name.startswith(".")}


def test_closed_days_are_packed_and_the_newest_is_not(folder: Path) -> None:
    plain = {name: (folder / name).read_bytes() for name in (DAY1, DAY2)}
    done = pack_all(folder)
    assert files_in(folder) == {f"{DAY1}.gz", f"{DAY2}.gz", DAY3}
    for packed in done:
        data = (folder / f"{packed.name}.gz").read_bytes()
        assert gzip.decompress(data) == plain[packed.name]
        assert (packed.bytes, packed.sha256) == (len(plain[packed.name]), sha256(plain[packed.name]).hexdigest())
        assert (packed.packed_bytes, packed.packed_sha256) == (len(data), sha256(data).hexdigest())
    assert [packed.name for packed in done] == [DAY1, DAY2]


@pytest.mark.skipif(shutil.which("zcat") is None, reason="no zcat here")
def test_strangers_unpack_it_to_the_recorded_hash(folder: Path) -> None:
    recorded = {segment.fact("previous"): segment.fact("sha256") for segment in scan(folder).segments}
    pack_all(folder)
    said = subprocess.run(["zcat", f"{DAY1}.gz"], cwd=folder, capture_output=True, check=True, timeout=30).stdout
    assert sha256(said).hexdigest() == recorded[DAY1]


def test_the_same_day_gives_the_same_file(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "again")
    pack_all(folder)
    pack_all(tmp_path / "again")
    assert (folder / f"{DAY1}.gz").read_bytes() == (tmp_path / "again" / f"{DAY1}.gz").read_bytes()


def test_every_reader_reads_both_without_a_difference(folder: Path, tmp_path: Path, clock: FakeClock) -> None:
    shutil.copytree(folder, tmp_path / "plain")
    pack_all(folder)

    def read(where: Path) -> tuple[object, ...]:
        log = AuditLog.open(Files(), where, clock=clock)
        snapshot, records = log.replay()
        found = (log.head.seq, log.hash_at(3), snapshot, [record.seq for record in records])
        log.close()
        task = audit_read.Filter(task="20260101-000000-aaaaab")
        both = [verify(where, strict=strict) for strict in (True, False)]
        segments = [(one.name, one.size, one.first_seq, one.prev) for one in scan(where).segments]
        lines = list(audit_read.lines(where))
        return (*found, both, segments, lines, audit_read.last(where, 50), list(audit_read.lines(where, task)))

    assert read(folder) == read(tmp_path / "plain")
    assert verify(folder).ok and names(folder) == [DAY1, DAY2, DAY3]


def test_without_a_head_all_of_it_is_read_at_the_start(folder: Path, clock: FakeClock) -> None:
    pack_all(folder)
    (folder / HEAD_NAME).unlink()
    log = AuditLog.open(Files(), folder, clock=clock)
    assert log.append(BEAT) == 58
    log.close()
    for path in folder.glob("snapshot_*"):
        path.unlink()
    assert [record.seq for record in AuditLog.open(Files(), folder, clock=clock).replay()[1]][:3] == [1, 2, 3]


def test_a_name_that_is_packed_is_taken(folder: Path) -> None:
    pack_all(folder)
    assert free_name(folder, 1789948800.0) == "audit_2026-09-21_2.jsonl"


def test_a_listed_file_that_was_packed_meanwhile_is_found(folder: Path) -> None:
    segments = scan(folder).segments
    before = list(audit_read.lines(folder))
    pack_all(folder)
    found = [raw for one in segments for batch in batches(one.path) for raw in batch]
    assert found == [line.raw for line in before]


# -- damage ----------------------------------------------------------------------------------------------------------


def problems(result: Verified) -> set[str]:
    return {problem.file for problem in result.errors}


def content(data: bytes) -> bytes | None:
    """What another reader of gzip finds; None when it finds fault."""
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return None


def test_a_flipped_byte_of_a_packed_file_is_found(folder: Path) -> None:
    plain = (folder / DAY1).read_bytes()
    pack_all(folder)
    path = folder / f"{DAY1}.gz"
    good = path.read_bytes()
    for at in (*range(0, len(good), 53), *range(len(good) - 12, len(good))):
        bad = bytearray(good)
        bad[at] ^= 0x10
        path.write_bytes(bad)
        # Parts of the header, and the last bits before the checksum, say nothing about the content.
        harmless = content(bytes(bad)) == plain
        assert not harmless or at < 10 or at == len(good) - 9, at
        assert [verify(folder, strict=strict).ok for strict in (True, False)] == [harmless, harmless], at
    assert problems(verify(folder)) == {f"{DAY1}.gz"}


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: data[:-1], "it ends too early"),
        (lambda data: data[: len(data) // 2], "it ends too early"),
        (lambda data: data + b"\0", "something stands behind its end"),
        (lambda data: data + data, "something stands behind its end"),
        (lambda data: b"{}", "the packed file is damaged"),
        (lambda data: b"", "it ends too early"),
    ],
)
def test_a_spoiled_packed_file_is_named_and_nothing_is_started(
    folder: Path, clock: FakeClock, spoil: object, reason: str
) -> None:
    pack_all(folder)
    path = folder / f"{DAY1}.gz"
    path.write_bytes(spoil(path.read_bytes()))  # type: ignore[operator]
    for strict in (True, False):
        found = verify(folder, strict=strict)
        assert not found.ok and any(reason in problem.reason for problem in found.errors), found.errors
    (folder / HEAD_NAME).unlink()
    with pytest.raises(IntegrityError):
        AuditLog.open(Files(), folder, clock=clock)


def test_what_stands_behind_the_end_of_a_long_one_is_found_too(tmp_path: Path, clock: FakeClock) -> None:
    folder = tmp_path / "long"
    log = begin(folder, clock)
    for _ in range(255):  # with the first line a whole number of what is read at a time
        log.append(BEAT)
    log.commit()
    log.rotate(b"{}")
    log.close()
    (packed,) = pack_all(folder)
    assert packed.bytes > 2 * MAX_LINE, "or the first look at the file comes to its end"
    path = folder / f"{packed.name}.gz"
    path.write_bytes(path.read_bytes() + b"\0")
    for strict in (True, False):
        assert [problem.reason for problem in verify(folder, strict=strict).errors] == [
            "the packed file is damaged: something stands behind its end"
        ]


def test_a_cut_file_is_not_read_for_ever() -> None:
    ends: list[int] = []

    class Cut(io.BytesIO):
        """Ends, and is asked once more at most."""

        def read(self, size: int | None = -1) -> bytes:
            data = super().read(size)
            if not data:
                ends.append(1)
                assert len(ends) < 3, "it is read again and again"
            return data

    with pytest.raises(IntegrityError, match="it ends too early"):
        unpack(Cut(gzip.compress(b"a line\n")[:-1]), Path("x.gz"), 1 << 16).read()


def test_a_changed_record_in_a_packed_file_is_found_at_its_line(folder: Path) -> None:
    pack_all(folder)
    data = gzip.decompress((folder / f"{DAY1}.gz").read_bytes())
    (folder / f"{DAY1}.gz").write_bytes(gzip.compress(data.replace(b'"attempt":2', b'"attempt":3', 1)))
    found = verify(folder)
    assert not found.ok and found.errors[0].file == DAY1 and found.errors[0].line > 1


def test_one_that_was_packed_by_hand_counts_and_is_said_to_be_another(folder: Path, clock: FakeClock) -> None:
    log = AuditLog.open(Files(), folder, clock=clock)
    for packed in pack_all(folder):
        log.append(Draft("audit.compressed", {"name": packed.name, "packed_sha256": packed.packed_sha256}))
    log.commit()
    log.close()
    assert (verify(folder).ok, verify(folder).notes) == (True, ())
    path = folder / f"{DAY1}.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 1))
    found = verify(folder)
    assert found.ok and "packed again by somebody" in found.notes[0]


def test_a_file_that_is_not_what_was_closed_is_not_packed(folder: Path) -> None:
    data = (folder / DAY1).read_bytes()
    (folder / DAY1).write_bytes(data.replace(b'"attempt":2', b'"attempt":3', 1))
    with pytest.raises(IntegrityError, match="not the file that was closed"):
        audit_pack.pack(Files(), folder / DAY1)
    assert files_in(folder) == {DAY1, DAY2, DAY3}


class Flipping(Files):
    """A disk that changes one byte of what is copied to it."""

    def copy(self, source: BinaryIO, target: StrPath, *, limit: int, mode: int = 0o600, sync: bool = True) -> int:
        done = super().copy(source, target, limit=limit, mode=mode, sync=sync)
        data = bytearray(Path(target).read_bytes())
        data[done // 2] ^= 1
        Path(target).write_bytes(data)
        return done


def test_what_does_not_unpack_to_the_same_bytes_gets_no_name(folder: Path) -> None:
    with pytest.raises(IntegrityError, match="does not unpack to the same bytes"):
        audit_pack.pack(Flipping(), folder / DAY1)
    assert files_in(folder) == {DAY1, DAY2, DAY3}


def test_the_newest_file_packed_by_hand_is_refused(folder: Path, clock: FakeClock) -> None:
    data = (folder / DAY3).read_bytes()
    (folder / DAY3).unlink()
    (folder / f"{DAY3}.gz").write_bytes(gzip.compress(data))
    assert verify(folder).ok
    with pytest.raises(IntegrityError, match="the newest file is packed") as caught:
        AuditLog.open(Files(), folder, clock=clock)
    assert caught.value.hint == f"unpack it: gunzip {DAY3}.gz"


# -- what may be packed ----------------------------------------------------------------------------------------------


def test_nothing_that_a_start_reads_is_packed(folder: Path) -> None:
    def found() -> list[str]:
        return [segment.name for segment in audit_pack.candidates(folder, LATER)]

    assert found() == [DAY1, DAY2]
    newest = next(one for one in scan(folder).segments if one.name == DAY3)
    (folder / str(newest.fact("snapshot"))).unlink()
    assert found() == [DAY1], "the start replays from the day before"
    assert audit_pack.pack(Files(), folder / DAY2) is None
    (folder / HEAD_NAME).unlink()
    assert found() == []


def test_age_counts_from_the_closing(folder: Path) -> None:
    closed = scan(folder).segments[1].opening
    assert closed is not None
    assert audit_pack.candidates(folder, closed.ts) == []
    assert [one.name for one in audit_pack.candidates(folder, closed.ts + 1)] == [DAY1]


# -- crashes and a disk that refuses ---------------------------------------------------------------------------------


def test_a_crash_at_any_call_leaves_a_whole_log(folder: Path, tmp_path: Path, clock: FakeClock) -> None:
    saved = tmp_path / "saved"
    shutil.copytree(folder, saved)
    counting = FaultyFiles()
    pack_all(folder, counting)
    whole = len(counting.calls)
    assert whole > 12
    for at in range(1, whole + 1):
        shutil.rmtree(folder)
        shutil.copytree(saved, folder)
        with pytest.raises(Crash):
            pack_all(folder, FaultyFiles(at))
        assert names(folder) == [DAY1, DAY2, DAY3], at
        assert verify(folder).ok, counting.calls[at - 1]
        AuditLog.open(Files(), folder, clock=clock).close()
        assert {"."} & {name[0] for name in files_in(folder)} == set(), "the next start removes what is left"
        pack_all(folder)
        assert files_in(folder) == {f"{DAY1}.gz", f"{DAY2}.gz", DAY3} and verify(folder).ok, at


def test_a_disk_that_refuses_leaves_the_plain_file(folder: Path) -> None:
    counting = FaultyFiles()
    audit_pack.pack(counting, folder / DAY1)
    (folder / f"{DAY1}.gz").unlink()
    for at, call in enumerate(counting.calls, 1):
        if call.startswith(("fsync", "unlink")):
            continue
        with pytest.raises(StoreError):
            audit_pack.pack(FaultyFiles(at, 28), folder / DAY1)
        assert files_in(folder) == {DAY1, DAY2, DAY3}, call


def test_it_can_be_left_off(folder: Path) -> None:
    assert audit_pack.pack(Files(), folder / DAY1, lambda: True) is None
    assert files_in(folder) == {DAY1, DAY2, DAY3}


def test_a_plain_file_is_never_removed_without_its_packed_form(folder: Path) -> None:
    audit_pack.retire(Files(), folder / DAY1)
    assert (folder / DAY1).exists()


def test_while_both_stand_there_the_plain_one_counts(folder: Path, clock: FakeClock) -> None:
    (folder / f"{DAY1}.gz").write_bytes(b"rubbish")
    assert verify(folder).ok
    pack_all(folder)
    assert verify(folder).ok and files_in(folder) == {f"{DAY1}.gz", f"{DAY2}.gz", DAY3}
    log = AuditLog.open(Files(), folder, clock=clock)
    append_task(log, 9)
    log.commit()
    assert verify(folder).ok
