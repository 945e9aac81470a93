"""The intake on a fake clock: scans, verdicts, batches, trouble."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import msgspec
import pytest

from deskhand.core.names import is_id, key_of
from deskhand.core.settings import Inbox, Intake, Settings
from deskhand.errors import ConfigError, DeskhandError
from deskhand.store import together
from deskhand.store.accept import Choice, Drop
from deskhand.store.desk import Desk
from deskhand.store.files import Files, FsyncError, StrPath
from deskhand.testing.clock import FakeClock
from deskhand.testing.intake_bench import IntakeBench, make_folders


class Failing(Files):
    """Fails every call of one operation while `code` is set."""

    def __init__(self, operation: str, code: int | None) -> None:
        self.operation = operation
        self.code = code

    def before(self, operation: str, path: StrPath | int) -> None:
        if operation == self.operation and self.code is not None:
            raise OSError(self.code, os.strerror(self.code))


def moved(desk: Desk, name: str, text: str = "hello") -> Path:
    path = desk.inbox / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_what_was_moved_in_is_taken_in_the_same_tick(desk: Desk) -> None:
    with IntakeBench(desk) as bench:
        (accepted,) = bench.finish({moved(desk, "Invoice (March).PDF")})
    task = accepted.task_file
    assert is_id(task.id)
    assert task.input == f"{task.id}.in.pdf"
    assert (task.name, task.inbox, task.route, task.kind) == ("Invoice (March).PDF", "main", None, "file")
    assert accepted.payload.read_text() == "hello"
    assert accepted.payload.stat().st_mode & 0o777 == 0o400
    text = (desk.accepted / f"{task.id}.task.json").read_text()
    assert text.startswith('{\n  "schema": 1,')
    assert text.endswith("}\n")


def test_what_was_copied_is_due_after_the_quiet_time(desk: Desk) -> None:
    clock = FakeClock()
    with IntakeBench(desk, clock=clock) as bench:
        moved(desk, "a.txt")
        assert bench.finish() == []
        assert bench.intake.next_due() == pytest.approx(clock.monotonic_ns() / 1e9 + 0.2)
        assert len(bench.settle(0.2)) == 1
        assert bench.intake.next_due() is None
        assert bench.intake.idle


def test_two_scans_while_a_claim_is_under_way_hand_it_out_once(desk: Desk) -> None:
    with IntakeBench(desk) as bench:
        path = moved(desk, "a.txt")
        for _ in range(20):
            bench.turn({path})
        bench.finish({path})
        assert len(bench.accepted) == 1


def test_a_routing_folder_routes_and_other_folders_are_drops(desk: Desk) -> None:
    (desk.inbox / "hand-over" / "inner").mkdir(parents=True)
    (desk.inbox / "hand-over" / "inner" / "x").write_text("x")
    (desk.inbox / "hand-over" / "letter.txt").write_text("x")
    (desk.inbox / "photos").mkdir()
    (desk.inbox / "photos" / "x").write_text("x")
    with IntakeBench(desk, recipes={"hand-over"}) as bench:
        found = {entry.task_file.name: entry.task_file for entry in bench.settle(2.5)}
    assert {name: (task.route, task.kind) for name, task in found.items()} == {
        "inner": ("hand-over", "folder"),
        "letter.txt": ("hand-over", "file"),
        "photos": (None, "folder"),
    }
    assert (desk.inbox / "hand-over").is_dir()


def test_a_file_moved_into_a_routing_folder_is_taken_at_once(desk: Desk) -> None:
    with IntakeBench(desk, recipes={"hand-over"}) as bench:
        (accepted,) = bench.finish({moved(desk, "hand-over/letter.txt")})
    assert accepted.task_file.route == "hand-over"


def test_the_choice_is_written_into_the_task(desk: Desk) -> None:
    asked: list[Drop] = []

    def choose(drop: Drop) -> Choice:
        asked.append(drop)
        raise DeskhandError("choosing", "the catalogue is damaged")

    with IntakeBench(desk, choose=choose) as bench:
        (accepted,) = bench.finish({moved(desk, "a.txt")})
    assert accepted.task_file.problem == "choosing: the catalogue is damaged"
    assert not accepted.task_file.quarantine
    assert (asked[0].name, asked[0].size, asked[0].declared) == ("a.txt", 5, None)


def test_names_and_folders_that_an_inbox_does_not_want_are_left_alone(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "a.pdf").write_text("x")
    (tmp_path / "scans" / "a.txt").write_text("x")
    (tmp_path / "scans" / "d.pdf").mkdir()
    (tmp_path / "scans" / "d.pdf" / "x").write_text("x")
    inbox = Inbox("scans", str(tmp_path / "scans"), match="*.PDF", folders=False)
    with IntakeBench(desk, settings=Settings(inboxes=(inbox,))) as bench:
        assert [entry.task_file.name for entry in bench.settle(5.0)] == ["a.pdf"]
    assert sorted(os.listdir(tmp_path / "scans")) == ["a.txt", "d.pdf"]


def test_paused_takes_nothing_and_resumed_everything(desk: Desk) -> None:
    with IntakeBench(desk) as bench:
        bench.intake.pause()
        path = moved(desk, "a.txt")
        assert bench.finish({path}) == []
        assert bench.intake.next_due() is None
        bench.intake.resume()
        assert len(bench.settle()) == 1


def test_a_slow_writer_is_shown_as_stalled_and_then_taken(desk: Desk) -> None:
    clock = FakeClock()
    with IntakeBench(desk, clock=clock) as bench, (desk.inbox / "slow.bin").open("w") as file:
        bench.settle(1.0)
        clock.advance(600)
        bench.finish()
        (stalled,) = bench.intake.stalled()
        assert (stalled.inbox, stalled.name) == ("main", "slow.bin")
        assert stalled.since == pytest.approx(clock.wall() - 601)
        file.write("all of it")
        file.close()
        bench.settle()
        bench.settle(2.0)
        assert len(bench.accepted) == 1
        assert bench.intake.stalled() == []


@pytest.mark.parametrize("operation", ["rename", "create", "mkdir"])
def test_a_full_disk_holds_the_intake_until_there_is_room_and_says_so(desk: Desk, operation: str) -> None:
    files = Failing(operation, None)
    clock = FakeClock()
    with IntakeBench(desk, files=files, clock=clock) as bench:
        for number in range(5):
            moved(desk, f"{number}.txt")
        files.code = errno.ENOSPC
        bench.settle()
        assert bench.accepted == []
        for _ in range(3):
            clock.advance(31)
            bench.finish()
        assert [change.degraded for change in bench.changes] == [True]
        assert "No space" in bench.changes[0].reason
        due = bench.intake.next_due()
        assert due is not None
        assert due > clock.monotonic_ns() / 1e9
        files.code = None
        for _ in range(3):
            clock.advance(31)
            bench.finish()
        assert sorted(entry.task_file.name for entry in bench.accepted) == [f"{n}.txt" for n in range(5)]
        assert [change.degraded for change in bench.changes] == [True, False]


@pytest.mark.parametrize("operation", ["syncfs", "fsync"])
def test_a_failed_sync_is_raised(desk: Desk, monkeypatch: pytest.MonkeyPatch, operation: str) -> None:
    monkeypatch.setattr(together, "_reports", lambda folder: operation == "syncfs")
    monkeypatch.setattr(together, "ALONE", 0)
    with IntakeBench(desk, files=Failing(operation, errno.EIO)) as bench, pytest.raises(FsyncError):
        bench.finish({moved(desk, "a.txt")})


def test_a_polled_inbox_is_copied_and_survives_its_absence(desk: Desk, tmp_path: Path) -> None:
    share = tmp_path / "share"
    share.mkdir()
    (share / "a.txt").write_text("one")
    (share / "d").mkdir()
    (share / "d" / "x").write_text("x")
    clock = FakeClock()
    settings = Settings(inboxes=(Inbox("main", "watch_inbox"), Inbox("share", str(share), poll=True)))
    with IntakeBench(desk, settings=settings, clock=clock) as bench:

        def polls() -> None:
            for _ in range(3):
                clock.advance(11)
                bench.finish()

        polls()
        assert sorted(entry.task_file.name for entry in bench.accepted) == ["a.txt", "d"]
        assert all(entry.source_to_unlink for entry in bench.accepted)
        assert os.listdir(share) == []
        share.rename(tmp_path / "away")
        polls()
        assert [(change.inbox, change.degraded) for change in bench.changes] == [("share", True)]
        (tmp_path / "away").rename(share)
        (share / "b.txt").write_text("two")
        polls()
        assert [change.degraded for change in bench.changes] == [True, False]
        assert len(bench.accepted) == 3


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.EHOSTDOWN])
def test_f10_an_inbox_that_gives_errors_is_degraded_until_it_works(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    clock = FakeClock()
    settings = Settings(inboxes=(Inbox("share", "watch_inbox", poll=True),))
    real = os.open

    def broken(path: StrPath, flags: int, *args: int, **more: int) -> int:
        if os.fspath(path) == str(desk.inbox):
            raise OSError(code, os.strerror(code))
        return real(path, flags, *args, **more)

    with IntakeBench(desk, settings=settings, clock=clock) as bench:
        moved(desk, "a.txt")
        with monkeypatch.context() as patch:
            patch.setattr("deskhand.store.folder.os.open", broken)
            for _ in range(3):
                clock.advance(11)
                bench.finish()
        assert [change.degraded for change in bench.changes] == [True]
        assert os.strerror(code) in bench.changes[0].reason
        for _ in range(4):
            clock.advance(11)
            bench.finish()
        assert [change.degraded for change in bench.changes] == [True, False]
        assert len(bench.accepted) == 1


def test_a_long_listing_is_read_in_stretches_and_a_move_does_not_wait_for_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deskhand.engine.intake.STRETCH", 10)
    make_folders(desk)
    for number in range(35):
        (desk.inbox / f"{number:03}.txt").write_text("x")
    clock = FakeClock()
    with IntakeBench(desk, clock=clock) as bench:
        result = bench.intake.scan()
        assert (result.waiting, result.complete) == (10, False)
        assert not bench.intake.idle
        assert bench.intake.next_due() == pytest.approx(clock.monotonic_ns() / 1e9)
        assert [entry.task_file.name for entry in bench.finish({moved(desk, "999.txt")})] == ["999.txt"]
        for _ in range(10):
            bench.finish()
            clock.advance(0.1)
        assert len(bench.accepted) == 36


def test_in_a_hurry_fewer_names_are_looked_at(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deskhand.engine.intake.SHORT_STRETCH", 3)
    make_folders(desk)
    for number in range(7):
        (desk.inbox / f"{number}.txt").write_text("x")
    with IntakeBench(desk) as bench:
        assert [bench.intake.scan(hurry=True).waiting for _ in range(3)] == [3, 6, 7]


def test_many_drops_in_one_second_get_different_short_ids(desk: Desk) -> None:
    make_folders(desk)
    for number in range(300):
        (desk.inbox / f"{number}").write_text("x")
    with IntakeBench(desk) as bench:
        bench.settle()
        assert len({key_of(entry.task_file.id) for entry in bench.accepted}) == 300


def test_f36_an_inbox_that_is_a_link_is_refused_and_an_open_one_warned_about(desk: Desk, tmp_path: Path) -> None:
    make_folders(desk)
    desk.inbox.chmod(0o777)
    with IntakeBench(desk) as bench:
        assert any("everybody may" in warning for warning in bench.intake.warnings)
    desk.inbox.chmod(0o1777)
    with IntakeBench(desk) as bench:
        assert bench.intake.warnings == []
    desk.inbox.rename(tmp_path / "real")
    desk.inbox.symlink_to(tmp_path / "real")
    with pytest.raises(ConfigError, match="symbolic link"):
        IntakeBench(Desk(desk.root))


def test_f36_an_inbox_that_becomes_a_link_is_not_followed(desk: Desk, tmp_path: Path) -> None:
    with IntakeBench(desk) as bench:
        desk.inbox.rename(tmp_path / "real")
        (tmp_path / "real" / "secret").write_text("x")
        desk.inbox.symlink_to(tmp_path / "real")
        bench.settle()
        assert bench.accepted == []
        assert [change.degraded for change in bench.changes] == [True]
        assert (tmp_path / "real" / "secret").exists()


def test_f32_a_desk_too_deep_for_its_own_files_is_refused(desk: Desk) -> None:
    deep = Desk(Path("/" + "/".join(["x" * 200] * 19)))
    from deskhand.store.observe import check

    with pytest.raises(ConfigError, match="long"):
        check(deep, ())


def test_the_task_file_on_disk_reads_back(desk: Desk) -> None:
    from deskhand.core.task import TaskFile

    with IntakeBench(desk) as bench:
        (accepted,) = bench.finish({moved(desk, "a.txt")})
    data = (desk.accepted / f"{accepted.task_file.id}.task.json").read_bytes()
    assert msgspec.json.decode(data, type=TaskFile) == accepted.task_file


def test_a_folder_of_one_thread_keeps_the_order_of_arrival(desk: Desk) -> None:
    clock = FakeClock()
    with IntakeBench(desk, clock=clock, settings=Settings(intake=Intake(threads=1))) as bench:
        for name in ("c", "a", "b"):
            moved(desk, name)
            bench.finish()
            clock.advance(0.01)
        assert [entry.task_file.name for entry in bench.settle()] == ["c", "a", "b"]
