"""What ``deskhand drop`` leaves, honest and forged."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.core.names import is_id
from deskhand.core.record import Actor
from deskhand.core.task import Options
from deskhand.errors import LimitError, StoreError
from deskhand.store.desk import Desk
from deskhand.store.drop_file import DROP_FILE, PAYLOAD, original_name, read, submit
from deskhand.store.dropped import sweep
from deskhand.store.files import Files
from deskhand.testing.faulty_files import Crash, FaultyFiles
from deskhand.testing.intake_bench import PLACE, IntakeBench, make_folders

NOW = 1_790_000_000.0
ID = "20260921-141320-a-aaaaaa"


def drop(desk: Desk, path: Path, files: Files | None = None, **more: Any) -> str:
    make_folders(desk)
    options = Options(params={"x": "1"})
    return submit(files or Files(), desk, path, options, **{"now": NOW, "suffix": "aaaaaa", "limit": 1000, **more})


@pytest.mark.parametrize(
    ("name", "age", "stays"),
    [(f".{ID}.partial", 2, False), (f".{ID}.partial", 0.5, True), (".mine.partial", 2, True), (ID, 2, True)],
)
def test_what_a_command_left_half_written_goes_after_a_day(desk: Desk, name: str, age: float, stays: bool) -> None:
    make_folders(desk)
    folder = desk.dropped / name
    folder.mkdir()
    (folder / PAYLOAD).write_text("half of i")
    os.utime(folder, ns=(0, 0))
    now = (folder / PAYLOAD).stat().st_mtime + age * 86_400
    sweep(Files(), desk, now)
    assert folder.exists() is stays


def forged(desk: Desk, name: str, data: bytes, payload: bytes | None = b"x") -> Path:
    make_folders(desk)
    folder = desk.dropped / name
    folder.mkdir()
    (folder / DROP_FILE).write_bytes(data)
    if payload is not None:
        (folder / PAYLOAD).write_bytes(payload)
    return folder


def test_a_drop_is_taken_at_once_with_the_id_it_carries(desk: Desk, tmp_path: Path) -> None:
    source = tmp_path / "Invoice (1).pdf"
    source.write_text("hello")
    identifier = drop(desk, source, name="Invoice.pdf")
    with IntakeBench(desk, place=True) as bench:
        (accepted,) = bench.finish()
    task = accepted.task_file
    assert task.id == identifier
    assert task.name == "Invoice.pdf"
    assert task.inbox == "drop"
    assert task.options.params == {"x": "1"}
    assert accepted.payload == desk.dropped / identifier / PAYLOAD
    names = sorted(os.listdir(desk.folder(PLACE)))
    assert names == [f"{identifier}.in.pdf", f"{identifier}.task.json"]
    assert (desk.folder(PLACE) / names[0]).read_text() == "hello"
    assert source.read_text() == "hello"
    assert os.listdir(desk.dropped) == []


def test_a_folder_and_a_retry_keep_what_they_are(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "letters"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "a.txt").write_text("a")
    drop(desk, folder, retry_of=ID, inbox="retry", route="hand-over", origin="main")
    with IntakeBench(desk) as bench:
        (accepted,) = bench.finish()
    assert accepted.task_file.kind == "folder"
    assert accepted.task_file.retry_of == ID
    assert (accepted.task_file.inbox, accepted.task_file.route) == ("retry", "hand-over")
    assert (accepted.task_file.origin, accepted.task_file.dropped_in) == ("main", "main")
    assert [entry.path for entry in accepted.task_file.files] == ["inner/a.txt"]


def test_who_dropped_it_is_the_owner_of_the_folder_whatever_it_says(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    drop(desk, tmp_path / "a.txt", by=Actor(kind="program", via="tick", uid=4242))
    with IntakeBench(desk) as bench:
        (accepted,) = bench.finish()
    assert accepted.by == Actor(kind="person", via="command", uid=os.geteuid())
    (desk.inbox / "b.txt").write_text("x")
    with IntakeBench(desk) as bench:
        (accepted,) = bench.finish({desk.inbox / "b.txt"})
    assert accepted.by is None


def test_a_name_that_is_not_utf8_survives(desk: Desk, tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    (tmp_path / name).write_text("x")
    drop(desk, tmp_path / name)
    with IntakeBench(desk) as bench:
        (accepted,) = bench.finish()
    assert accepted.task_file.original_name == name
    assert accepted.task_file.name == "caf\\xe9.txt"


@pytest.mark.parametrize("what", ["large", "missing", "fifo", "link inside"])
def test_what_cannot_be_dropped_is_refused_and_nothing_is_left(desk: Desk, tmp_path: Path, what: str) -> None:
    path = tmp_path / "x"
    match what:
        case "large":
            path.write_bytes(b"x" * 1001)
        case "fifo":
            os.mkfifo(path)
        case "link inside":
            path.mkdir()
            (path / "l").symlink_to("/etc/shadow")
        case _:
            assert what == "missing"
    with pytest.raises(LimitError if what == "large" else StoreError):
        drop(desk, path)
    assert os.listdir(desk.dropped) == []


def test_a_crash_while_dropping_leaves_nothing_that_is_taken_or_all(desk: Desk, tmp_path: Path) -> None:
    source = tmp_path / "a.txt"
    source.write_text("hello")
    at = 0
    whole = 0
    while True:
        at += 1
        files = FaultyFiles(at)
        there = Desk(tmp_path / f"desk{at}")
        try:
            drop(there, source, files)
        except Crash:
            pass
        with IntakeBench(there) as bench:
            taken = bench.finish()
        assert [entry.task_file.input_bytes for entry in taken] in ([], [5])
        assert bench.refused == []
        whole += len(taken)
        if not files.fired:
            break
    assert at > 5
    assert whole == 2  # after its last call, and without a crash


HONEST: dict[str, Any] = {"schema": 1, "id": ID, "name": "a.txt"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xef\xbb\xbf" + json.dumps(HONEST).encode(),
        json.dumps(HONEST).encode("utf-16"),
        b'{"schema":1,"id":"' + ID.encode() + b'","name":"a","options":{"not_before":NaN}}',
        b'{"schema":1,"schema":1,"id":"' + ID.encode() + b'","name":"a"}',
        b"[" * 1_000_000,
        b"[" * 60_000,
        b'{"a":' * 10_000,
        json.dumps({**HONEST, "id": "../../x"}).encode(),
        json.dumps({**HONEST, "id": ID[:-1] + "b"}).encode(),
        json.dumps({**HONEST, "name": "../../x"}).encode(),
        json.dumps({**HONEST, "name": 5}).encode(),
        json.dumps({**HONEST, "unknown": 5}).encode(),
        json.dumps({**HONEST, "inbox": "main"}).encode(),
        json.dumps({**HONEST, "retry_of": "x"}).encode(),
        json.dumps({**HONEST, "name_bytes": base64.b64encode(b"a/b").decode()}).encode(),
        json.dumps({**HONEST, "name_bytes": "%%"}).encode(),
        json.dumps({**HONEST, "origin": "main"}).encode(),
        json.dumps({**HONEST, "inbox": "retry", "origin": "../x"}).encode(),
        json.dumps({**HONEST, "options": {"after": ["k"] * 101}}).encode(),
        json.dumps({**HONEST, "options": {"not_before": 1e300}}).encode(),
        json.dumps({**HONEST, "options": {"priority": 10**30}}).encode(),
    ],
    ids=lambda data: repr(data[:20]),
)
def test_f33_a_malformed_description_is_quarantined_under_a_new_id(desk: Desk, data: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read(data, ID)
    forged(desk, ID, data)
    with IntakeBench(desk) as bench:
        (accepted,) = bench.finish()
    task = accepted.task_file
    assert task.quarantine
    assert task.problem
    assert "malformed or forged" in task.problem
    assert task.id != ID
    assert is_id(task.id)
    assert task.options == Options()
    assert os.listdir(desk.dropped) == []


@pytest.mark.parametrize(
    "what", ["link", "extra", "hard link", "payload link", "no folder", "weird name", "link to it"]
)
def test_f33_what_the_command_never_makes_is_quarantined(desk: Desk, tmp_path: Path, what: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    good = json.dumps(HONEST).encode()
    match what:
        case "link":
            forged(desk, ID, good, None).joinpath(PAYLOAD).symlink_to(secret)
        case "extra":
            forged(desk, ID, good).joinpath("more").write_text("x")
        case "hard link":
            os.link(secret, forged(desk, ID, good, None) / PAYLOAD)
        case "payload link":
            folder = forged(desk, ID, good)
            (folder / DROP_FILE).unlink()
            (folder / DROP_FILE).symlink_to(secret)
        case "no folder":
            make_folders(desk)
            (desk.dropped / ID).write_text("x")
        case "weird name":
            forged(desk, "some\nname", good)
        case "link to it":
            make_folders(desk)
            (desk.dropped / ID).symlink_to(secret)
        case _:
            pytest.fail(what)
    with IntakeBench(desk) as bench:
        (accepted,) = bench.finish()
        bench.finish()
    assert accepted.task_file.quarantine
    assert secret.read_text() == "secret"
    assert os.listdir(desk.dropped) == []


def test_f33_an_id_on_record_is_not_used_twice(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    identifier = drop(desk, tmp_path / "a")
    with IntakeBench(desk, known=lambda key: key == "20260921-141320-aaaaaa") as bench:
        (accepted,) = bench.finish()
    assert identifier.endswith("aaaaaa")
    assert accepted.task_file.quarantine
    assert accepted.task_file.id != identifier


def test_what_is_still_being_written_is_left_alone(desk: Desk) -> None:
    make_folders(desk)
    (desk.dropped / f".{ID}.partial").mkdir()
    with IntakeBench(desk) as bench:
        assert bench.finish() == []
    assert os.listdir(desk.dropped) == [f".{ID}.partial"]


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        found = read(data, ID)
    except ValueError:
        return
    assert found.id == ID


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=40))
def test_a_description_that_is_read_has_a_harmless_name(name: str) -> None:
    try:
        found = read(json.dumps({**HONEST, "name": name}).encode(), ID)
    except ValueError:
        return
    assert "/" not in original_name(found)
    assert original_name(found) not in (".", "..")
