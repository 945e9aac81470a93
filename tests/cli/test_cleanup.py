"""``cleanup``: what may go goes, whole; what is unfinished, in use, unknown or on record stays."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from deskhand.cli import cleanup as module
from deskhand.core.log import NoLog
from deskhand.core.names import key_of
from deskhand.core.record import Draft
from deskhand.engine import cleaning
from deskhand.engine.assemble import open_desk
from deskhand.engine.view import look
from deskhand.store import removal
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.testing.faulty_files import Crash, FaultyFiles

from .conftest import Console


def age(path: Path, seconds: float) -> Path:
    """Make what is written look old; the time of the last change of its name cannot be."""
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


def records(console: Console, kind: str) -> list[dict[str, object]]:
    """The records of one type."""
    return [
        json.loads(line) for line in console("audit", "show", "--type", kind, "--all", "--json").stdout.splitlines()
    ]


def rotate(desk: Desk) -> None:
    """Close the newest file of the log."""
    with open_desk(desk, NoLog(), ring=lambda: None, watch=False, work=False) as session:
        session.engine.tick()
        session.engine.ledger.rotate(session.parts.intake.on_record)


def test_finished_tasks_go_by_age_and_as_a_whole(console: Console) -> None:
    done, waits = console.drop("a.txt", b"aa\n"), console.drop("b.txt", b"b\n", "--recipe", "hand-over")
    parked = console.drop("c.txt", b"c\n", "--recipe", "nosuch")
    completed = console.desk.folder("completed")
    (completed / "20200101-000000-strange-aaaaaa.in.txt").write_bytes(b"the log does not know me")
    (completed / "my own.txt").write_bytes(b"mine")
    nothing = console.json("cleanup", "--completed", "--older-than", "24h")
    assert (nothing["removed"][0]["files"], nothing["removed"][0]["unknown"]) == (0, 1)
    plan = console.json("cleanup", "--completed", "--failed", "--rejected", "--older-than", "0s", "--dry-run")
    assert [(part["kind"], part["tasks"]) for part in plan["removed"]] == [
        ("completed", [done]),
        ("failed", []),
        ("rejected", []),
    ]
    assert plan["removed"][0]["files"] == 3  # its description, what was dropped, and a note in a folder
    said = console("cleanup", "--completed", "--older-than", "0s").output
    assert "removed: files of completed tasks" in said and "1 task stay" in said
    assert {path.name for path in completed.iterdir()} >= {"my own.txt", "20200101-000000-strange-aaaaaa.in.txt"}
    assert not list(completed.rglob(f"{done}*")) and not list(console.desk.removing.iterdir())
    (record,) = records(console, "cleanup.done")
    assert (record["what"], record["older_than"]) == (["completed"], 0.0) and record["actor"]["via"] == "command"  # type: ignore[index]
    assert {task["id"]: task["state"] for task in console.json("tasks")["tasks"]} == {
        key_of(done): "completed",
        waits: "waiting",
        parked: "parked",
    }
    assert console.json("audit", "verify")["ok"] is True


def test_one_task_whatever_its_age(console: Console) -> None:
    done, waits = console.drop("a.txt", b"a\n"), console.drop("b.txt", b"b\n", "--recipe", "hand-over")
    assert "it is not finished" in console("cleanup", "--task", waits, code=2).stderr
    assert console.json("cleanup", "--task", done)["removed"][0]["tasks"] == [done]
    assert not list(console.desk.queue.rglob(f"{done}*")) and list(console.desk.approvals.glob(f"{waits}*"))


def test_what_was_filed_by_day_goes_too(console: Console) -> None:
    done = console.drop("a.txt", b"a\n")
    with open_desk(console.desk, NoLog(), ring=lambda: None, watch=False, work=False) as session:
        session.parts.folders.file_by_day(time.time() + 2 * 86_400)
    assert list(console.desk.folder("completed").glob("????-??-??/*"))
    console("cleanup", "--completed", "--older-than", "0s")
    assert not list(console.desk.queue.rglob(f"{done}*"))


def test_temporary_files_go_when_nothing_changed_in_them_for_a_while(console: Console) -> None:
    desk = console.desk
    with open_desk(desk, NoLog(), ring=lambda: None, watch=False, work=False):
        pass
    work, busy = desk.work / "20260101-000000-aaaaaa-1", desk.work / "20260101-000000-bbbbbb-1"
    for folder in (work, busy):
        (folder / "in").mkdir(parents=True)
        (folder / "in" / "a.txt").write_bytes(b"12345")
    half, temporary, mine = desk.partial / "half", desk.queue / ".deskhand-00.tmp", desk.work / "mine"
    half.write_bytes(b"123")
    temporary.write_bytes(b"1")
    mine.mkdir()
    now, running = time.time(), {"20260101-000000-bbbbbb"}
    (part,) = cleaning.plan(desk, look(desk), ["temp"], now - 3600, running)
    assert part.files == 0
    (part,) = cleaning.plan(desk, look(desk), ["temp"], now + 60, running)
    assert {one.path for one in part.leftovers} == {half, temporary, work} and (part.files, part.bytes) == (3, 9)
    assert list(cleaning.carry_out(Files(), desk, [part])) == [part]
    assert [path.exists() for path in (half, temporary, work, busy, mine)] == [False, False, False, True, True]


def test_by_default_temporary_files_and_rotated_logs_go(console: Console) -> None:
    done = console.drop("a.txt", b"a\n")
    console.desk.logs.mkdir(exist_ok=True)
    for name in ("deskhand.log", "deskhand.log.1", "deskhand.log.2", "mine.log.1"):
        (console.desk.logs / name).write_bytes(b"x\n")
    for name in ("deskhand.log", "deskhand.log.2", "mine.log.1"):
        age(console.desk.logs / name, 8 * 86_400)
    data = console.json("cleanup")
    assert [(part["kind"], part["files"]) for part in data["removed"]] == [("temp", 0), ("logs", 1)]
    assert sorted(path.name for path in console.desk.logs.iterdir()) == ["deskhand.log", "deskhand.log.1", "mine.log.1"]
    assert list(console.desk.folder("completed").glob(f"{done}*"))


def test_closed_days_of_the_log_are_packed_on_record(console: Console) -> None:
    done = console.drop("a.txt", b"a\n")
    for _ in range(2):
        rotate(console.desk)
    plain = {path.name: path.read_bytes() for path in console.desk.audit.glob("audit_*.jsonl")}
    assert len(plain) == 3
    dry = console.json("cleanup", "--logs", "--older-than", "0s", "--dry-run")
    packed = console.json("cleanup", "--logs", "--older-than", "0s")["packed"]
    assert [one["name"] for one in dry["packed"]] == [one["name"] for one in packed] == sorted(plain)[:2]
    assert len(list(console.desk.audit.glob("audit_*.jsonl"))) == 1
    assert [record["packed_sha256"] for record in records(console, "audit.compressed")] == [
        one["packed_sha256"] for one in packed
    ]
    verified = console.json("audit", "verify")
    assert verified["ok"] is True and verified["notes"] == [] and len(verified["files"]) == 3
    assert console.json("task", "show", done)["task"]["state"] == "completed"
    assert records(console, "log.genesis")[0]["seq"] == 1
    assert console.json("cleanup", "--logs", "--older-than", "0s")["packed"] == []


# -- much of it ------------------------------------------------------------------------------------------------------


@pytest.fixture
def much(console: Console) -> tuple[Console, str]:
    """A desk on which one task's files are much."""
    done = console.drop("a.txt", b"a\n")
    console("config", "set", "cleanup.ask_files", "1")
    return console, done


