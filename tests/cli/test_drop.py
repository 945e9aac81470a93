"""``deskhand drop``, here without a daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Console


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    """A file to drop."""
    path = tmp_path / "letter.txt"
    path.write_bytes(b"dear\n")
    return path


def test_drop_copies_and_says_that_no_daemon_runs(console: Console, letter: Path) -> None:
    result = console("drop", str(letter))
    identifier = result.stdout.strip()
    assert "-letter-" in identifier and "taken at the next `deskhand run`" in result.stderr
    assert letter.read_bytes() == b"dear\n"
    assert console.json("tasks")["submitted"] == [identifier]
    assert "handed in, not yet taken" in console("task", "show", "@last").output
    assert "not taken" in console("task", "retry", identifier, code=2).stderr
    console.work_off()
    assert console.json("task", "show", "@last")["task"]["state"] == "completed"


def test_drop_several_with_options(console: Console, letter: Path) -> None:
    options = ["--recipe", "archive", "--priority", "-3", "--ask", "--not-before", "2099-01-01T00:00Z"]
    ids = [drop["id"] for drop in console.json("drop", str(letter), str(letter), *options)["drops"]]
    assert len(set(ids)) == 2
    console.work_off()
    for identifier in ids:
        shown = console.json("task", "show", identifier)["task"]
        assert (shown["recipe"], shown["state"], shown["priority"]) == ("archive", "waiting", -3)
        assert shown["next_at"] == 4_070_908_800.0


def test_after_waits_for_a_key_or_the_last_task(console: Console, letter: Path) -> None:
    console("drop", str(letter), "--key", "first", "--recipe", "hand-over")
    console("drop", str(letter), "--after", "first")
    console("drop", str(letter), "--after", "@last")
    console.work_off()
    states = [task["state"] for task in console.json("tasks")["tasks"]]
    assert sorted(states) == ["blocked", "blocked", "waiting"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--param", "novalue"], "is not NAME=VALUE"),
        (["--param", "a=1", "--param", "a=2"], "given twice"),
        (["--priority", "11"], "--priority"),
        (["--not-before", "whenever"], "is no time"),
        (["--not-before", "0001-01-01"], "is no time"),
        (["--not-before", "200000000d"], "--not-before must be from the year 1970"),
        (["--after", "k"] * 101, "--after has more than 100 entries"),
        (["--key", ""], "--key must have 1 to 200"),
    ],
)
def test_wrong_options(console: Console, letter: Path, options: list[str], said: str) -> None:
    assert said in console("drop", str(letter), *options, code=2).stderr
    assert console.json("tasks")["submitted"] == []


def test_missing_files_are_named_before_anything_is_taken(console: Console, letter: Path) -> None:
    dangling = letter.with_name("dangling")
    dangling.symlink_to("nowhere")
    assert "no such file" in console("drop", str(letter), str(letter.with_name("nosuch")), code=2).stderr
    assert "leads nowhere" in console("drop", str(dangling), code=2).stderr
    assert "cannot name several files" in console("drop", str(letter), str(letter), "--key", "k", code=2).stderr
    assert console.json("tasks")["submitted"] == []


def test_too_large_is_a_limit(console: Console, letter: Path) -> None:
    console("config", "set", "intake.max_size", "4")
    for options in ([], ["--dry-run"]):
        assert "more than the 4 allowed" in console("drop", str(letter), *options, code=5).stderr


def test_wait_needs_a_daemon(console: Console, letter: Path) -> None:
    error = console.json("drop", str(letter), "--wait", code=6)["error"]
    assert "needs a running daemon" in error["cause"] and "deskhand run" in error["hint"]
    assert console.json("tasks")["submitted"] == []


def test_dry_run_says_which_recipe_and_why_and_changes_nothing(console: Console, letter: Path) -> None:
    before = sorted(path for path in console.desk.root.rglob("*"))
    text = console("drop", str(letter), "--dry-run").output
    assert "note version 1" in text and "Nothing else claims it" in text and "vault/Notes/letter.md" in text
    (plan,) = console.json("drop", str(letter), "--dry-run", "--recipe", "hand-over")["plans"]
    assert (plan["recipe"], plan["asks"], plan["delivers_to"]) == ("hand-over", True, "outbox/letter.txt")
    assert (plan["problem"], plan["duplicate_of"], plan["bytes"]) == (None, None, 5)
    asked = console.json("drop", str(letter), "--dry-run", "--ask")["plans"][0]
    assert asked["asks"] is True and "drop itself" in asked["asks_why"]
    assert sorted(path for path in console.desk.root.rglob("*")) == before


def test_dry_run_names_problems_and_repetitions(console: Console, letter: Path) -> None:
    problem = console.json("drop", str(letter), "--dry-run", "--recipe", "notes", code=3)["plans"][0]["problem"]
    assert "no blessed recipe 'notes'" in problem and "note" in problem
    assert "it has no parameter 'x'" in console("drop", str(letter), "--dry-run", "--param", "x=1", code=3).output
    first = console.drop("letter.txt", b"dear\n")
    assert console.json("drop", str(letter), "--dry-run")["plans"][0]["duplicate_of"] == first


def test_a_folder_is_one_task(console: Console, tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    (folder / "b.txt").write_text("b")
    (plan,) = console.json("drop", str(folder), "--dry-run", "--recipe", "archive")["plans"]
    assert (plan["files"], plan["bytes"]) == (2, 2) and plan["delivers_to"].endswith("/papers")
    console("drop", str(folder), "--recipe", "archive")
    console.work_off()
    assert len(console.json("task", "show", "@last")["task"]["inputs"]) == 2
