"""Results get where people want them: whole, once, and over nothing."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from deskhand.core.deliver_path import Place
from deskhand.core.task import manifest_sha256
from deskhand.errors import ConfigError, IntegrityError, StoreError
from deskhand.store import task_files
from deskhand.store.deliver import Delivered, Result, deliver, results_in
from deskhand.store.desk import Desk
from deskhand.store.files import Files, FsyncError
from deskhand.testing.faulty_files import Crash, FaultyFiles

PLACE = Place(id="20261120-195331-x-abcdef", received=1_795_204_411.0, recipe="hand-over", inbox="main")


@pytest.fixture
def result(desk: Desk) -> Result:
    """A file of a few bytes."""
    for name in ("queue", "audit_logs"):
        (desk.root / name).mkdir()
    path = desk.queue / "payload.in.txt"
    path.write_bytes(b"letter\n" * 100)
    return Result(path, "letter.txt")


@pytest.fixture
def tree(desk: Desk) -> Result:
    """A folder with files, a subfolder and an empty one."""
    (desk.root / "audit_logs").mkdir()
    root = desk.queue / "payload.in"
    (root / "sub").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "a.txt").write_bytes(b"a")
    (root / "sub" / "b").write_bytes(b"b" * 3000)
    return Result(root, "trip")


def send(
    desk: Desk, *results: Result, template: str = "outbox/{name}", files: Files | None = None
) -> tuple[Delivered, ...]:
    return deliver(files or Files(), desk, results, template, PLACE)


def content(root: Path) -> dict[str, bytes | None]:
    """Everything below *root*; None for a folder."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else None for path in root.rglob("*")
    }


def test_a_file_arrives_with_its_bytes_and_says_where(desk: Desk, result: Result) -> None:
    (done,) = send(desk, result, template="archive/{year}/{month}/{name}")
    assert done.target == desk.root / "archive/2026/11/letter.txt"
    assert (done.name, done.replayed) == ("letter.txt", False)
    assert done.sha256 == hashlib.sha256(done.target.read_bytes()).hexdigest()
    assert done.target.read_bytes() == result.path.read_bytes()
    assert os.listdir(done.target.parent) == ["letter.txt"]


def test_again_is_the_same_file_and_never_a_second_one(desk: Desk, result: Result) -> None:
    (first,) = send(desk, result)
    (second,) = send(desk, result)
    assert (second.target, second.replayed) == (first.target, True)
    assert os.listdir(first.target.parent) == ["letter.txt"]


def test_nothing_is_ever_overwritten(desk: Desk, result: Result) -> None:
    outbox = desk.root / "outbox"
    outbox.mkdir()
    (outbox / "letter.txt").write_text("mine")
    (outbox / "letter (2).txt").symlink_to("/etc/hostname")
    (outbox / "letter (3).txt").mkdir()
    (outbox / "letter (4).txt").symlink_to(result.path)
    (done,) = send(desk, result)
    assert done.target.name == "letter (5).txt"
    assert (outbox / "letter.txt").read_text() == "mine"
    (again,) = send(desk, result)
    assert again.target == done.target and again.replayed


def test_a_name_taken_at_the_last_moment_is_not_overwritten(desk: Desk, result: Result) -> None:
    class Racing(Files):
        def before(self, operation: str, path: object) -> None:
            if operation == "rename" and str(path).endswith("letter.txt"):
                Path(str(path)).write_text("mine")

    (done,) = send(desk, result, files=Racing())
    assert done.target.name == "letter (2).txt"
    assert content(desk.root / "outbox") == {"letter.txt": b"mine", "letter (2).txt": result.path.read_bytes()}


def test_two_results_that_want_one_name_both_arrive(desk: Desk, result: Result) -> None:
    twin = Result(result.path, "other.txt")
    for replayed in (False, True):
        done = send(desk, result, twin, template="outbox/report.txt")
        assert [(one.target.name, one.replayed) for one in done] == [
            ("report.txt", replayed),
            ("report (2).txt", replayed),
        ]


def test_a_folder_arrives_as_a_whole(desk: Desk, tree: Result) -> None:
    (done,) = send(desk, tree)
    expected = {"a.txt": b"a", "sub": None, "sub/b": b"b" * 3000, "empty": None}
    assert content(done.target) == expected
    (again,) = send(desk, tree)
    assert (again.target, again.replayed) == (done.target, True)
    (done.target / "a.txt").write_bytes(b"changed by a person")
    (third,) = send(desk, tree)
    assert third.target.name == "trip (2)" and content(third.target) == expected


