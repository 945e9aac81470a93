"""Saying yes and no by file, with everything that can go wrong about it: fault rows 37-44, with the real daemon."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from deskhand.core.state import State
from deskhand.core.task import Task
from tests.support.fault_desk import FaultBench, renamed

pytestmark = pytest.mark.faults


def sha256(path: Path) -> str:
    """Of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def shown(request: Path) -> dict[str, Any]:
    """What a request says."""
    found: dict[str, Any] = json.loads(request.read_bytes())
    return found


def outbox(bench: FaultBench) -> dict[str, bytes]:
    """What was handed over."""
    return {path.name: path.read_bytes() for path in bench.found("outbox/*")}


def only(tasks: list[Task]) -> Task:
    """The one task of a desk."""
    (task,) = tasks
    return task


def once(bench: FaultBench, task: Task) -> None:
    """One yes on record, one run, one letter handed over."""
    assert len(bench.of("task.approved", task)) == 1 == len(bench.of("task.started", task))
    assert (task.state, outbox(bench)) == (State.COMPLETED, {"letter.txt": b"Dear Ann\n"})


def asked_again(bench: FaultBench, request: Path, revision: int) -> dict[str, Any]:
    """The question of that revision, as soon as it stands there."""

    def there() -> dict[str, Any] | None:
        said = shown(request) if request.exists() else {}
        return said if said.get("revision") == revision else None

    found: dict[str, Any] = bench.until(there, f"revision {revision} of {request.name}")
    return found


# -- 37 ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("running", [True, False], ids=["running", "at start"])
def test_f37_both_suffixes_mean_no(bench: FaultBench, running: bool) -> None:
    bench.start()
    request = bench.ask()
    if running:
        with bench.frozen():
            shutil.copy(request, f"{request}.rejected")
            renamed(request, ".approved")
    else:
        bench.stop()
        shutil.copy(request, f"{request}.rejected")
        renamed(request, ".approved")
        bench.start()
    bench.wait_state("letter.txt", State.REJECTED)
    task = only(bench.stop_and_check())
    assert (task.state, bench.of("task.started", task), outbox(bench)) == (State.REJECTED, [], {})
    assert bench.found("queue/approvals/*") == [bench.desk.approvals / ".deskhand-keep"]


# -- 38 ----------------------------------------------------------------------------------------------------------------


def test_f38_an_edited_request_is_no_approval_and_is_asked_again(bench: FaultBench) -> None:
    bench.start()
    request = bench.ask()
    before = request.read_bytes()
    request.write_bytes(before.replace(b"letter.txt", b"better.txt"))
    renamed(request, ".approved")
    again = asked_again(bench, request, 2)
    task = bench.wait_state("letter.txt", State.WAITING)
    assert "edited" in again["why_it_asks"]
    assert '+      "name": "better.txt",' in again["your_edit_was_not_taken"]
    assert '-      "name": "letter.txt",' in again["your_edit_was_not_taken"]
    assert again["files"] == json.loads(before)["files"]
    assert task.digest == sha256(request) != hashlib.sha256(before).hexdigest()
    assert bench.of("task.approved", task) == [] == bench.of("task.started", task)
    renamed(request, ".approved")
    bench.wait_state("letter.txt", State.COMPLETED)
    task = only(bench.stop_and_check())
    (approved,) = bench.of("task.approved", task)
    assert (approved.fields["revision"], outbox(bench)) == (2, {"letter.txt": b"Dear Ann\n"})


def test_f38_a_yes_to_an_older_revision_is_none(bench: FaultBench) -> None:
    bench.start()
    request = bench.ask()
    first = request.read_bytes()
    request.write_bytes(first + b"\n")
    renamed(request, ".approved")
    asked_again(bench, request, 2)
    request.with_name(f"{request.name}.approved").write_bytes(first)
    asked_again(bench, request, 3)
    task = only(bench.stop_and_check())
    assert (task.state, task.revision, outbox(bench)) == (State.WAITING, 3, {})


# -- 39 ----------------------------------------------------------------------------------------------------------------


def test_f39_a_yes_after_the_expiry_is_void(bench: FaultBench) -> None:
    bench.configure("approval: {expires_after: 1s}\n")
    bench.start()
    request = bench.ask()
    expires = bench.wait_state("letter.txt", State.WAITING).expires
    bench.stop()
    renamed(request, ".approved")
    bench.until(lambda: expires is not None and time.time() > expires, "it expires")
    bench.start()
    bench.wait_state("letter.txt", State.EXPIRED)
    task = only(bench.stop_and_check())
    assert (bench.of("task.approved", task), bench.of("task.started", task), outbox(bench)) == ([], [], {})


def test_f39_nobody_answers(bench: FaultBench) -> None:
    bench.configure("approval: {expires_after: 500ms}\nscan_interval: 100ms\n")
    bench.start()
    bench.drop("letter.txt", route="hand-over")
    bench.wait_state("letter.txt", State.EXPIRED)
    assert only(bench.stop_and_check()).reason == "nobody answered in time"
    assert len(bench.found("queue/rejected/*.in.txt")) == 1


