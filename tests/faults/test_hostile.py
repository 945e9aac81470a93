"""Hostile drops: fault rows 23 to 32 and 35."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import subprocess
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deskhand.core.names import is_id, key_of, visible
from deskhand.store.accept import Accepted
from deskhand.store.desk import Desk
from deskhand.testing.intake_bench import IntakeBench, make_folders

NOBODY = 65534


@pytest.fixture
def bench(desk: Desk) -> Iterator[IntakeBench]:
    with IntakeBench(desk) as found:
        yield found


@pytest.mark.parametrize("where", ["file", "folder", "nowhere", "itself"])
def test_f23_a_link_is_quarantined_by_name(desk: Desk, bench: IntakeBench, tmp_path: Path, where: str) -> None:
    secret = tmp_path / "secret"
    folder = tmp_path / "folder"
    folder.mkdir()
    secret.write_text("a secret")
    (folder / "inside").write_text("a secret")
    target = {"file": secret, "folder": folder, "nowhere": tmp_path / "none", "itself": desk.inbox / "link.txt"}[where]
    (desk.inbox / "link.txt").symlink_to(target)
    (accepted,) = bench.finish()
    task = accepted.task_file
    assert task.quarantine
    assert task.name == "link.txt"
    assert "symbolic link" in (task.problem or "")
    assert "a secret" not in accepted.payload.read_text()
    assert not (desk.inbox / "link.txt").is_symlink()
    assert secret.read_text() == (folder / "inside").read_text() == "a secret"
    assert bench.settle(20.0) == []


def test_f23_a_link_in_place_of_a_routing_folder_leads_nowhere(desk: Desk, tmp_path: Path) -> None:
    make_folders(desk)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "key").write_text("x")
    (desk.inbox / "hand-over").symlink_to(tmp_path / "secrets")
    with IntakeBench(desk, recipes={"hand-over"}) as bench:
        (accepted,) = bench.settle(3.0)
    assert accepted.task_file.quarantine
    assert (tmp_path / "secrets" / "key").exists()


def test_f23_a_link_inside_a_folder_quarantines_the_folder(desk: Desk, bench: IntakeBench) -> None:
    (desk.inbox / "d" / "e").mkdir(parents=True)
    (desk.inbox / "d" / "fine.txt").write_text("x")
    (desk.inbox / "d" / "e" / "link").symlink_to("/etc/passwd")
    (accepted,) = bench.settle(2.5)
    assert accepted.task_file.quarantine
    assert "symbolic link" in (accepted.task_file.problem or "")
    assert [entry.path for entry in accepted.task_file.files] == ["fine.txt"]


def test_f26_a_fifo_inside_a_folder_does_not_block(desk: Desk, bench: IntakeBench) -> None:
    (desk.inbox / "d").mkdir()
    os.mkfifo(desk.inbox / "d" / "fifo")
    (accepted,) = bench.settle(2.5)
    assert accepted.task_file.quarantine


def test_f26_special_files_are_told_once_and_others_go_on(
    desk: Desk, bench: IntakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(desk.inbox / "fifo")
    monkeypatch.chdir(desk.inbox)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("sock")
        (desk.inbox / "a.txt").write_text("x")
        for _ in range(3):
            bench.settle()
    assert sorted(refused.name for refused in bench.refused) == ["fifo", "sock"]
    assert len(bench.accepted) == 1
    assert sorted(os.listdir(desk.inbox)) == ["fifo", "sock"]


def test_f27_a_sparse_terabyte_is_refused_unread(desk: Desk, bench: IntakeBench) -> None:
    path = desk.inbox / "huge.img"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    before = resource.getrusage(resource.RUSAGE_SELF)
    bench.finish({path})
    bench.settle(60.0)
    after = resource.getrusage(resource.RUSAGE_SELF)
    (refused,) = bench.refused
    assert (refused.name, refused.bytes) == ("huge.img", 1 << 40)
    assert after.ru_maxrss - before.ru_maxrss < 32 * 1024
    assert path.exists()


def test_f27_a_folder_with_a_sparse_terabyte_is_refused(desk: Desk, bench: IntakeBench) -> None:
    (desk.inbox / "d").mkdir()
    with (desk.inbox / "d" / "huge.img").open("wb") as file:
        file.truncate(1 << 40)
    bench.settle(5.0)
    assert [refused.bytes for refused in bench.refused] == [1 << 40]
    assert bench.accepted == []


NAMES = [
    *(
        b"new\nline.txt",
        b"esc\x1b[2J.txt",
        b"-rf",
        b"--help",
        b" space ",
        b"a b.txt",
        b"tab\t.txt",
        b"..\\x",
        b"...",
        b"$(id)",
    ),
    *(
        "right\u202eto-left.txt".encode(),
        b"latin\xe9.txt",
        b"\xff\xfe",
        b"\x80" * 200,
        b"'quote\".txt",
        b"*?[x]",
        b"%s%n",
    ),
    *(
        b"a" * 255,
        "\u00e4".encode() * 127,
        b"CON",
        b"NUL",
        b"com1.txt",
        b"x.",
        b"aux.",
        b"a~b~c~d",
        b"main~~00~copy.1.2",
    ),
]


@pytest.mark.parametrize("raw", NAMES, ids=lambda raw: repr(raw[:16]))
def test_f28_f29_f31_every_name_is_taken_and_kept(desk: Desk, bench: IntakeBench, raw: bytes) -> None:
    name = os.fsdecode(raw)
    path = desk.inbox / name
    path.write_text("x")
    (accepted,) = bench.finish({path})
    checked(accepted, name)
    assert os.listdir(desk.inbox) == []


def checked(accepted: Accepted, name: str) -> None:
    task = accepted.task_file
    assert task.original_name == name
    assert is_id(task.id)
    assert is_id(f"{task.id}")
    assert task.input.isascii()
    assert task.input.split(".")[0].split("-")[0].isdigit()
    assert not task.input.endswith(".")
    assert visible(name).isprintable()
    task.name.encode("utf-8")


@given(
    st.binary(min_size=1, max_size=255).filter(
        lambda raw: b"/" not in raw and b"\0" not in raw and raw.strip(b".") != b""
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_f28_any_bytes_as_a_name(tmp_path: Path, raw: bytes) -> None:
    from deskhand.core.names import ignored

    name = os.fsdecode(raw)
    if ignored(name):
        return
    desk = Desk(tmp_path / os.urandom(6).hex())
    with IntakeBench(desk) as bench:
        (desk.inbox / name).write_text("x")
        bench.settle()
        (accepted,) = bench.accepted
        checked(accepted, name)
    shutil.rmtree(desk.root)


def test_f28_hostile_names_inside_a_folder(desk: Desk, bench: IntakeBench) -> None:
    (desk.inbox / "d").mkdir()
    for raw in (b"latin\xe9", b"new\nline", b"-rf"):
        Path(os.fsdecode(os.fsencode(desk.inbox / "d") + b"/" + raw)).write_text("x")
    (accepted,) = bench.settle(2.5)
    assert [entry.path for entry in accepted.task_file.files] == ["-rf", "latin\\xe9", "new\nline"]
    assert not accepted.task_file.quarantine


def test_f30_unicode_and_case_twins_are_two_tasks_each(desk: Desk, bench: IntakeBench) -> None:
    twins = [unicodedata.normalize(form, "Caf\u00e9.txt") for form in ("NFC", "NFD")] + ["A.txt", "a.txt"]
    for name in twins:
        (desk.inbox / name).write_text(name)
    bench.settle()
    assert sorted(accepted.task_file.name for accepted in bench.accepted) == sorted(twins)
    assert len({key_of(accepted.task_file.id) for accepted in bench.accepted}) == 4
    for accepted in bench.accepted:
        assert accepted.payload.read_text() == accepted.task_file.name


def test_f32_a_tree_too_deep_is_refused_and_others_go_on(desk: Desk, bench: IntakeBench) -> None:
    deep = desk.inbox / "deep"
    here = deep
    for _ in range(110):
        here = here / "x"
    here.mkdir(parents=True)
    (here / "f").write_text("x")
    (desk.inbox / "a.txt").write_text("x")
    for _ in range(4):
        bench.settle(3.0)
    assert [refused.name for refused in bench.refused] == ["deep"]
    assert [accepted.task_file.name for accepted in bench.accepted] == ["a.txt"]


@contextmanager
def as_nobody(desk: Desk) -> Iterator[None]:
    """Give up root's powers for a while; does nothing for everybody else."""
    if os.geteuid() != 0:
        yield
        return
    for folder, _, _ in os.walk(desk.root):
        os.chown(folder, NOBODY, NOBODY)
    for parent in (desk.root, *desk.root.parents):
        if parent.stat().st_mode & 0o005 != 0o005 and "pytest" in str(parent):
            parent.chmod(parent.stat().st_mode | 0o055)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_f35_a_file_nobody_may_read_is_told_once_and_taken_when_it_can_be(desk: Desk) -> None:
    make_folders(desk)
    with as_nobody(desk), IntakeBench(desk) as bench:
        path = desk.inbox / "locked.txt"
        path.write_text("x")
        path.chmod(0)
        (desk.inbox / "a.txt").write_text("x")
        for _ in range(3):
            bench.settle()
        assert [(refused.name, refused.reason) for refused in bench.refused] == [("locked.txt", "permission denied")]
        assert [accepted.task_file.name for accepted in bench.accepted] == ["a.txt"]
        path.chmod(0o600)
        bench.settle()
        assert len(bench.accepted) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of others")
