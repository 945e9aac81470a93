"""Claiming: what is renamed, what is copied, and what is neither."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from deskhand.core.settle import Kind
from deskhand.core.task import manifest_sha256
from deskhand.store import sources
from deskhand.store.accept import take_in
from deskhand.store.claim import Claimed, Declined, Gone, Outcome, Postponed, claim
from deskhand.store.claim_batch import Batch
from deskhand.store.desk import Desk
from deskhand.store.files import Files, StrPath
from deskhand.store.folder import Folder
from deskhand.store.observe import look
from deskhand.store.place import Place
from deskhand.store.sources import Removed
from deskhand.store.staging import Claim, Mark, folder_name, parse
from deskhand.testing.intake_bench import make_folders


class Meddling(Files):
    """Lets something happen right before the first call of one operation."""

    def __init__(self, operation: str, happens: object) -> None:
        self.operation = operation
        self.happens = happens

    def before(self, operation: str, path: StrPath | int) -> None:
        if operation == self.operation and self.happens is not None:
            happens, self.happens = self.happens, None
            happens()  # type: ignore[operator]


@pytest.fixture(autouse=True)
def _folders(desk: Desk) -> None:
    make_folders(desk)


def take(desk: Desk, name: str, files: Files | None = None, *, copy_only: bool = False) -> Outcome:
    place = Place("main", desk.inbox, None, name, copy_only)
    with Folder.open(desk.inbox) as folder:
        entry = folder.look(name)
    seen = look(place, entry, 1000)
    batch = Batch(files or Files(), desk)
    outcome = claim(batch, place, seen)
    batch.close()
    return outcome


def remove(taken: Claimed, path: Path) -> Removed:
    inputs, _ = take_in(None, taken.path, taken.kind)
    return sources.remove(Files(), path, taken.source, manifest_sha256(inputs))


def claimed(outcome: Outcome) -> Claimed:
    assert isinstance(outcome, Claimed), outcome
    return outcome


def test_an_own_file_is_renamed(desk: Desk) -> None:
    path = desk.inbox / "a.txt"
    path.write_text("hello")
    ino = path.stat().st_ino
    taken = claimed(take(desk, "a.txt"))
    assert taken.path.stat().st_ino == ino
    assert taken.source.ino == ino
    assert taken.source_path is None
    assert taken.path.name == "a.txt"
    assert not path.exists()
    assert parse(taken.path.parent.name) == Claim("main")


def test_f25_a_file_with_a_second_name_is_copied_and_the_other_name_untouched(desk: Desk, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("hello")
    os.link(other, desk.inbox / "a.txt")
    taken = claimed(take(desk, "a.txt"))
    assert taken.path.stat().st_ino != other.stat().st_ino
    assert taken.source_path == desk.inbox / "a.txt"
    assert remove(taken, taken.source_path) is Removed.GONE
    assert not taken.source_path.exists()
    other.write_text("changed later")
    assert taken.path.read_text() == "hello"


class Syncing(Files):
    """Notes what was synced, and which copies were not when they got their names in ``claimed/``."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.synced: set[str] = set()
        self.named: list[str] = []
        self.too_early: list[Path] = []

    def before(self, operation: str, path: StrPath | int) -> None:
        if operation == "fsync":
            self.synced.add(os.readlink(f"/proc/self/fd/{path}"))
        elif operation == "rename":
            self.named.append(os.fspath(path) if not isinstance(path, int) else "")
            self.too_early += [path for path in self.desk.partial.rglob("*") if str(path) not in self.synced]


@pytest.mark.skipif(sys.platform != "linux", reason="names descriptors through /proc")
@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_a_copy_is_durable_before_it_counts_as_taken(desk: Desk, kind: str) -> None:
    path = desk.inbox / "a.txt"
    match kind:
        case "file":
            path.write_text("hello")
        case "link":
            path.symlink_to("elsewhere")
        case _:
            (path / "deep").mkdir(parents=True)
            (path / "deep" / "b.txt").write_text("hello")
    files = Syncing(desk)
    taken = claimed(take(desk, "a.txt", files, copy_only=True))
    assert files.named == [str(taken.path)]
    assert files.too_early == []


def test_a_polled_inbox_is_copied_and_its_source_removed_only_when_told(desk: Desk) -> None:
    path = desk.inbox / "a.txt"
    path.write_text("hello")
    taken = claimed(take(desk, "a.txt", copy_only=True))
    assert path.exists()
    said = parse(taken.path.parent.name)
    assert said is not None
    assert said.mark is Mark.COPY
    assert said.source == taken.source
    assert remove(taken, path) is Removed.GONE
    assert not path.exists()


def test_a_source_that_was_replaced_is_not_removed(desk: Desk) -> None:
    path = desk.inbox / "a.txt"
    path.write_text("hello")
    taken = claimed(take(desk, "a.txt", copy_only=True))
    path.write_text("another drop")
    assert remove(taken, path) is Removed.REPLACED
    assert path.read_text() == "another drop"