# -- 40 ----------------------------------------------------------------------------------------------------------------


def test_f40_a_rename_that_a_power_cut_took_back_never_counts(bench: FaultBench) -> None:
    bench.start()
    request = bench.ask()
    with bench.frozen():
        answer = renamed(request, ".approved")
        assert bench.daemon is not None
        bench.daemon.kill()
    bench.kill()
    answer.rename(request)
    bench.start()
    task = bench.wait_state("letter.txt", State.WAITING)
    assert bench.of("task.approved", task) == [] == bench.of("task.started", task)
    renamed(request, ".approved")
    bench.wait_state("letter.txt", State.COMPLETED)
    once(bench, only(bench.stop_and_check()))


def test_f40_a_rename_that_survived_and_was_not_recorded_counts_once(bench: FaultBench) -> None:
    bench.start()
    request = bench.ask()
    with bench.frozen():
        renamed(request, ".approved")
        assert bench.daemon is not None
        bench.daemon.kill()
    bench.kill()
    assert bench.records("task.approved") == []
    bench.start()
    bench.wait_state("letter.txt", State.COMPLETED)
    once(bench, only(bench.stop_and_check()))


def test_f40_a_recorded_yes_whose_files_went_back_is_used_once(bench: FaultBench) -> None:
    """The log says approved, and the power cut undid every rename after it: gesture, files, request."""
    bench.start()
    request = bench.ask()
    before = {path.name: path.read_bytes() for path in bench.found("queue/approvals/*")}
    bench.ok("pause")
    renamed(request, ".approved")
    bench.wait_state("letter.txt", State.APPROVED)
    bench.kill()
    for path in bench.found("queue/pending/2*"):
        path.unlink()
    for name, data in before.items():
        (bench.desk.approvals / name).write_bytes(data)
    bench.start()
    assert bench.wait_state("letter.txt", State.APPROVED).attempt == 0
    bench.ok("resume")
    bench.wait_state("letter.txt", State.COMPLETED)
    once(bench, only(bench.stop_and_check()))


# -- 41 ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "hint"),
    [
        (".approved.txt", "{id}.json.approved"),
        (".APPROVED", "{id}.json.approved"),
        ("-approved", "{id}.json.approved"),
        (".Rejected", "{id}.json.rejected"),
    ],
)
def test_f41_a_misspelled_answer_is_reported_and_changes_nothing(bench: FaultBench, ending: str, hint: str) -> None:
    bench.start()
    request = bench.ask()
    before = request.read_bytes()
    identifier = request.name.removesuffix(".json")
    renamed(request, ending)
    (told,) = bench.wait_records("approval.ignored")
    assert told.fields["reason"] == f"write it exactly like this: {hint.format(id=identifier)}"
    bench.wait_records("foreign.restored")
    bench.until(lambda: request.exists() and request.read_bytes() == before, "the request stands there again")
    assert (only(bench.stop_and_check()).state, outbox(bench)) == (State.WAITING, {})
    assert len(bench.records("approval.ignored")) == 1


def test_f41_a_renamed_task_file_is_put_back(bench: FaultBench) -> None:
    bench.start()
    request = bench.ask()
    task_file = request.with_suffix(".task.json")
    before = task_file.read_bytes()
    renamed(task_file, ".approved")
    (told,) = bench.wait_records("approval.ignored")
    assert told.fields["reason"] == f"rename the request, not the task file: {request.name}.approved"
    bench.until(task_file.exists, "the task file is put back")
    assert task_file.read_bytes() == before
    assert (only(bench.stop_and_check()).state, outbox(bench)) == (State.WAITING, {})


def test_f41_unknown_id(bench: FaultBench) -> None:
    bench.start()
    stranger = bench.desk.approvals / "20260101-000000-letter-aaaaaa.json.approved"
    stranger.write_text("{}")
    (told,) = bench.wait_records("approval.ignored")
    assert told.fields["reason"] == "no task with this id is waiting"
    stranger.unlink()
    assert bench.stop_and_check() == []
    assert outbox(bench) == {}


def test_f41_repeated_answers_have_no_effect(bench: FaultBench) -> None:
    """A second yes while the task is about to run, and a third one when it is over."""
    bench.start()
    request = bench.ask()
    data = request.read_bytes()
    bench.ok("pause")
    answer = renamed(request, ".approved")
    bench.wait_for("queue/pending/*.in.txt")
    answer.write_bytes(data)
    bench.wait_records("approval.ignored", where=lambda record: "nothing is asked any more" in record.fields["reason"])
    bench.ok("resume")
    bench.wait_records("task.delivered")
    answer.unlink(missing_ok=True)
    late = answer.with_name(f"{request.stem}.approved.json")
    late.write_bytes(data)
    bench.wait_records("approval.ignored", where=lambda record: "no task with this id" in record.fields["reason"])
    late.unlink()
    once(bench, only(bench.stop_and_check()))


