"""Drops that are not finished: fault rows 12 to 22."""

from __future__ import annotations

import mmap
import os
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deskhand.store.desk import Desk
from deskhand.store.files import Files, StrPath
from deskhand.testing.clock import FakeClock
from deskhand.testing.intake_bench import IntakeBench

linux = pytest.mark.skipif(sys.platform != "linux", reason="leases are Linux's")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def bench(desk: Desk, clock: FakeClock) -> Iterator[IntakeBench]:
    with IntakeBench(desk, clock=clock) as found:
        yield found


def contents(bench: IntakeBench) -> list[bytes]:
    return sorted(accepted.payload.read_bytes() for accepted in bench.accepted)


@linux
def test_f12_a_writer_of_one_byte_a_second_is_waited_for(desk: Desk, bench: IntakeBench, clock: FakeClock) -> None:
    with (desk.inbox / "slow.bin").open("wb", buffering=0) as file:
        for number in range(20):
            file.write(bytes([number]))
            bench.settle(0.25)
            clock.advance(0.75)
            assert bench.finish() == []
    bench.settle(2.5)
    assert contents(bench) == [bytes(range(20))]


def test_f12_touch_and_append_later_is_taken_with_its_content(desk: Desk, bench: IntakeBench) -> None:
    path = desk.inbox / "list.txt"
    path.touch()
    for _ in range(3):
        assert bench.settle(3.0) == []
    with path.open("a") as file:
        file.write("now")
    bench.settle()
    assert contents(bench) == [b"now"]


def test_f12_a_tar_that_is_being_unpacked_is_one_whole_folder(
    desk: Desk, bench: IntakeBench, clock: FakeClock, tmp_path: Path
) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for number in range(5):
            (tmp_path / "x").write_text(str(number))
            archive.add(tmp_path / "x", f"letters/{number % 2}/{number}.txt")
    with tarfile.open(tmp_path / "a.tar") as archive:
        for member in archive.getmembers():
            archive.extract(member, desk.inbox, filter="data")
            bench.finish()
            clock.advance(1.5)
            assert bench.finish() == []
    (accepted,) = [*bench.settle(2.1), *bench.settle(2.1)]
    assert len(accepted.task_file.files) == 5


def test_f12_a_browsers_placeholder_waits_for_its_download(desk: Desk, bench: IntakeBench) -> None:
    (desk.inbox / "paper.pdf").touch()
    part = desk.inbox / "paper.Xb3k.pdf.part"
    part.write_bytes(b"%PDF half")
    assert bench.settle(30.0) == []
    part.write_bytes(b"%PDF whole")
    os.replace(part, desk.inbox / "paper.pdf")
    bench.finish({desk.inbox / "paper.pdf"})
    assert contents(bench) == [b"%PDF whole"]


def test_f13_an_old_modification_time_does_not_make_it_early(desk: Desk, bench: IntakeBench) -> None:
    path = desk.inbox / "old.txt"
    path.write_text("x")
    os.utime(path, (1_000_000, 1_000_000))
    assert bench.finish() == []
    assert len(bench.settle()) == 1


@pytest.mark.parametrize("when", [0, 4_000_000_000, -1])
def test_f14_a_time_in_the_future_or_at_zero_is_no_obstacle(desk: Desk, bench: IntakeBench, when: int) -> None:
    path = desk.inbox / "a.txt"
    path.write_text("x")
    os.utime(path, (when, when))
    assert bench.finish() == []
    assert len(bench.settle()) == 1


@linux
def test_f15_preallocated_and_filled_later_is_taken_full(desk: Desk, bench: IntakeBench) -> None:
    with (desk.inbox / "disk.img").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 8192)
        assert bench.settle(5.0) == []
        file.write(b"y" * 8192)
    bench.settle(2.5)
    assert contents(bench) == [b"y" * 8192]


@linux
def test_f16_a_moved_in_file_that_is_still_open_waits_for_its_writer(desk: Desk, bench: IntakeBench) -> None:
    outside = desk.root / "outside"
    with outside.open("w") as file:
        file.write("begin")
        file.flush()
        os.rename(outside, desk.inbox / "a.txt")
        assert bench.finish({desk.inbox / "a.txt"}) == []
        file.write(" and end")
    bench.settle(2.5)
    assert contents(bench) == [b"begin and end"]


