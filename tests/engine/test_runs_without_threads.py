"""What is small is prepared and finished on the deciding thread; what is large, or takes time, never holds it up."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from deskhand.core.state import State
from deskhand.engine import work
from deskhand.engine.intake import Intake
from deskhand.engine.intake_facts import ScanResult
from deskhand.engine.ledger import Change
from deskhand.host.found import init
from deskhand.store.attempts import AttemptFolder, Attempts
from tests.support import invariants
from tests.support.desk import recipe
from tests.support.inside import Inside, inside


@pytest.fixture
def preparing(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the threads that prepared attempts."""
    names: list[str] = []
    prepare = Attempts.prepare

    def noted(self: Attempts, key: str, payload: Path, name: str, sha256: str) -> AttemptFolder:
        names.append(threading.current_thread().name)
        return prepare(self, key, payload, name, sha256)

    monkeypatch.setattr(Attempts, "prepare", noted)
    return names


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Inside]:
    """A desk with recipes that start programs."""
    root = tmp_path / "desk"
    init(root)
    with inside(root) as made:
        made.bless(recipe("true", "command", argv=["true"]), "true")
        made.bless(recipe("copy", "command", argv=["cp", "{input}", "{output_dir}/copy.txt"]), "copy")
        made.bless(recipe("silent", "command", argv=["sh", "-c", "echo mine > log"]), "silent")
        made.bless(recipe("wait", "command", argv=["sleep", "60"]), "wait")
        made.bless(recipe("say", "command", argv=["sh", "-c", "echo said; exit 3"]), "say")
        yield made
    invariants.check(root)


def test_small_input_is_prepared_by_the_deciding_thread(desk: Inside, preparing: list[str]) -> None:
    assert desk.until_state(desk.drop(recipe="true"), State.COMPLETED, State.FAILED) == State.COMPLETED
    assert preparing == [threading.current_thread().name]
    assert list(desk.desk.work.iterdir()) == []


def test_large_input_is_prepared_by_another_thread(desk: Inside, preparing: list[str]) -> None:
    key = desk.drop(b"x" * (work.SMALL + 1), recipe="true")
    assert desk.until_state(key, State.COMPLETED, State.FAILED) == State.COMPLETED
    assert len(preparing) == 1
    assert preparing != [threading.current_thread().name]


def test_results_and_output_of_small_attempts_are_kept(desk: Inside) -> None:
    copied, said = desk.drop(b"small", recipe="copy"), desk.drop(b"other", recipe="say")
    assert desk.until_state(copied, State.COMPLETED, State.FAILED) == State.COMPLETED
    assert desk.until_state(said, State.COMPLETED, State.FAILED) == State.FAILED
    (out,) = desk.desk.folder("completed").glob("*.out")
    assert (out / "copy.txt").read_bytes() == b"small"
    (log,) = desk.desk.folder("failed").glob("*.log")
    assert log.read_text().endswith("\nsaid\n")
    assert list(desk.desk.work.iterdir()) == []


def test_log_that_a_silent_handler_made_itself_is_kept(desk: Inside) -> None:
    silent = desk.drop(recipe="silent")
    assert desk.until_state(silent, State.COMPLETED, State.FAILED) == State.COMPLETED
    (log,) = desk.desk.folder("completed").glob("*.log")
    assert log.read_text().endswith("\nmine\n")


def test_spawner_that_died_is_started_again_by_another_thread(desk: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    assert desk.until_state(desk.drop(recipe="true"), State.COMPLETED) == State.COMPLETED
    spawner = desk.session.parts.runs._spawner
    spawner.close()
    starting: list[str] = []
    start = spawner.start

    def noted() -> None:
        starting.append(threading.current_thread().name)
        start()

    monkeypatch.setattr(spawner, "start", noted)
    assert desk.until_state(desk.drop(b"next", recipe="true"), State.COMPLETED) == State.COMPLETED
    assert starting
    assert threading.current_thread().name not in starting


def test_intake_is_in_a_hurry_while_a_program_runs_and_only_then(desk: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    hurried: list[bool] = []
    scan = Intake.scan

    def noted(self: Intake, moved: Collection[str], **how: bool) -> ScanResult:
        hurried.append(how["hurry"])
        return scan(self, moved, **how)

    monkeypatch.setattr(Intake, "scan", noted)
    kept = desk.drop(recipe="archive")
    assert desk.until_state(kept, State.COMPLETED) == State.COMPLETED
    assert not any(hurried)
    waits = desk.drop(b"wait", recipe="wait")
    desk.until_state(waits, State.STARTED)
    desk.engine.scan_everything()
    desk.engine.tick()
    assert hurried[-1]
    desk.command("cancel", key=waits)
    desk.until_state(waits, State.CANCELLED)
    desk.engine.scan_everything()
    desk.engine.tick()
    assert not hurried[-1]


def test_programs_begin_before_the_files_of_other_tasks_are_moved(
    desk: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = desk.drop(recipe="wait")
    desk.until_state(waits, State.STARTED)
    task = desk.task(waits)
    assert task is not None
    effects, done = desk.session.parts.effects, []
    monkeypatch.setattr(effects, "_carry_out", lambda change: done.append(change.attempt))
    effects.carry_out([Change(task, task), Change(task, task, attempt=True), Change(task, task)])
    assert done == [True, False, False]