def test_f35_a_file_of_somebody_else_is_copied(desk: Desk) -> None:
    make_folders(desk)
    path = desk.inbox / "theirs.txt"
    path.write_text("x")
    os.chown(path, 12345, 12345)
    path.chmod(0o644)
    with as_nobody(desk), IntakeBench(desk) as bench:
        bench.settle()
        bench.finish()
        (accepted,) = bench.accepted
        assert accepted.source_to_unlink == path
        assert accepted.payload.stat().st_uid == NOBODY
        assert not path.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of others")
def test_f35_a_copied_source_that_cannot_be_removed_is_told_once_and_not_taken_again(desk: Desk) -> None:
    make_folders(desk)
    path = desk.inbox / "theirs.txt"
    path.write_text("x")
    path.chmod(0o644)
    with as_nobody(desk), IntakeBench(desk) as bench:
        os.seteuid(0)
        os.chown(desk.inbox, 0, 0)
        desk.inbox.chmod(0o1777)
        os.seteuid(NOBODY)
        for _ in range(4):
            bench.settle(5.0)
        assert len(bench.accepted) == 1
        assert [refused.name for refused in bench.refused] == ["theirs.txt"]
        assert "cannot be removed" in bench.refused[0].reason
        assert path.exists()


def test_f35_an_immutable_file_is_taken_once_and_others_go_on(desk: Desk, bench: IntakeBench) -> None:
    path = desk.inbox / "fixed.txt"
    path.write_text("x")
    if shutil.which("chattr") is None or subprocess.run(["chattr", "+i", path], capture_output=True).returncode != 0:
        pytest.skip("no immutable files here")
    try:
        (desk.inbox / "a.txt").write_text("x")
        for _ in range(4):
            bench.settle(5.0)
    finally:
        subprocess.run(["chattr", "-i", path], check=True)
    assert sorted(accepted.task_file.name for accepted in bench.accepted) == ["a.txt", "fixed.txt"]
    assert [refused.name for refused in bench.refused] == ["fixed.txt"]