# -- 42 ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("running", [True, False], ids=["running", "at start"])
def test_f42_a_deleted_request_is_restored_byte_for_byte(bench: FaultBench, running: bool) -> None:
    bench.start()
    request = bench.ask()
    before = request.read_bytes()
    if running:
        request.unlink()
        bench.wait_records("foreign.restored")
    else:
        bench.stop()
        request.unlink()
        bench.start()
    bench.until(request.exists, "the request is restored")
    assert request.read_bytes() == before
    task = bench.wait_state("letter.txt", State.WAITING)
    assert bench.of("task.approved", task) == []
    renamed(request, ".approved")
    bench.wait_state("letter.txt", State.COMPLETED)
    assert only(bench.stop_and_check()).state is State.COMPLETED
    assert outbox(bench) == {"letter.txt": b"Dear Ann\n"}


# -- 43 ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["{id}.json.approved", "{id}.approved.json"])
def test_f43_a_copied_request_is_one_decision_and_one_run(bench: FaultBench, form: str) -> None:
    bench.start()
    request = bench.ask()
    shutil.copy(request, request.with_name(form.format(id=request.stem)))
    bench.wait_records("task.delivered")
    once(bench, only(bench.stop_and_check()))
    assert bench.found("queue/approvals/2*") == []


# -- 44 ----------------------------------------------------------------------------------------------------------------


def approved_while_paused(bench: FaultBench) -> Path:
    """A task that was approved and not yet started; its request (answered)."""
    bench.start()
    request = bench.ask()
    bench.ok("pause")
    renamed(request, ".approved")
    bench.wait_state("letter.txt", State.APPROVED)
    bench.until(lambda: bench.found("queue/pending/*.in.txt"), "its files are in pending/")
    return request


def test_f44_an_input_that_changed_after_the_yes_is_asked_again(bench: FaultBench) -> None:
    request = approved_while_paused(bench)
    (payload,) = bench.found("queue/pending/*.in.txt")
    payload.write_bytes(b"Dear Bob\n")
    bench.ok("resume")
    again = asked_again(bench, request, 2)
    task = bench.wait_state("letter.txt", State.WAITING)
    assert again["why_it_asks"] == "the input is not what you approved any more"
    assert again["input_sha256"] == hashlib.sha256(b"Dear Bob\n").hexdigest() == task.input_sha256
    assert outbox(bench) == {}
    renamed(request, ".approved")
    bench.wait_records("task.delivered")
    task = only(bench.stop_and_check())
    assert outbox(bench) == {"letter.txt": b"Dear Bob\n"}
    assert [record.fields["revision"] for record in bench.of("task.approved", task)] == [1, 2]


def test_f44_a_recipe_that_changed_after_the_yes_is_parked_and_asked_again(bench: FaultBench) -> None:
    request = approved_while_paused(bench)
    blessed = bench.desk.recipes / "blessed" / "hand-over" / "v0001.yaml"
    before = blessed.read_bytes()
    blessed.chmod(0o600)
    blessed.write_bytes(before.replace(b"outbox/{name}", b"public/{name}"))
    bench.ok("resume")
    task = bench.wait_state("letter.txt", State.PARKED)
    assert "is not what was blessed" in (task.reason or "")
    assert "deskhand task retry" in (task.reason or "")
    assert bench.of("task.started", task) == []
    blessed.write_bytes(before)
    bench.ok("task", "retry", task.key[-6:])
    asked_again(bench, request, 2)
    assert (outbox(bench), bench.found("public")) == ({}, [])
    renamed(request, ".approved")
    bench.wait_records("task.delivered")
    bench.stop_and_check()
    assert (outbox(bench), bench.found("public")) == ({"letter.txt": b"Dear Ann\n"}, [])


def test_f44_a_newer_version_of_the_recipe_does_not_take_over_an_old_yes(bench: FaultBench) -> None:
    approved_while_paused(bench)
    bench.bless("hand-over", "keep", deliver="public/{name}", approval="required", idempotent=True)
    bench.ok("resume")
    bench.wait_records("task.delivered")
    task = only(bench.stop_and_check())
    (started,) = bench.of("task.started", task)
    assert started.fields["recipe"]["version"] == 1
    assert (outbox(bench), bench.found("public")) == ({"letter.txt": b"Dear Ann\n"}, [])


def test_f44_an_input_that_changed_before_its_delivery_is_not_delivered(bench: FaultBench) -> None:
    """What was approved and "run" is still in the desk when it cannot be delivered at once."""
    blocker = bench.root / "outbox"
    blocker.write_text("a file where the folder should be")
    bench.start()
    renamed(bench.ask(), ".approved")
    bench.wait_state("letter.txt", State.COMPLETED)
    bench.until(lambda: "cannot be delivered" in bench.said(), "the delivery failed")
    bench.stop()
    (payload,) = bench.found("queue/pending/*.in.txt")
    payload.write_bytes(b"Dear Bob\n")
    blocker.unlink()
    bench.start()
    (delivered,) = bench.wait_records("task.delivered")
    assert "not what was recorded" in delivered.fields["problem"]
    assert delivered.fields["targets"] == []
    bench.stop_and_check()
    assert outbox(bench) == {}
