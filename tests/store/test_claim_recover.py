"""Staging after a crash: every call of the disk as the last one, and every error once."""

from __future__ import annotations

import errno
import hashlib
import os
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from deskhand.core.names import key_of
from deskhand.core.settings import Intake, Settings
from deskhand.core.task import Options, TaskFile
from deskhand.engine.intake_facts import Taken
from deskhand.store import together
from deskhand.store.accept import Accepted
from deskhand.store.desk import Desk
from deskhand.store.drop_file import submit
from deskhand.store.files import Files, FsyncError, StrPath
from deskhand.testing.faulty_files import Crash, FaultyFiles
from deskhand.testing.intake_bench import PLACE, IntakeBench, make_folders

ONE_THREAD = Settings(intake=Intake(threads=1))
EVERYTHING = {
    "a.txt": "moved",
    "linked.txt": "copied",
    "link": "card",
    "folder": "folder",
    "mixed": "folder",
    "d": "drop",
}


def drops(desk: Desk, tmp_path: Path) -> set[Path]:
    """One drop of every way in; the paths that count as moved in."""
    make_folders(desk)
    (desk.inbox / "a.txt").write_text("moved")
    other = tmp_path / f"other-{desk.root.name}"
    other.write_text("copied")
    os.link(other, desk.inbox / "linked.txt")
    (desk.inbox / "link").symlink_to(other)
    (desk.inbox / "folder" / "inner").mkdir(parents=True)
    (desk.inbox / "folder" / "inner" / "f").write_text("folder")
    (desk.inbox / "mixed").mkdir()
    os.link(other, desk.inbox / "mixed" / "f")
    (tmp_path / "d").write_text("dropped")
    submit(Files(), desk, tmp_path / "d", Options(), now=1.0, suffix="aaaaaa", limit=100)
    return {desk.inbox / "a.txt", desk.inbox / "linked.txt"}


def nothing_left(desk: Desk) -> None:
    """No file is left on the way; at most an emptied folder stands where its removal failed."""
    assert [names for _, _, names in os.walk(desk.inbox) if names] == []
    assert os.listdir(desk.dropped) == []
    assert os.listdir(desk.partial) == []
    assert os.listdir(desk.claimed) == []
    assert os.listdir(desk.accepted) == []


def whole(accepted: Accepted, desk: Desk) -> None:
    """The task stands in its state folder under its id, and its payload is what it says."""
    task, folder = accepted.task_file, desk.folder(PLACE)
    data = (folder / f"{task.id}.task.json").read_bytes()
    assert hashlib.sha256(data).hexdigest() == accepted.task_sha256
    assert msgspec.json.decode(data, type=TaskFile) == task
    for entry in task.files:
        path = folder / task.input / entry.path if task.kind == "folder" else folder / task.input
        assert hashlib.sha256(path.read_bytes()).hexdigest() == entry.sha256


def restart(desk: Desk, recorded: list[Accepted]) -> list[Accepted]:
    """A new process that knows what is on record; what it accepts."""
    keys = {key_of(accepted.task_file.id) for accepted in recorded}
    with IntakeBench(desk, settings=ONE_THREAD, known=keys.__contains__, place=True) as bench:
        bench.recover(recorded)
        files = [one.task_file for one in recorded]
        bench.intake.on_record.add(Taken(one.inbox, one.source, one.input_sha256) for one in files)
        bench.settle(3.0)
        bench.settle(3.0)
        return bench.accepted


def everything_once(desk: Desk, recorded: list[Accepted], what: str) -> None:
    """After *what*, the next start takes what is not *recorded*: each drop is one task, whole, and nothing is left."""
    every = (*recorded, *restart(desk, recorded))
    assert Counter(accepted.task_file.name for accepted in every) == dict.fromkeys(EVERYTHING, 1), what
    for accepted in every:
        whole(accepted, desk)
    nothing_left(desk)


