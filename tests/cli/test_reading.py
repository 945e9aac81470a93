"""The verbs that read: status, tasks, task show, trace and log, audit."""

from __future__ import annotations

import json

import pytest

from .conftest import Console


@pytest.fixture
def ids(console: Console) -> dict[str, str]:
    """A desk with a task in several states."""
    return {
        "done": console.drop("notes.txt", b"milk\n"),
        "waits": console.drop("letter.txt", b"dear\n", "--recipe", "hand-over"),
        "parked": console.drop("odd\x1b name.txt", b"odd\n", "--recipe", "nosuch"),
    }


def test_tasks_lists_states_reasons_and_harmless_names(console: Console, ids: dict[str, str]) -> None:
    data = console.json("tasks")
    assert {task["id"]: task["state"] for task in data["tasks"]} == {
        ids["done"]: "completed",
        ids["waits"]: "waiting",
        ids["parked"]: "parked",
    }
    assert (data["more"], data["submitted"]) == (0, [])
    text = console("tasks").output
    assert "\x1b" not in text and "odd\\x1b name.txt" in text and "there is no blessed recipe 'nosuch'" in text


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--state", "unfinished"], {"waits", "parked"}),
        (["--state", "waiting"], {"waits"}),
        (["--state", "Completed"], {"done"}),
        (["--state", "in-doubt"], set()),
        (["--stuck"], {"waits", "parked"}),
        (["--since", "1h"], {"done", "waits", "parked"}),
        (["--limit", "1"], {"parked"}),
    ],
)
def test_tasks_can_be_narrowed(console: Console, ids: dict[str, str], options: list[str], found: set[str]) -> None:
    assert {task["id"] for task in console.json("tasks", *options)["tasks"]} == {ids[name] for name in found}


def test_tasks_says_how_many_more_there_are(console: Console, ids: dict[str, str]) -> None:
    assert "1 more; --limit 3 shows them all" in console("tasks", "--limit", "2").output
    assert console("tasks", "--state", "lost").output == "no such task\n"
    assert "did you mean 'completed'" in console("tasks", "--state", "complete", code=2).stderr


def test_task_show_says_everything(console: Console, ids: dict[str, str]) -> None:
    shown = console.json("task", "show", ids["waits"][-6:])["task"]
    assert (shown["id"], shown["state"], shown["name"]) == (ids["waits"], "waiting", "letter.txt")
    assert (shown["recipe"], shown["version"], shown["folder"]) == ("hand-over", 1, "queue/approvals")
    assert shown["request"]["standing"] == "asked" and shown["request"]["request"]["id"] == ids["waits"]
    assert shown["inputs"][0]["bytes"] == 5
    text = console("task", "show", ids["waits"]).output
    assert "Run hand-over on letter.txt?" in text and "queue/approvals" in text and shown["inputs"][0]["sha256"] in text


def test_task_show_survives_erased_files(console: Console, ids: dict[str, str]) -> None:
    for path in (console.desk.queue / "completed").glob(f"{ids['done']}*"):
        path.unlink()
    key = f"{ids['done'][:15]}-{ids['done'][-6:]}"
    shown = console.json("task", "show", key)["task"]
    assert (shown["id"], shown["name"], shown["state"], shown["files"]) == (key, None, "completed", [])
    assert "its files are gone" in console("task", "show", key).output
    assert "(its files are gone)" in console("tasks").output


def test_a_repeated_input_is_warned_about(console: Console) -> None:
    first = console.drop("invoice.txt", b"pay 100\n")
    second = console.drop("again.txt", b"pay 100\n")
    assert console.json("task", "show", "@last")["task"]["duplicate_of"] == f"{first[:15]}-{first[-6:]}"
    assert f"the same bytes were completed before, as {first}" in console("task", "show", second).output


def test_task_trace_has_every_record_with_deltas(console: Console, ids: dict[str, str]) -> None:
    records = console.json("task", "trace", ids["done"])["records"]
    assert [record["type"] for record in records][:3] == ["task.received", "task.ready", "task.started"]
    assert [record["tn"] for record in records] == list(range(1, len(records) + 1))
    lines = console("task", "trace", ids["done"]).output.splitlines()
    assert lines[0] == ids["done"] and len(lines) == len(records) + 1 and "note@1" in lines[1] + lines[2] or "note v1" in lines[1]
    assert all("  +" in line for line in lines[2:])