def test_f28_names_are_restored(desk: Desk, result: Result) -> None:
    odd = [os.fsdecode(b"\xff\xfe.txt"), "-rf", "..\\x", "two\nlines", "\x1b[31m.txt", "x" * 251 + ".txt"]
    done = send(desk, *(Result(result.path, name) for name in odd))
    assert sorted(os.listdir(os.fsencode(desk.root / "outbox"))) == sorted(os.fsencode(name) for name in odd)
    assert [one.name for one in done] == odd


# -- refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "template",
    [
        "queue/{name}",
        "queue/completed/{name}",
        "audit_logs/{name}",
        "queue",
        "{root}/queue/x/{name}",
        "{root}/audit_logs/x",
    ],
)
def test_nothing_is_delivered_into_the_queue_or_the_log(desk: Desk, result: Result, template: str) -> None:
    before = content(desk.root)
    with pytest.raises(ConfigError, match="nothing is delivered into"):
        send(desk, result, template=template.replace("{root}", str(desk.root)))
    assert content(desk.root) == before


def test_links_lead_neither_out_of_the_desk_nor_into_the_queue(desk: Desk, result: Result, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (desk.root / "outbox").symlink_to(elsewhere)
    (desk.root / "back").symlink_to(desk.queue)
    with pytest.raises(ConfigError, match="a link leads out of the desk"):
        send(desk, result)
    with pytest.raises(ConfigError, match="a link leads out of the desk"):
        send(desk, result, template="outbox/new/deep/{name}")
    with pytest.raises(ConfigError, match="nothing is delivered into queue"):
        send(desk, result, template="back/x/{name}")
    (tmp_path / "in").symlink_to(desk.queue)
    with pytest.raises(ConfigError, match="nothing is delivered into queue"):
        send(desk, result, template=f"{tmp_path}/in/{{name}}")
    assert os.listdir(elsewhere) == []
    (done,) = send(desk, result, template=f"{elsewhere}/{{name}}")
    assert done.target == elsewhere / "letter.txt"


def test_a_link_inside_the_desk_is_followed(desk: Desk, result: Result) -> None:
    (desk.root / "real").mkdir()
    (desk.root / "outbox").symlink_to("real")
    send(desk, result)
    assert os.listdir(desk.root / "real") == ["letter.txt"]


def test_one_bad_path_delivers_nothing(desk: Desk, result: Result) -> None:
    with pytest.raises(ConfigError):
        send(desk, result, Result(result.path, ".."))
    assert not (desk.root / "outbox").exists()


@pytest.mark.parametrize("kind", ["link", "pipe", "inner link", "inner folder link"])
def test_results_that_are_no_plain_files_are_refused(desk: Desk, tree: Result, kind: str) -> None:
    odd = desk.queue / "odd"
    match kind:
        case "link":
            odd.symlink_to("/etc/hostname")
        case "pipe":
            os.mkfifo(odd)
        case "inner link":
            odd = tree.path
            (odd / "secret").symlink_to("/etc/hostname")
        case _:
            odd = tree.path
            (odd / "secret").symlink_to("/etc")
    with pytest.raises(IntegrityError, match="link or a device"):
        send(desk, Result(odd, "odd"))
    assert content(desk.root).keys() >= {"queue"} and not (desk.root / "outbox" / "odd").exists()


def test_a_result_that_changes_meanwhile_is_not_delivered(desk: Desk, result: Result) -> None:
    class Changing(Files):
        def before(self, operation: str, path: object) -> None:
            if operation == "copy":
                result.path.write_bytes(b"LETTER\n" * 100)

    with pytest.raises(StoreError, match="changed while it was delivered"):
        send(desk, result, files=Changing())
    assert os.listdir(desk.root / "outbox") == []


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_not_on_record_is_not_delivered(desk: Desk, tree: Result, kind: str) -> None:
    path = tree.path if kind == "folder" else tree.path / "a.txt"
    good = Result(path, "good", expected=manifest_sha256(task_files.manifest(path)))
    send(desk, good)
    (tree.path / "a.txt").write_bytes(b"swapped")
    first = Result(tree.path / "sub", "first")
    with pytest.raises(IntegrityError, match="not what was recorded"):
        send(desk, first, good, template="new/{name}")
    assert not (desk.root / "new").exists()


def test_what_is_swapped_between_the_check_and_the_copy_is_not_delivered(desk: Desk, result: Result) -> None:
    class Swapping(Files):
        def before(self, operation: str, path: object) -> None:
            if operation == "copy":
                result.path.write_bytes(b"LETTER\n" * 100)

    approved = Result(result.path, result.name, expected=hashlib.sha256(result.path.read_bytes()).hexdigest())
    with pytest.raises(IntegrityError, match="not what was recorded"):
        send(desk, approved, files=Swapping())
    assert os.listdir(desk.root / "outbox") == []


def test_names_that_are_no_utf8_do_not_look_like_a_change(desk: Desk, tree: Result) -> None:
    (tree.path / os.fsdecode(b"\xff.txt")).write_bytes(b"x")
    expected = manifest_sha256(task_files.manifest(tree.path))
    (done,) = send(desk, Result(tree.path, tree.name, expected=expected))
    assert done.sha256 == expected


def test_results_in_a_folder_come_by_name(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("")
    (tmp_path / "a").mkdir()
    assert results_in(tmp_path) == (Result(tmp_path / "a", "a"), Result(tmp_path / "b", "b"))
    assert results_in(tmp_path / "none") == ()


# -- faults ----------------------------------------------------------------------------------------------------


def calls(make: Callable[[], tuple[Desk, Result]]) -> int:
    """How often a delivery changes the disk."""
    desk, result = make()
    counting = FaultyFiles()
    send(desk, result, template="a/b/{name}", files=counting)
    return len(counting.calls)


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_f45_a_crash_at_every_call_and_a_replay_give_exactly_one(tmp_path: Path, kind: str) -> None:
    made = iter(range(1000))

    def make() -> tuple[Desk, Result]:
        root = tmp_path / str(next(made))
        (root / "queue/in").mkdir(parents=True)
        (root / "queue/in/x").write_bytes(b"payload")
        path = root / "queue/in" if kind == "folder" else root / "queue/in/x"
        return Desk(root), Result(path, "result.d")

    total = calls(make)
    assert total >= 6
    for at in range(1, total + 1):
        desk, result = make()
        with pytest.raises(Crash):
            send(desk, result, template="a/b/{name}", files=FaultyFiles(at))
        found = content(desk.root / "a") if (desk.root / "a").exists() else {}
        assert found.get("b/result.d", b"payload") in (b"payload", None), f"half a file after call {at}"
        if kind == "folder" and "b/result.d" in found:
            assert found["b/result.d/x"] == b"payload"
        (done,) = send(desk, result, template="a/b/{name}")
        inside = {"b/result.d/x": b"payload", "b/result.d": None} if kind == "folder" else {"b/result.d": b"payload"}
        assert content(desk.root / "a") == {"b": None, **inside}, f"after call {at}"
        assert done.target == desk.root / "a/b/result.d"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_f48_an_error_at_every_call_loses_nothing_and_leaves_nothing(tmp_path: Path, code: int) -> None:
    made = iter(range(1000))

    def make() -> tuple[Desk, Result]:
        root = tmp_path / str(next(made))
        (root / "queue").mkdir(parents=True)
        (root / "queue/x").write_bytes(b"payload")
        return Desk(root), Result(root / "queue/x", "x")

    for at in range(1, calls(make) + 1):
        desk, result = make()
        faulty = FaultyFiles(at, code)
        with pytest.raises((StoreError, FsyncError)) as caught:
            send(desk, result, template="a/b/{name}", files=faulty)
        if not faulty.calls[at - 1].startswith(("fsync", "fdatasync")):
            assert isinstance(caught.value, StoreError) and caught.value.path is not None
        else:
            assert isinstance(caught.value, FsyncError)
        (done,) = send(desk, result, template="a/b/{name}")
        assert content(desk.root / "a") == {"b": None, "b/x": b"payload"}
        assert done.target == desk.root / "a/b/x"


def test_what_a_crash_left_half_copied_is_removed(desk: Desk, result: Result) -> None:
    class Dying(Files):
        def rename(self, source: object, target: object) -> None:
            raise Crash

    with pytest.raises(Crash):
        send(desk, result, files=Dying())
    (left,) = os.listdir(desk.root / "outbox")
    assert left.startswith(".deskhand-") and left.endswith(".tmp")
    (desk.root / "outbox" / left).write_bytes(b"torn")
    send(desk, result)
    assert os.listdir(desk.root / "outbox") == ["letter.txt"]


def test_the_bytes_are_durable_before_the_name_and_the_name_before_the_end(desk: Desk, result: Result) -> None:
    (desk.root / "outbox").mkdir()
    counting = FaultyFiles()
    send(desk, result, files=counting)
    steps = [call.split()[0] for call in counting.calls]
    assert steps == ["fsync", "copy", "write", "fsync", "rename", "fsync"]


def test_an_impossible_target_says_what_and_where(desk: Desk, result: Result) -> None:
    (desk.root / "outbox").write_text("a file, not a folder")
    with pytest.raises(StoreError) as caught:
        send(desk, result)
    assert caught.value.path is not None and "outbox" in caught.value.path
    assert caught.value.hint
