"""``task forget``: afterwards no byte of name or content is left below the desk, and the log is as sound as ever."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deskhand.core.log import NoLog
from deskhand.core.names import key_of
from deskhand.engine.assemble import open_desk
from deskhand.store import erase, scrub
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.scrub import Traces
from deskhand.testing.faulty_files import Crash, FaultyFiles

from .conftest import Console

NAME, CONTENT = "kündigung ada_lovelace (1).txt", "dear sirs, yours ada lovelace\n"
SLUG = b"kundigung"


def found_below(desk: Desk, *needles: bytes) -> list[str]:
    """Every path below the desk that has one of *needles* in its name or bytes."""
    hits = []
    for path in sorted(desk.root.rglob("*")):
        data = path.read_bytes() if path.is_file() else b""
        if any(needle in data or needle in bytes(path.relative_to(desk.root)) for needle in needles):
            hits.append(str(path.relative_to(desk.root)))
    return hits


def needles(identifier: str) -> tuple[bytes, ...]:
    return NAME.encode(), CONTENT.strip().encode(), identifier.encode(), SLUG, b"lovelace"


@pytest.fixture
def dropped(console: Console) -> tuple[Console, str]:
    """A desk on which a personal file was handled, answered, delivered, logged and noted."""
    identifier = console.drop(NAME, CONTENT.encode(), "--recipe", "hand-over")
    console("approve", identifier)
    console.work_off()
    console.desk.logs.mkdir(exist_ok=True)
    lines = [
        {"ts": "2026-11-20T10:00:00.000Z", "level": "info", "event": "task completed", "task": identifier},
        {"ts": "2026-11-20T10:00:00.000Z", "level": "warning", "event": "x", "cause": f"[Errno 2] 'in/{NAME}'"},
        {"ts": "2026-11-20T10:00:01.000Z", "level": "info", "event": "ready", "desk": "/somewhere"},
    ]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (console.desk.logs / "deskhand.log").write_text(text)
    (console.desk.logs / "deskhand.log.1").write_text(text * 2)
    note = console.desk.vault / "_deskhand" / "status.md"
    note.parent.mkdir(exist_ok=True)
    report = note.with_name("reports") / f"failure-{identifier}.md"
    report.parent.mkdir()
    report.write_text("why it failed")
    note.write_text(f"# Status\n- **kündigung ada\\_lovelace \\(1\\)\\.txt** · `{identifier}`\n- other\n{NAME} again\n")
    return console, identifier


def test_no_byte_is_left_but_what_was_delivered(dropped: tuple[Console, str]) -> None:
    console, identifier = dropped
    desk = console.desk
    (delivered,) = (path for path in (desk.root / "outbox").rglob("*") if path.is_file())
    (desk.backups).mkdir(exist_ok=True)
    (desk.backups / "backup_2026-11-20_10-00-00.zip").write_bytes(b"zip")
    assert len(found_below(desk, *needles(identifier))) > 5
    reply = console.json("task", "forget", identifier, "--yes", "--reason", "asked for in writing")
    assert (reply["key"], reply["deliveries"], reply["unknown_deliveries"]) == (key_of(identifier), [str(delivered)], 0)
    assert reply["backups"] == ["backup_2026-11-20_10-00-00.zip"] and reply["files"] >= 3 and reply["bytes"] > 0
    assert found_below(desk, *needles(identifier)) == [str(delivered.relative_to(desk.root))]
    assert console.json("audit", "verify")["ok"] is True
    assert (desk.vault / "_deskhand" / "status.md").read_text() == "# Status\n- other\n*** again\n"


def test_the_log_keeps_its_lines_and_says_less(dropped: tuple[Console, str]) -> None:
    console, identifier = dropped
    path = console.desk.logs / "deskhand.log"
    before = path.stat().st_size
    console("task", "forget", identifier, "--yes")
    lines = path.read_bytes().splitlines()
    assert path.stat().st_size == before
    assert [json.loads(line)["event"] for line in lines] == ["task completed", "x", "ready"]
    assert json.loads(lines[0])["task"] == key_of(identifier) and "***" in json.loads(lines[1])["cause"]


def test_task_show_says_when_and_by_whom(dropped: tuple[Console, str]) -> None:
    console, identifier = dropped
    console("task", "forget", identifier, "--yes", "--reason", "asked for")
    key = key_of(identifier)
    data = console.json("task", "show", key)["task"]
    assert (data["id"], data["name"], data["state"], data["files"]) == (key, None, "completed", [])
    assert data["forgotten"]["reason"] == "asked for" and data["forgotten"]["actor"]["via"] == "command"
    assert "forgotten 20" in (text := console("task", "show", key).output) and "asked for" in text
    assert "(forgotten)" in console("tasks").output
    assert "forgotten" in console("task", "trace", key).output
    assert console.json("status")["completed_24h"] == 1
    assert "its files are gone" in console("task", "retry", key, code=2).stderr


def test_only_finished_tasks_and_only_with_a_word(dropped: tuple[Console, str]) -> None:
    console, identifier = dropped
    waits = console.drop("b.txt", b"b\n", "--recipe", "hand-over")
    assert "only a finished task" in console("task", "forget", waits, "--yes", code=2).stderr
    assert "say --yes" in console("task", "forget", identifier, code=3).stderr
    assert console.json("task", "show", identifier)["task"]["name"] == NAME


def test_others_with_the_same_input_are_named(console: Console) -> None:
    first, second = console.drop("a.txt", b"same\n"), console.drop("b.txt", b"same\n")
    third = console.json("task", "retry", first)["id"]
    console.work_off()
    assert console.json("task", "forget", first, "--yes")["related"] == sorted([key_of(second), key_of(third)])


def test_nobody_is_warned_of_what_was_forgotten(console: Console) -> None:
    first = console.drop("a.txt", b"same\n")
    console("task", "forget", first, "--yes")
    again = console.drop("c.txt", b"same\n")
    assert console.json("task", "show", again)["task"]["duplicate_of"] is None


def test_it_can_be_repeated(dropped: tuple[Console, str]) -> None:
    console, identifier = dropped
    for files in (True, False):
        assert (console.json("task", "forget", key_of(identifier), "--yes")["files"] > 0) is files
    assert console.json("audit", "verify")["ok"] is True


def test_a_crash_while_erasing_is_ended_by_the_next_start(dropped: tuple[Console, str]) -> None:
    console, identifier = dropped
    desk = console.desk
    console("task", "forget", identifier, "--yes")
    saved = {path: path.read_bytes() for path in desk.audit.iterdir()}
    assert saved
    # The record is durable; what was erased is put back as if nothing had been done yet.
    place = desk.folder("completed") / f"{identifier}.log"
    place.write_text(CONTENT)
    with open_desk(desk, NoLog(), ring=lambda: None, watch=False):
        pass
    assert not place.exists()


def test_the_task_file_goes_last(dropped: tuple[Console, str]) -> None:
    console, identifier = dropped
    counting = FaultyFiles()
    kept = erase.look(console.desk, key_of(identifier))
    assert NAME in kept.names
    at = 1
    while True:
        files = FaultyFiles(at)
        try:
            assert erase.erase(files, console.desk, erase.look(console.desk, key_of(identifier))) == []
        except Crash:
            at += 1
            left = found_below(console.desk, *needles(identifier))
            task_file = f"queue/completed/{identifier}.task.json"
            assert task_file in left or not any("outbox" not in path for path in left), left
            continue
        break
    assert at > 5 and counting.calls == []
    assert all("outbox" in path for path in found_below(console.desk, *needles(identifier)))


def test_what_cannot_be_erased_is_told_and_tried_again(dropped: tuple[Console, str]) -> None:
    console, identifier = dropped
    refused = FaultyFiles(1, 5, only=lambda operation, path: operation == "unlink")
    problems = erase.erase(refused, console.desk, erase.look(console.desk, key_of(identifier)))
    assert problems and "Input/output error" in problems[0]
    assert (console.desk.folder("completed") / f"{identifier}.task.json").exists()
    assert erase.erase(Files(), console.desk, erase.look(console.desk, key_of(identifier))) == []


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a.txt", "***"),
        ("'/desk/a.txt': gone", "'/desk/***': gone"),
        ("aa.txt and a.txt2", "aa.txt and a.txt2"),
        ("20261120-100000-a-abcdef", "20261120-100000-abcdef"),
        ("nothing", "nothing"),
    ],
)
def test_a_name_counts_by_itself(text: str, left: str) -> None:
    assert Traces("20261120-100000-abcdef", ["a.txt"]).without(text) == left


def test_a_spoiled_log_line_is_blanked_and_other_files_are_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "deskhand.log"
    log.write_bytes(b'{"event":"info a"}\n{"broken a.txt\nrest without end a.txt')
    traces = Traces("20261120-100000-abcdef", ["a.txt", "\x1b"])
    assert scrub.scrub_log(Files(), log, traces) == 2
    assert log.read_bytes() == b'{"event":"info a"}\n' + b" " * 14 + b"\n" + b" " * 22
    link = tmp_path / "link"
    link.symlink_to(log)
    with pytest.raises(OSError):
        scrub.scrub_log(Files(), link, traces)
    assert scrub.scrub_log(Files(), tmp_path / "none", traces) == 0