def test_task_log_shows_output_with_control_characters_escaped(console: Console, ids: dict[str, str]) -> None:
    result = console("task", "log", ids["done"])
    assert (result.stdout, result.stderr) == ("", "no attempt has printed anything\n")
    (console.desk.folder("completed") / f"{ids['done']}.log").write_bytes(b"--- attempt 1\na\x1b[2Jb\n")
    assert console("task", "log", ids["done"]).stdout == "--- attempt 1\na\\x1b[2Jb\n"
    assert console("task", "log", "-f", ids["done"]).stdout == "--- attempt 1\na\\x1b[2Jb\n"


def test_unknown_tasks_are_usage_errors(console: Console, ids: dict[str, str]) -> None:
    error = console.json("task", "show", "zzz", code=2)["error"]
    assert "no task has an id that begins or ends with 'zzz'" in error["cause"]
    assert "may be" in console("task", "show", "2", code=2).stderr


def test_status_says_what_waits_and_how_to_answer(console: Console, ids: dict[str, str]) -> None:
    data = console.json("status")
    assert data["daemon"]["state"] == "stopped" and data["paused"] == "no"
    assert data["states"] == {"waiting": 1, "parked": 1} and data["completed_24h"] == 1
    assert [question["id"] for question in data["waiting"]] == [ids["waits"]]
    assert [task["id"] for task in data["held_up"]] == [ids["parked"]]
    assert data["disk_free_bytes"] > 0
    text = console("status").output
    assert f"deskhand approve {ids['waits'][-6:]}" in text and "not running" in text and "1 waiting" in text


def test_status_of_a_desk_without_a_log(console: Console) -> None:
    for path in console.desk.audit.iterdir():
        path.unlink()
    data = console.json("status")
    assert data["has_log"] is False and "no audit log yet" in data["problems"][0]
    assert console.json("tasks")["tasks"] == []


def test_status_watch_needs_a_terminal(console: Console) -> None:
    assert "--watch needs a terminal" in console("status", "--watch", code=2).stderr
    assert "do not go together" in console.json("status", "--watch", code=2)["error"]["cause"]


def test_audit_verify_is_ok_and_machine_readable(console: Console, ids: dict[str, str]) -> None:
    data = console.json("audit", "verify")
    assert data["ok"] is True and data["errors"] == [] and data["entries"] > 10 and len(data["head"]) == 64
    assert console("audit", "verify", "--fast").output.startswith(f"ok: {data['entries']} records in 1 files")


def test_audit_verify_names_the_line_that_was_changed(console: Console, ids: dict[str, str]) -> None:
    (segment,) = console.desk.audit.glob("audit_*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    lines[4] = lines[4].replace(b'"mono":', b'"mono":1', 1)
    segment.write_bytes(b"".join(lines))
    data = console.json("audit", "verify", code=4)
    assert data["ok"] is False
    assert (data["errors"][0]["file"], data["errors"][0]["line"]) == (segment.name, 5)
    text = console("audit", "verify", code=4).output
    assert f"{segment.name}:5: " in text and "NOT ok" in text


def test_audit_show_filters_and_gives_raw_lines(console: Console, ids: dict[str, str]) -> None:
    (segment,) = console.desk.audit.glob("audit_*.jsonl")
    raw = segment.read_bytes()
    assert console("audit", "show", "--all", "--json").stdout_bytes == raw
    assert console("audit", "show", "-n", "2", "--json").stdout_bytes == b"".join(raw.splitlines(keepends=True)[-2:])
    of_task = console("audit", "show", "--task", ids["waits"], "--json").stdout.splitlines()
    assert {json.loads(line)["task"] for line in of_task} == {f"{ids['waits'][:15]}-{ids['waits'][-6:]}"}
    kinds = console("audit", "show", "--all", "--type", "recipe.*").stdout.splitlines()
    assert len(kinds) == 3 and "recipe=note@1" in kinds[2]
    assert console("audit", "show", "--since", "2099-01-01").stdout == ""
    assert "person" not in console("audit", "show", "--actor", "daemon", "--all").stdout
    assert "is no time" in console("audit", "show", "--since", "x", code=2).stderr
