"""Row 60: what waits for others that are missing, failed or wait for it stands still, and says why as things are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from deskhand.cli import main
from deskhand.core.state import State
from deskhand.host.found import init
from deskhand.host.status import StatusWriter
from tests.support import invariants
from tests.support.desk import recipe
from tests.support.inside import Inside, inside


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A fresh desk."""
    init(tmp_path / "desk")
    return tmp_path / "desk"


def shown(desk: Inside, key: str) -> str:
    """Why the task stands still, which every verb and the vault's note have to tell alike."""
    status, tasks, show = (
        json.loads(_command(desk, *verb, "--json")) for verb in (["status"], ["tasks"], ["task", "show", key])
    )
    (in_status,) = [task["reason"] for task in status["held_up"] if task["key"] == key]
    (in_tasks,) = [task["reason"] for task in tasks["tasks"] if task["key"] == key]
    assert in_status == in_tasks == show["task"]["reason"]
    for verb in (["status"], ["tasks"], ["task", "show", key]):
        assert in_status in " ".join(_command(desk, *verb).split()), verb
    return str(in_status)


def _command(desk: Inside, *arguments: str) -> str:
    done = CliRunner().invoke(main, ["--desk", str(desk.desk.root), *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def note(desk: Inside) -> str:
    """The vault's status note as it would be written now."""
    StatusWriter(desk.session, desk.log).write()
    return (desk.desk.vault / "_deskhand/status.md").read_text()


def blocked(desk: Inside, *, key: str, after: tuple[str, ...]) -> str:
    made = desk.drop(recipe="nothing", key=key, after=after)
    desk.until_state(made, State.BLOCKED)
    return made


def test_f60_tasks_that_wait_for_each_other_say_so_and_the_others_go_on(root: Path) -> None:
    with inside(root) as desk:
        desk.bless(recipe("nothing", "keep", idempotent=True), "nothing")
        ring = [blocked(desk, key=f"k{n}", after=(f"k{(n + 1) % 3}",)) for n in range(3)]
        outside = blocked(desk, key="outside", after=("k0",))
        assert desk.until_state(desk.drop(recipe="nothing"), State.COMPLETED), "nobody else is held up"
        for number, key in enumerate(ring):
            names = [ring[(number + step) % 3][-6:] for step in range(4)]
            assert shown(desk, key) == f"waits in a circle: {' waits for '.join(names)}; cancel one of them"
        assert shown(desk, outside) == "waits for 'k0', which is blocked"
        assert note(desk).count("waits in a circle") == 3
        (last,) = [record for record in desk.records("task.blocked") if record.fields["task"] == ring[2]]
        assert "waits in a circle" in last.fields["reason"], "the one that closed it says so on record"
        desk.command("cancel", key=ring[0])
        desk.until_state(ring[0], State.CANCELLED)
        assert "'k0', which is cancelled" in shown(desk, ring[2])
        assert desk.until_state(desk.drop(recipe="nothing", key="k0"), State.COMPLETED)
        for key in (*reversed(ring[1:]), outside):
            assert desk.until_state(key, State.COMPLETED)
        desk.until(lambda: desk.engine.idle)
    invariants.check(root)


def test_f60_a_task_that_waits_for_itself_is_a_circle_too(root: Path) -> None:
    with inside(root) as desk:
        desk.bless(recipe("nothing", "keep", idempotent=True), "nothing")
        key = blocked(desk, key="me", after=("me",))
        assert shown(desk, key).startswith(f"waits in a circle: {key[-6:]} waits for {key[-6:]}")
        assert desk.until_state(desk.drop(recipe="nothing"), State.COMPLETED)
        desk.until(lambda: desk.engine.idle)
    invariants.check(root)


def test_f60_missing_and_failed_dependencies_are_named_as_they_are_now(root: Path) -> None:
    with inside(root) as desk:
        desk.bless(recipe("nothing", "keep", idempotent=True), "nothing")
        desk.bless(recipe("bad", "command", argv=["false"], idempotent=True, retry={"attempts": 1}), "bad")
        waits = blocked(desk, key="b", after=("a",))
        assert shown(desk, waits) == "waits for 'a', which has not been dropped yet"
        first = desk.drop(recipe="bad", key="a")
        assert desk.until_state(first, State.FAILED)
        assert shown(desk, waits).startswith("waits for 'a', which is failed")
        assert "which is failed" in note(desk)
        assert desk.until_state(desk.drop(recipe="nothing", key="a"), State.COMPLETED)
        assert desk.until_state(waits, State.COMPLETED)
        desk.until(lambda: desk.engine.idle)
    invariants.check(root)


def test_f60_a_circle_survives_a_restart(root: Path) -> None:
    with inside(root) as desk:
        desk.bless(recipe("nothing", "keep", idempotent=True), "nothing")
        ring = [blocked(desk, key="a", after=("b",)), blocked(desk, key="b", after=("a",))]
    with inside(root) as desk:
        desk.until(lambda: desk.engine.idle)
        assert all("waits in a circle" in shown(desk, key) for key in ring)
    invariants.check(root)
