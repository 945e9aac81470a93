"""The verbs that read: status, tasks, task show, trace and log, audit."""

from __future__ import annotations

import json
import time

import pytest

from deskhand.cli import tasks
from deskhand.cli.frame import Frame

from .conftest import Console, Shown


@pytest.fixture
def broken(console: Console) -> tuple[Console, str]:
    """A desk of its own for tests that spoil something, and the id of a completed task."""
    return console, console.drop("notes.txt", b"milk\n")


def test_tasks_lists_states_reasons_and_harmless_names(shown: Shown) -> None:
    data = shown.console.json("tasks")
    assert {task["id"]: task["state"] for task in data["tasks"]} == {
        shown.done: "completed",
        shown.waits: "waiting",
        shown.parked: "parked",
    }
    assert (data["more"], data["submitted"]) == (0, [])
    text = shown.console("tasks").output
    assert "\x1b" not in text and "odd\\x1b name.txt" in text and "there is no blessed recipe 'nosuch'" in text


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--state", "unfinished"], {"waits", "parked"}),
        (["--state", "waiting"], {"waits"}),
        (["--state", "Completed"], {"done"}),
        (["--state", "in-doubt"], set()),
        (["--stuck"], {"parked"}),
        (["--since", "1h"], {"done", "waits", "parked"}),
        (["--limit", "1"], {"parked"}),
    ],
)
def test_tasks_can_be_narrowed(shown: Shown, options: list[str], found: set[str]) -> None:
    assert {task["id"] for task in shown.console.json("tasks", *options)["tasks"]} == {
        getattr(shown, name) for name in found
    }


def test_tasks_says_how_many_more_there_are(shown: Shown) -> None:
    assert "1 more; --limit 3 shows them all" in shown.console("tasks", "--limit", "2").output
    assert shown.console("tasks", "--state", "lost").output == "no task is like that\n"
    assert "did you mean 'completed'" in shown.console("tasks", "--state", "complete", code=2).stderr


def test_task_show_says_everything(shown: Shown) -> None:
    task = shown.console.json("task", "show", shown.waits[-6:])["task"]
    assert (task["id"], task["state"], task["name"]) == (shown.waits, "waiting", "letter.txt")
    assert (task["recipe"], task["version"], task["folder"]) == ("hand-over", 1, "queue/approvals")
    assert task["request"]["standing"] == "asked" and task["request"]["request"]["id"] == shown.waits
    assert task["inputs"][0]["bytes"] == 5
    text = shown.console("task", "show", shown.waits).output
    assert "Run hand-over on letter.txt?" in text and "queue/approvals" in text and task["inputs"][0]["sha256"] in text


def test_task_show_survives_erased_files(broken: tuple[Console, str]) -> None:
    console, done = broken
    console.erase(done, "completed")
    key = f"{done[:15]}-{done[-6:]}"
    shown = console.json("task", "show", key)["task"]
    assert (shown["id"], shown["name"], shown["state"], shown["files"]) == (key, None, "completed", [])
    assert "its files are gone" in console("task", "show", key).output
    assert "(its files are gone)" in console("tasks").output


def test_a_repeated_input_is_warned_about(console: Console) -> None:
    first = console.drop("invoice.txt", b"pay 100\n")
    second = console.drop("again.txt", b"pay 100\n")
    assert console.json("task", "show", "@last")["task"]["duplicate_of"] == f"{first[:15]}-{first[-6:]}"
    assert f"the same bytes were completed before, as {first}" in console("task", "show", second).output


def test_task_trace_has_every_record_with_deltas(shown: Shown) -> None:
    records = shown.console.json("task", "trace", shown.done)["records"]
    assert [record["type"] for record in records][:3] == ["task.received", "task.ready", "task.started"]
    assert [record["tn"] for record in records] == list(range(1, len(records) + 1))
    lines = shown.console("task", "trace", shown.done).output.splitlines()
    assert lines[0] == shown.done and len(lines) == len(records) + 1 and "note v1" in lines[1]
    assert all("  +" in line for line in lines[2:])


def test_task_log_shows_output_with_control_characters_escaped(broken: tuple[Console, str]) -> None:
    console, done = broken
    result = console("task", "log", done)
    assert (result.stdout, result.stderr) == ("", "no attempt has printed anything\n")
    (console.desk.folder("completed") / f"{done}.log").write_bytes(b"--- attempt 1\na\x1b[2Jb\n")
    assert console("task", "log", done).stdout == "--- attempt 1\na\\x1b[2Jb\n"
    assert console("task", "log", "-f", done).stdout == "--- attempt 1\na\\x1b[2Jb\n"


def test_unknown_tasks_are_usage_errors(shown: Shown) -> None:
    error = shown.console.json("task", "show", "zzz", code=2)["error"]
    assert "no task has an id that begins or ends with 'zzz'" in error["cause"]
    assert "may be" in shown.console("task", "show", "2", code=2).stderr


