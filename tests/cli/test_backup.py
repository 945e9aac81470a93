"""``deskhand backup create|list|prune`` as a person sees them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deskhand.errors import ExitCode
from tests.cli.conftest import Console


def test_a_backup_is_made_listed_and_kept(console: Console) -> None:
    assert "no backup yet" in console("backup", "list").output
    said = console("backup", "create").output
    assert "daily" in said and "verified" in said and "left out: queue/.salt" in said
    made = console.json("backup", "create", "--only", "history")
    assert made["kind"] == "history" and made["verified"] and Path(made["path"]).stat().st_size == made["bytes"]
    listed = console.json("backup", "list")["backups"]
    assert [one["kind"] for one in listed] == ["history", "daily"]
    assert listed[0]["sha256"] == made["sha256"] and listed[0]["verified"] and listed[0]["on_record"]
    assert "daily" in console("backup", "list").output
    pruned = console.json("backup", "prune", "--dry-run")
    assert (pruned["deleted"], pruned["suspended"]) == (0, None)
    assert [one["keep"] for one in pruned["backups"]] == [True, True]
    assert "0 backups deleted, 2 kept" in console("backup", "prune").output


def test_a_target_that_fails_is_said_and_the_exit_code_too(console: Console) -> None:
    with console.desk.config.open("a") as config:
        config.write("backup:\n  targets:\n    - {name: usb, path: not-there}\n")
    said = console("backup", "create", code=ExitCode.FAILED).output
    assert "usb: not there" in said
    assert "usb (failed)" in console("backup", "list").output


def test_a_damaged_task_is_said_and_the_exit_code_too(console: Console) -> None:
    identifier = console.drop("letter.txt", b"dear\n", "--recipe", "hand-over")
    payload = console.desk.approvals / f"{identifier}.in.txt"
    os.chmod(payload, 0o600)
    payload.write_text("changed\n")
    said = console("backup", "create", code=ExitCode.INTEGRITY).output
    assert "NOT verified" in said and "its input" in said
    assert "BAD" in console("backup", "list").output


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("keep_within: 3 weeks", "1y5m7d2h"),
        ("daily: never", "five cron fields"),
        ("encrypt_to: [me]", "age1"),
        ("include: [queue]", "own folders"),
        ("include: [../other]", "folder of the desk"),
        ("targets: [{name: desk, path: /x}]", "not desk"),
        ("targets: [{name: x}]", "a path or a command"),
        ("targets: [{name: x, command: [cp]}]", "{file}"),
        ("keep_last: -2", "from -1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(console: Console, line: str, words: str) -> None:
    console.desk.config.write_text(f"backup:\n  {line}\n")
    assert words in console("config", "check", code=ExitCode.USAGE).output