@pytest.fixture(params=[True, False], ids=["synced together", "synced one by one"])
def mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of making a batch durable, whatever the filesystem here is."""
    monkeypatch.setattr(together, "_reports", lambda folder: request.param)
    monkeypatch.setattr(together, "ALONE", 0)


@pytest.mark.usefixtures("mode", "sync_at_once")
@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.faults)])
def test_a_crash_at_every_call_loses_nothing_and_doubles_nothing(tmp_path: Path, step: int) -> None:
    at = 0
    while True:
        at += step
        desk = Desk(tmp_path / f"desk{at}")
        moved = drops(desk, tmp_path)
        files = FaultyFiles(at)
        with IntakeBench(desk, settings=ONE_THREAD, files=files, place=True) as bench:
            try:
                bench.finish(moved)
                bench.settle(3.0)
            except Crash:
                pass
        everything_once(desk, list(bench.accepted), f"crash at {files.calls[-1]}")
        if not files.fired:
            break
    assert at > 40


@pytest.mark.usefixtures("mode", "sync_at_once")
@pytest.mark.parametrize(
    ("code", "step"),
    [
        (errno.ENOSPC, 9),
        *(pytest.param(code, 1, marks=pytest.mark.faults) for code in (errno.ENOSPC, errno.EACCES, errno.EMFILE)),
        *(
            pytest.param(code, 3, marks=pytest.mark.faults)
            for code in (errno.EIO, errno.EROFS, errno.ENOMEM, errno.EPERM)
        ),
    ],
)
def test_an_error_at_every_call_is_survived(tmp_path: Path, code: int, step: int) -> None:
    at = 0
    while True:
        at += step
        desk = Desk(tmp_path / f"desk{at}")
        moved = drops(desk, tmp_path)
        files = FaultyFiles(at, code)
        with IntakeBench(desk, settings=ONE_THREAD, files=files, place=True) as bench:
            try:
                bench.finish(moved)
                for _ in range(3):
                    bench.settle(31.0)
            except FsyncError:
                pass
            except TimeoutError:
                pytest.fail(f"{files.calls[at - 1]}")
        everything_once(desk, list(bench.accepted), f"error at {files.calls[at - 1 : at]}")
        if not files.fired:
            break
    assert at > 40


def accepted_once(desk: Desk, *, name: str = "a.txt") -> Accepted:
    """A moved file whose task is durable, and nothing more."""
    make_folders(desk)
    path = desk.inbox / name
    path.write_text("hello")
    with IntakeBench(desk) as bench:
        (accepted,) = bench.finish({path})
    return accepted


def test_a_task_that_is_not_on_record_is_described_again(desk: Desk) -> None:
    before = accepted_once(desk)
    assert before.payload.parent.parent == desk.claimed
    (after,) = restart(desk, [])
    assert after.task_file.id != before.task_file.id
    assert after.task_file.files == before.task_file.files
    assert after.task_file.source.ino == before.task_file.source.ino
    assert (after.task_file.name, after.task_file.inbox, after.task_file.route) == ("a.txt", "main", None)
    whole(after, desk)
    assert sorted(os.listdir(desk.folder(PLACE))) == [after.task_file.input, f"{after.task_file.id}.task.json"]
    nothing_left(desk)


def test_a_drop_by_command_that_is_not_on_record_keeps_its_id(desk: Desk, tmp_path: Path) -> None:
    make_folders(desk)
    (tmp_path / "d").write_text("dropped")
    submit(Files(), desk, tmp_path / "d", Options(), now=1.0, suffix="aaaaaa", limit=100)
    with IntakeBench(desk) as bench:
        (before,) = bench.finish()
    assert before.payload.parent.parent == desk.dropped
    (after,) = restart(desk, [])
    assert after.task_file.id == before.task_file.id
    assert not after.task_file.quarantine
    whole(after, desk)
    nothing_left(desk)


def test_a_task_on_record_gets_its_payload_and_is_not_taken_again(desk: Desk) -> None:
    before = accepted_once(desk)
    assert restart(desk, [before]) == []
    whole(before, desk)
    nothing_left(desk)


@pytest.mark.parametrize("names", [("a.txt", "b.txt"), ("a.txt", "hand-over/a.txt")])
def test_two_names_of_one_file_are_two_tasks_each_with_its_payload(desk: Desk, names: tuple[str, str]) -> None:
    make_folders(desk)
    (desk.inbox / "hand-over").mkdir()
    (desk.inbox / names[0]).write_text("hello")
    os.link(desk.inbox / names[0], desk.inbox / names[1])
    with IntakeBench(desk, recipes={"hand-over"}) as bench:
        recorded = bench.finish({desk.inbox / name for name in names})
    assert len({one.task_file.source.ino for one in recorded}) == 1
    assert len(recorded) == 2
    assert restart(desk, recorded) == []
    for accepted in recorded:
        whole(accepted, desk)
    nothing_left(desk)


def test_two_drops_of_one_name_get_each_its_own_payload(desk: Desk) -> None:
    recorded = [accepted_once(desk)]
    path = desk.inbox / "a.txt"
    path.write_text("HELLO")
    with IntakeBench(desk) as bench:
        recorded += bench.finish({path})
    assert restart(desk, recorded) == []
    for accepted in recorded:
        whole(accepted, desk)
    nothing_left(desk)


@pytest.mark.parametrize("what", ["more beside it", "a folder with a link"])
def test_a_quarantined_task_on_record_gets_what_was_forged(desk: Desk, tmp_path: Path, what: str) -> None:
    make_folders(desk)
    (desk.dropped / "forged").mkdir()
    (desk.dropped / "forged" / "drop.json").write_text("{}")
    if what == "a folder with a link":
        (desk.dropped / "forged" / "link").symlink_to(tmp_path)
    with IntakeBench(desk) as bench:
        (before,) = bench.finish()
    assert before.task_file.quarantine
    assert restart(desk, [before]) == []
    whole(before, desk)
    nothing_left(desk)


def test_a_payload_that_changed_after_it_was_recorded_is_not_given_to_its_task(desk: Desk) -> None:
    before = accepted_once(desk)
    before.payload.chmod(0o600)
    before.payload.write_text("HELLO")
    (after,) = restart(desk, [before])
    assert not os.path.lexists(desk.folder(PLACE) / before.task_file.input)
    assert after.task_file.id != before.task_file.id
    assert (desk.folder(PLACE) / after.task_file.input).read_text() == "HELLO"
    whole(after, desk)
    nothing_left(desk)


def test_a_payload_that_changed_before_it_was_recorded_is_described_as_it_is(desk: Desk) -> None:
    before = accepted_once(desk)
    before.payload.chmod(0o600)
    before.payload.write_text("HELLO")
    (after,) = restart(desk, [])
    assert after.task_file.files != before.task_file.files
    whole(after, desk)
    nothing_left(desk)


def test_a_task_file_without_payload_is_removed(desk: Desk) -> None:
    before = accepted_once(desk)
    before.payload.unlink()
    assert restart(desk, []) == []
    assert os.listdir(desk.accepted) == []


def test_a_payload_without_task_file_is_a_quarantined_drop(desk: Desk) -> None:
    before = accepted_once(desk)
    before.payload.rename(desk.accepted / before.task_file.input)
    (after,) = restart(desk, [])
    assert after.task_file.name == before.task_file.input
    assert after.task_file.quarantine
    assert "changed" in (after.task_file.problem or "")
    assert (desk.folder(PLACE) / after.task_file.input).read_text() == "hello"
    nothing_left(desk)


def test_a_stranger_in_claimed_is_quarantined_and_partial_discarded(desk: Desk) -> None:
    make_folders(desk)
    (desk.claimed / "what is this").mkdir()
    (desk.claimed / "what is this" / "f").write_text("x")
    (desk.claimed / "file").write_text("y")
    (desk.partial / "abc").mkdir()
    (desk.partial / "def").write_text("x")
    found = restart(desk, [])
    assert sorted(accepted.task_file.name for accepted in found) == ["file", "what is this"]
    assert all(accepted.task_file.quarantine for accepted in found)
    assert os.listdir(desk.partial) == []


def test_what_was_claimed_keeps_its_route(desk: Desk) -> None:
    make_folders(desk)
    (desk.claimed / "main~hand-over~00ff").mkdir()
    (desk.claimed / "main~hand-over~00ff" / "letter.txt").write_text("x")
    (found,) = restart(desk, [])
    task = found.task_file
    assert (task.inbox, task.route, task.name) == ("main", "hand-over", "letter.txt")


def test_a_source_on_record_that_could_not_be_removed_in_time_is_not_taken_again(desk: Desk, tmp_path: Path) -> None:
    make_folders(desk)
    (tmp_path / "other").write_text("x")
    path = desk.inbox / "a.txt"
    os.link(tmp_path / "other", path)
    with IntakeBench(desk, release=False) as bench:
        (accepted,) = bench.finish({path})
        assert bench.settle(60.0) == []
    assert path.exists()
    assert restart(desk, [accepted]) == []
    assert not path.exists()


class Recording(Files):
    """Remembers what was made durable and named, in order."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str]] = []

    def before(self, operation: str, path: StrPath | int) -> None:
        where = os.readlink(f"/proc/self/fd/{path}") if isinstance(path, int) else os.fspath(path)
        self.done.append((operation, where))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="descriptors have no names here")
@pytest.mark.parametrize("whole", [True, False])
def test_everything_is_durable_before_it_may_be_recorded(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    monkeypatch.setattr(together, "_reports", lambda folder: whole)
    monkeypatch.setattr(together, "ALONE", 0)
    make_folders(desk)
    path = desk.inbox / "a.txt"
    path.write_text("hello")
    files = Recording()
    with IntakeBench(desk, files=files) as bench:
        (accepted,) = bench.finish({path})
    task_file = str(desk.accepted / f"{accepted.task_file.id}.task.json")
    made = [files.done.index(("rename", str(accepted.payload))), files.done.index(("create", task_file))]
    synced = [where for what, where in files.done[max(made) :] if what in ("syncfs", "fsync")]
    if whole:
        assert synced == [str(desk.queue)]
    else:
        folders = {desk.accepted, desk.inbox, desk.claimed, accepted.payload.parent}
        assert {str(folder) for folder in folders} | {task_file} <= set(synced)
        assert ("fsync", str(accepted.payload)) in files.done[made[0] :]