@linux
def test_f16_what_is_written_after_a_copy_does_not_reach_it(
    desk: Desk, bench: IntakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where leases are not to be had, an open writer is not seen; then nothing is renamed.
    monkeypatch.setattr("deskhand.store.lease.fcntl.F_SETLEASE", 1 << 20)
    path = desk.inbox / "a.txt"
    bench.release = False
    with path.open("w") as file:
        file.write("first")
        file.flush()
        bench.settle()
        file.write(" later")
    assert contents(bench) == [b"first"]
    assert path.read_text() == "first later"


@linux
def test_f17_a_writable_mapping_counts_as_a_writer(desk: Desk, bench: IntakeBench) -> None:
    path = desk.inbox / "a.bin"
    path.write_bytes(b"x" * 4096)
    with path.open("r+b") as file:
        mapped = mmap.mmap(file.fileno(), 4096)
    assert bench.settle(1.0) == []
    assert bench.settle(5.0) == []
    mapped[:5] = b"hello"
    mapped.close()
    bench.settle(3.0)
    bench.settle(3.0)
    assert [content[:5] for content in contents(bench)] == [b"hello"]


def test_f18_changed_while_being_copied_is_taken_again_whole(desk: Desk, tmp_path: Path) -> None:
    class Meddling(Files):
        times = 0

        def before(self, operation: str, path: StrPath | int) -> None:
            if operation == "copy" and self.times < 2:
                self.times += 1
                (desk.inbox / "a.txt").chmod(0o640 + self.times)

    os.makedirs(desk.inbox)
    (tmp_path / "second name").write_text("hello")
    os.link(tmp_path / "second name", desk.inbox / "a.txt")
    files = Meddling()
    with IntakeBench(desk, files=files) as bench:
        for _ in range(4):
            bench.settle()
        assert files.times == 2
        assert contents(bench) == [b"hello"]


def test_f19_an_empty_file_is_taken_after_its_own_time(desk: Desk, bench: IntakeBench) -> None:
    (desk.inbox / "empty.txt").touch()
    assert bench.settle(9.0) == []
    (accepted,) = bench.settle(1.5)
    assert accepted.task_file.input_bytes == 0
    assert not accepted.task_file.quarantine


IGNORED = [
    *("a.part", "a.crdownload", "a.tmp", "a~", ".DS_Store", "Thumbs.db", "THUMBS.DB", "desktop.ini", ".nfs0001"),
    *(".syncthing.a.tmp", "~$letter.docx", ".~lock.a.odt#", ".a.swp", ".#a", "._a", "A.PART", ".deskhand-keep"),
]


@pytest.mark.parametrize("name", IGNORED)
def test_f20_temporary_names_are_never_taken(desk: Desk, bench: IntakeBench, name: str) -> None:
    (desk.inbox / name).write_text("x")
    bench.finish({desk.inbox / name})
    bench.settle(700.0)
    assert bench.accepted == []
    assert bench.intake.stalled() == []
    assert (desk.inbox / name).exists()


def test_f20_the_quick_test_of_names_agrees_with_the_list() -> None:
    from deskhand.core.names import ignored
    from deskhand.core.settings import Inbox
    from deskhand.core.settle import Kind
    from deskhand.store.folder import Entry
    from deskhand.store.observe import Names

    names = Names(Inbox("main", "x"), ("*.bak",))
    for name in (*IGNORED, "a.txt", "a.bak", "partial", "x.PDF", "a~b", "tmp", "[x]", "a\nb"):
        entry = Entry(name, Kind.FILE, 1, 1, 0, 1, 1, 1, 1)
        assert names.wanted(entry) is not ignored(name, ("*.bak",)), name


def test_f21_an_editors_atomic_save_is_one_task_with_the_last_content(
    desk: Desk, bench: IntakeBench, clock: FakeClock
) -> None:
    path, temporary = desk.inbox / "a.txt", desk.inbox / "a.txt.tmp"
    path.write_text("first")
    bench.finish()
    for number in range(3):
        clock.advance(0.05)
        temporary.write_text(f"save {number}")
        bench.finish()
    os.replace(temporary, path)
    bench.finish({path})
    bench.settle()
    assert contents(bench) == [b"save 2"]


def test_f22_the_same_name_twice_is_two_whole_tasks(desk: Desk, bench: IntakeBench) -> None:
    path = desk.inbox / "a.txt"
    for text in ("one", "two"):
        path.write_text(text)
        bench.turn({path})
        bench.finish({path})
    assert contents(bench) == [b"one", b"two"]
    assert len({accepted.task_file.id for accepted in bench.accepted}) == 2