def test_much_needs_a_person(much: tuple[Console, str]) -> None:
    console, done = much
    error = console.json("cleanup", "--completed", "--older-than", "0s", code=3)["error"]
    assert "a person has to confirm that" in error["cause"]
    assert "a person has to confirm" in console("cleanup", "--completed", "--older-than", "0s", code=3).stderr
    assert list(console.desk.folder("completed").glob(f"{done}*")) and records(console, "cleanup.done") == []
    assert console.json("cleanup", "--completed", "--older-than", "0s", "--dry-run")["removed"][0]["files"] > 1


@pytest.mark.parametrize(("typed", "gone"), [("right", True), ("y", False), ("", False)])
def test_on_a_terminal_the_number_is_typed(
    much: tuple[Console, str], monkeypatch: pytest.MonkeyPatch, typed: str, gone: bool
) -> None:
    console, done = much
    monkeypatch.setattr(module, "interactive", lambda: True)
    files = console.json("cleanup", "--completed", "--older-than", "0s", "--dry-run")["removed"][0]["files"]
    answer = str(files) if typed == "right" else typed
    said = console("cleanup", "--completed", "--older-than", "0s", code=0 if gone else 3, answers=f"{answer}\n")
    assert f"Type {files} to remove them" in said.stdout
    assert (not list(console.desk.folder("completed").glob(f"{done}*"))) is gone


# -- cut off ---------------------------------------------------------------------------------------------------------


def test_a_crash_leaves_no_task_half_removed(console: Console) -> None:
    ids = sorted(console.drop(name, name.encode()) for name in ("a.txt", "b.txt"))
    completed = console.desk.folder("completed")
    kept = {path: path.read_bytes() for path in completed.rglob("*-?-*") if path.is_file()}
    kept |= {path: path.read_bytes() for path in completed.glob("*.out/*")}
    at = 0
    while True:
        at += 1
        for path, data in kept.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        tasks = [one for one in removal.standing(console.desk) if one.id in ids]
        files = FaultyFiles(at)
        try:
            gone = [one.id for one in removal.remove(files, console.desk, tasks)]
        except Crash:
            with open_desk(console.desk, NoLog(), ring=lambda: None, watch=False, work=False):
                pass
            for identifier in ids:
                left = {path for path in completed.rglob("*") if path.is_file() and identifier in str(path)}
                whole = {path for path in kept if identifier in str(path)}
                assert left in (set(), whole), (at, left)
            assert not list(console.desk.removing.glob("*"))
            continue
        assert gone == ids and not any(path.exists() for path in kept)
        break
    assert at > 8


def test_a_mark_for_an_unfinished_task_removes_nothing(console: Console) -> None:
    waits = console.drop("b.txt", b"b\n", "--recipe", "hand-over")
    before = sorted(console.desk.approvals.iterdir())
    (console.desk.removing / waits).mkdir(parents=True)
    console.work_off()
    assert sorted(console.desk.approvals.iterdir()) == before and not any(console.desk.removing.iterdir())


def test_nothing_goes_by_age_while_the_clock_is_in_doubt(console: Console) -> None:
    done = console.drop("a.txt", b"a\n")
    with open_desk(console.desk, NoLog(), ring=lambda: None, watch=False, work=False) as session:
        fields = {"step_s": 1e8, "before": 1.0, "after": 2.0, "confirmed": False}
        session.engine.ledger.note(Draft("log.clock_step", fields))
        session.engine.tick()
    assert "no age can be relied on" in console("cleanup", "--completed", "--older-than", "0s", code=3).stderr
    assert console.json("cleanup", "--task", done)["removed"][0]["files"] == 3
    console("resume")
    console("cleanup", "--completed", "--older-than", "0s")


def test_a_wrong_span_is_a_usage_error(console: Console) -> None:
    assert "--older-than" in console("cleanup", "--older-than", "soon", code=2).stderr