def test_status_says_what_waits_and_how_to_answer(shown: Shown) -> None:
    data = shown.console.json("status")
    assert data["daemon"]["state"] == "stopped" and data["paused"] == "no"
    assert data["states"] == {"waiting": 1, "parked": 1} and data["completed_24h"] == 1
    assert [question["id"] for question in data["waiting"]] == [shown.waits]
    assert [task["id"] for task in data["held_up"]] == [shown.parked]
    assert data["disk_free_bytes"] > 0
    text = shown.console("status").output
    assert f"deskhand approve {shown.waits[-6:]}" in text and "not running" in text and "1 waiting" in text


def test_status_of_a_desk_without_a_log(console: Console) -> None:
    for path in console.desk.audit.iterdir():
        path.unlink()
    data = console.json("status")
    assert data["has_log"] is False and "no audit log yet" in data["problems"][0]
    assert console.json("tasks")["tasks"] == []


def test_status_watch_needs_a_terminal(shown: Shown) -> None:
    assert "--watch needs a terminal" in shown.console("status", "--watch", code=2).stderr
    assert "do not go together" in shown.console.json("status", "--watch", code=2)["error"]["cause"]


def test_audit_verify_is_ok_and_machine_readable(shown: Shown) -> None:
    data = shown.console.json("audit", "verify")
    assert data["ok"] is True and data["errors"] == [] and data["entries"] > 10 and len(data["head"]) == 64
    assert shown.console("audit", "verify", "--fast").output.startswith(f"ok: {data['entries']} records in 1 file")


def test_audit_verify_names_the_line_that_was_changed(broken: tuple[Console, str]) -> None:
    console, _ = broken
    (segment,) = console.desk.audit.glob("audit_*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    lines[4] = lines[4].replace(b'"mono":', b'"mono":1', 1)
    segment.write_bytes(b"".join(lines))
    data = console.json("audit", "verify", code=4)
    assert data["ok"] is False
    assert (data["errors"][0]["file"], data["errors"][0]["line"]) == (segment.name, 5)
    text = console("audit", "verify", code=4).output
    assert f"{segment.name}:5: " in text and "NOT ok" in text


def test_audit_show_filters_and_gives_raw_lines(shown: Shown) -> None:
    (segment,) = shown.console.desk.audit.glob("audit_*.jsonl")
    raw = segment.read_bytes()
    assert shown.console("audit", "show", "--all", "--json").stdout_bytes == raw
    assert shown.console("audit", "show", "-n", "2", "--json").stdout_bytes == b"".join(
        raw.splitlines(keepends=True)[-2:]
    )
    of_task = shown.console("audit", "show", "--task", shown.waits, "--json").stdout.splitlines()
    assert {json.loads(line)["task"] for line in of_task} == {f"{shown.waits[:15]}-{shown.waits[-6:]}"}
    kinds = shown.console("audit", "show", "--all", "--type", "recipe.*").stdout.splitlines()
    assert len(kinds) == 3 and "recipe=note@1" in kinds[2]
    assert shown.console("audit", "show", "--since", "2099-01-01").stdout == ""
    assert "person" not in shown.console("audit", "show", "--actor", "daemon", "--all").stdout
    assert "is no time" in shown.console("audit", "show", "--since", "x", code=2).stderr


def test_tasks_stuck_says_why_and_what_to_do(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    data = shown.console.json("tasks", "--stuck")
    assert data["stalled"] is None, "nobody knows without a daemon"
    assert data["tasks"][0]["stuck"]["why"].startswith("there is no blessed recipe 'nosuch'")
    assert f"deskhand task retry {shown.parked[-6:]}" in data["tasks"][0]["stuck"]["advice"]
    text = shown.console("tasks", "--stuck").output
    assert "\n  there is no blessed recipe 'nosuch'" in text and "\n  to do: put that right" in text
    drop = {"inbox": "main", "name": "big.iso", "since": time.time() - 3600}
    said = {"paused": "no", "running": [], "stalled_drops": [drop], "undeliverable": {}, "unplaced": []}
    monkeypatch.setattr(tasks, "_said", lambda frame: said)
    monkeypatch.setattr(Frame, "now", time.time() + 5 * 86_400)
    later = shown.console.json("tasks", "--stuck")
    why = {task["id"]: task["stuck"]["why"] for task in later["tasks"]}[shown.waits]
    assert why.startswith("nobody has answered for 5d; it expires in ")
    assert later["stalled"] == [drop]
    assert "still being written for 5 d 1 h: big.iso in main" in shown.console("tasks", "--stuck").output


def test_a_task_that_waits_for_what_failed_is_stuck_and_one_that_waits_for_the_rest_is_not(console: Console) -> None:
    console.drop("first.txt", b"1\n", "--recipe", "hand-over", "--key", "one")
    behind = console.drop("second.txt", b"2\n", "--after", "one")
    never = console.drop("third.txt", b"3\n", "--after", "nobody")
    assert [task["id"] for task in console.json("tasks", "--stuck")["tasks"]] == [never]
    console("reject", "@last", "--reason", "no")
    console.work_off()
    assert {task["id"] for task in console.json("tasks", "--stuck")["tasks"]} == {behind, never}