def test_a_source_whose_other_name_went_is_still_removed(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("hello")
    os.link(tmp_path / "other", desk.inbox / "a.txt")
    taken = claimed(take(desk, "a.txt"))
    (tmp_path / "other").unlink()
    assert remove(taken, desk.inbox / "a.txt") is Removed.GONE
    assert not (desk.inbox / "a.txt").exists()


def test_a_source_with_new_bytes_and_the_old_time_is_not_removed(desk: Desk) -> None:
    path = desk.inbox / "a.txt"
    path.write_text("hello")
    taken = claimed(take(desk, "a.txt", copy_only=True))
    path.write_text("HELLO")
    os.utime(path, ns=(1, taken.source.mtime_ns))
    assert remove(taken, path) is Removed.REPLACED
    assert path.read_text() == "HELLO"


def test_f16_an_open_writer_postpones(desk: Desk) -> None:
    with (desk.inbox / "a.txt").open("w") as file:
        file.write("hello")
        file.flush()
        outcome = take(desk, "a.txt")
        assert isinstance(outcome, Postponed)
        assert outcome.writer
    claimed(take(desk, "a.txt"))


def test_a_writer_that_comes_during_the_claim_gets_the_file_back(desk: Desk) -> None:
    path = desk.inbox / "a.txt"
    path.write_text("hello")
    opened: list[int] = []
    # Opening without blocking fails while the lease is held, but it breaks the lease.
    meddling = Meddling("rename", lambda: opened.append(_break(path)))
    outcome = take(desk, "a.txt", meddling)
    assert opened == [1]
    assert isinstance(outcome, Postponed)
    assert path.read_text() == "hello"
    assert list(desk.claimed.iterdir()) == []


def _break(path: Path) -> int:
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    except BlockingIOError:
        return 1
    return 0


def test_f24_a_link_swapped_in_is_not_followed(desk: Desk, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    path = desk.inbox / "a.txt"
    path.write_text("hello")
    place = Place("main", desk.inbox, None, "a.txt")
    with Folder.open(desk.inbox) as folder:
        seen = look(place, folder.look("a.txt"), 10)
    path.unlink()
    path.symlink_to(secret)
    batch = Batch(Files(), desk)
    assert isinstance(claim(batch, place, seen), Postponed)
    assert path.is_symlink()
    assert list(desk.claimed.iterdir()) == []


def test_f24_a_file_swapped_in_during_the_rename_is_given_back(desk: Desk, tmp_path: Path) -> None:
    path = desk.inbox / "a.txt"
    path.write_text("hello")
    other = tmp_path / "other"
    other.write_text("other")

    def swap() -> None:
        os.replace(other, path)

    outcome = take(desk, "a.txt", Meddling("rename", swap))
    assert isinstance(outcome, Postponed)
    assert path.read_text() == "other"


def test_f18_a_source_that_changes_while_it_is_copied_is_not_yet(desk: Desk, tmp_path: Path) -> None:
    path = desk.inbox / "a.txt"
    path.write_text("hello")
    os.link(path, tmp_path / "second")

    def change() -> None:
        # A second descriptor would break the lease and wait; utime is a change, too.
        os.utime(path, (1, 1))

    outcome = take(desk, "a.txt", Meddling("copy", change))
    assert isinstance(outcome, Postponed)
    assert list(desk.partial.iterdir()) == []
    assert claimed(take(desk, "a.txt")).path.read_text() == "hello"


def test_f23_a_link_becomes_a_card_and_its_target_is_not_opened(desk: Desk, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("do not read")
    before = os.stat(secret).st_atime_ns
    (desk.inbox / "a").symlink_to(secret)
    taken = claimed(take(desk, "a"))
    assert taken.mark is Mark.LINK
    assert taken.problem
    assert "symbolic link" in taken.problem
    assert str(secret) in taken.path.read_text()
    assert "do not read" not in taken.path.read_text()
    assert os.stat(secret).st_atime_ns == before
    assert taken.source_path is not None
    assert remove(taken, taken.source_path) is Removed.GONE
    assert not (desk.inbox / "a").is_symlink()
    assert secret.exists()


def test_f26_fifo_socket_and_device_do_not_block(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(desk.inbox / "fifo")
    monkeypatch.chdir(desk.inbox)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("sock")
        for name in ("fifo", "sock"):
            outcome = take(desk, name)
            assert isinstance(outcome, Declined)
            assert "FIFO" in outcome.reason
    if os.geteuid() == 0:
        os.mknod(desk.inbox / "null", 0o600 | 0o020000, os.makedev(1, 3))
        assert isinstance(take(desk, "null"), Declined)


def test_a_folder_is_renamed_whole(desk: Desk) -> None:
    (desk.inbox / "d" / "e").mkdir(parents=True)
    (desk.inbox / "d" / "e" / "f.txt").write_text("x")
    taken = claimed(take(desk, "d"))
    assert taken.kind == "folder"
    assert (taken.path / "e" / "f.txt").read_text() == "x"
    assert taken.source_path is None
    assert not (desk.inbox / "d").exists()


def test_a_folder_in_which_somebody_writes_waits(desk: Desk) -> None:
    (desk.inbox / "d").mkdir()
    with (desk.inbox / "d" / "f").open("w") as file:
        file.write("x")
        file.flush()
        outcome = take(desk, "d")
        assert isinstance(outcome, Postponed)
        assert outcome.writer


def test_a_folder_that_changes_during_the_claim_is_given_back(desk: Desk) -> None:
    (desk.inbox / "d").mkdir()
    (desk.inbox / "d" / "f").write_text("x")
    outcome = take(desk, "d", Meddling("rename", lambda: (desk.inbox / "d" / "late").write_text("y")))
    assert isinstance(outcome, Postponed)
    assert sorted(os.listdir(desk.inbox / "d")) == ["f", "late"]


def test_a_folder_with_a_foreign_hard_link_is_copied(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("x")
    (desk.inbox / "d" / "e").mkdir(parents=True)
    os.link(tmp_path / "other", desk.inbox / "d" / "e" / "f")
    taken = claimed(take(desk, "d"))
    assert (taken.path / "e" / "f").stat().st_ino != (tmp_path / "other").stat().st_ino
    assert taken.source_path is not None
    assert remove(taken, taken.source_path) is Removed.GONE
    assert not (desk.inbox / "d").exists()
    assert (tmp_path / "other").read_text() == "x"


def test_a_copied_folder_keeps_what_came_later(desk: Desk) -> None:
    (desk.inbox / "d").mkdir()
    (desk.inbox / "d" / "f").write_text("x")
    taken = claimed(take(desk, "d", copy_only=True))
    (desk.inbox / "d" / "late").write_text("y")
    assert taken.source_path is not None
    assert remove(taken, taken.source_path) is Removed.REPLACED
    assert (desk.inbox / "d" / "late").read_text() == "y"


def test_a_copied_folder_with_a_link_is_marked(desk: Desk) -> None:
    (desk.inbox / "d").mkdir()
    (desk.inbox / "d" / "f").write_text("x")
    (desk.inbox / "d" / "l").symlink_to("/etc/shadow")
    taken = claimed(take(desk, "d", copy_only=True))
    assert taken.mark is Mark.ODD
    assert taken.problem
    assert os.listdir(taken.path) == ["f"]


def test_what_is_gone_is_gone(desk: Desk) -> None:
    (desk.inbox / "a").write_text("x")
    place = Place("main", desk.inbox, None, "a")
    with Folder.open(desk.inbox) as folder:
        seen = look(place, folder.look("a"), 10)
    (desk.inbox / "a").unlink()
    assert isinstance(claim(Batch(Files(), desk), place, seen), Gone)


def test_a_routing_folder_swapped_for_a_link_leads_nowhere(desk: Desk, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a").write_text("secret")
    (desk.inbox / "route").symlink_to(elsewhere)
    place = Place("main", desk.inbox, "route", "a")
    with Folder.open(elsewhere) as folder:
        seen = look(Place("main", elsewhere, None, "a"), folder.look("a"), 10)
    assert isinstance(claim(Batch(Files(), desk), place, seen), Postponed)
    assert (elsewhere / "a").exists()


@pytest.mark.parametrize("name", ["", "x", "main~~", "main~~zz", "Main~~ab", "main~~ab~nonsense", "main~~ab~copy.1.2"])
def test_foreign_names_in_claimed_are_no_claims(name: str) -> None:
    assert parse(name) is None


def test_a_claimed_folder_says_what_it_holds() -> None:
    from deskhand.core.task import Source

    for said in (
        Claim("main"),
        Claim("scans", "hand-over"),
        Claim("main", None, Mark.COPY, Source(1, 2, 3, -4, 5)),
        Claim("drop", None, Mark.FORGED),
    ):
        assert parse(folder_name(said)) == said


def test_kinds_are_told_apart_without_opening(desk: Desk) -> None:
    (desk.inbox / "link").symlink_to("loop")
    (desk.inbox / "loop").symlink_to("link")
    os.mkfifo(desk.inbox / "fifo")
    with Folder.open(desk.inbox) as folder:
        kinds = {entry.name: entry.kind for entry in folder.entries()}
    assert kinds == {"link": Kind.LINK, "loop": Kind.LINK, "fifo": Kind.SPECIAL}


def test_giving_back_never_replaces_what_came_meanwhile(desk: Desk) -> None:
    path = desk.inbox / "a.txt"
    path.write_text("first")
    place = Place("main", desk.inbox, None, "a.txt")
    batch = Batch(Files(), desk)
    taken = batch.rename(place)
    path.write_text("second")
    assert not batch.give_back(taken, place)
    assert path.read_text() == "second"
    assert taken.read_text() == "first"


def test_two_drops_of_one_name_in_one_batch_do_not_replace_each_other(desk: Desk) -> None:
    place = Place("main", desk.inbox, None, "a.txt")
    batch = Batch(Files(), desk)
    taken = []
    for text in ("first", "second"):
        place.path.write_text(text)
        taken.append(batch.rename(place))
    assert [path.read_text() for path in taken] == ["first", "second"]
