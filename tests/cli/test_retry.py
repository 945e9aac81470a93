"""Retrying what is over: by the same rules, and never around a person who was asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.desk import recipe

from .conftest import Console

CONFIG = """schema: 1
intake: {settle: 0ms}
inboxes:
  - {name: main, path: watch_inbox}
  - {name: scans, path: scans, recipe: archive}
  - {name: letters, path: letters}
"""
Taken = Callable[[str, str], str]


@pytest.fixture
def taken(console: Console, wait_for: Callable[..., Any]) -> Taken:
    """``taken(inbox folder, name)``: a file dropped there by hand, worked off; its id."""
    console.desk.config.write_text(CONFIG)

    def take(inbox: str, name: str) -> str:
        folder = console.desk.root / inbox
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"dear\n")

        def worked_off() -> bool:
            console.work_off()
            return not (folder / name).exists()

        wait_for(worked_off)
        return str(console.json("task", "show", "@last")["task"]["id"])

    return take


def bless(console: Console, identifier: str, **more: Any) -> None:
    """Bless a recipe that keeps what it gets."""
    text = recipe(identifier, "keep", **more)
    (console.desk.recipes / "drafts" / f"{identifier}.yaml").write_text(text)
    console("recipe", "bless", identifier)


def task(console: Console, identifier: str) -> dict[str, Any]:
    """What is known of a task."""
    found: dict[str, Any] = console.json("task", "show", identifier)["task"]
    return found


def retry(console: Console, identifier: str) -> str:
    """Retry it and work it off; the new task's id."""
    new = str(console.json("task", "retry", identifier)["id"])
    console.work_off()
    return new


def test_a_rule_about_the_inbox_holds_for_retries_of_retries(console: Console, taken: Taken) -> None:
    bless(console, "careful", approval={"when": 'inbox == "main"'}, match={"names": ["*.pay"]})
    identifier = taken("watch_inbox", "a.pay")
    for _ in range(3):
        assert task(console, identifier)["state"] == "waiting"
        console("reject", identifier, "--reason", "no")
        identifier = retry(console, identifier)
    assert task(console, identifier)["state"] == "waiting"
    described = next(console.desk.approvals.glob(f"{identifier}.task.json")).read_text()
    assert '"origin": "main"' in described


def test_a_retry_is_asked_about_by_the_inbox_of_the_first(console: Console, taken: Taken) -> None:
    bless(console, "twice", approval={"when": 'inbox == "main" and duplicate'}, match={"names": ["*.twice"]})
    first = taken("watch_inbox", "a.twice")
    assert task(console, first)["state"] == "completed"
    assert task(console, retry(console, first))["state"] == "waiting"


def test_what_is_true_of_the_inbox_stays_true_without_a_question(console: Console, taken: Taken) -> None:
    bless(console, "letters-only", match={"names": ["*.txt"], "inboxes": ["letters"]})
    scan, letter = taken("scans", "a.txt"), taken("letters", "b.txt")
    for identifier, expected in ((scan, "archive"), (letter, "letters-only")):
        first = task(console, identifier)
        again = retry(console, identifier)
        assert (first["recipe"], first["state"]) == (expected, "completed")
        assert task(console, again)["recipe"] == task(console, retry(console, again))["recipe"] == expected


def test_who_was_asked_once_is_asked_again(console: Console, taken: Taken) -> None:
    bless(console, "once", approval={"when": "not duplicate"}, match={"names": ["*.once"]})
    first = taken("watch_inbox", "a.once")
    console("approve", first)
    console.work_off()
    assert task(console, first)["state"] == "completed"
    again = retry(console, first)
    assert task(console, again)["state"] == "waiting", "the rule alone would not have asked"


def test_a_retry_that_does_not_know_its_inbox_asks(console: Console, taken: Taken) -> None:
    bless(console, "free", match={"names": ["*.free"]})
    first = taken("watch_inbox", "a.free")
    again = retry(console, first)
    assert task(console, again)["state"] == "completed"
    (described,) = console.desk.folder("completed").glob(f"{again}.task.json")
    described.chmod(0o600)
    said = json.loads(described.read_text())
    assert said.pop("origin") == "main"
    described.write_text(json.dumps(said))
    assert task(console, retry(console, again))["state"] == "waiting"
