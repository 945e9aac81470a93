"""Row 66 with the installed command: a desk with work in every state is taken over and worked to its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from deskhand.core.state import TERMINAL, State
from deskhand.errors import ExitCode
from deskhand.store.head import HEAD_NAME
from tests.engine.test_formats import contents
from tests.support.fault_desk import FaultBench, renamed
from tests.support.fixtures import FIXTURES, expected, unpack

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("name", sorted(path.name for path in FIXTURES.iterdir()))
def test_f66_a_desk_with_work_in_every_state_is_worked_to_its_end(name: str, tmp_path: Path) -> None:
    desk = unpack(name, tmp_path)
    history = {path.name: path.read_bytes() for path in desk.audit.glob("audit_*.jsonl")}
    bench = FaultBench(tmp_path)
    try:
        bench.start()
        renamed(bench.wait_for("queue/approvals/*-waiting-*.json"), ".approved")
        renamed(bench.wait_for("queue/approvals/*-doubt-*.json"), ".happened")
        bench.bless("nowhere", "keep", selectable=True, deliver="nowhere/{name}", approval="never")
        bench.ok("drop", "--recipe", "work", "--key", "gate", bench.source("gate.txt"))
        for circle in ("one.txt", "other.txt"):
            task = bench.wait_state(circle, State.BLOCKED)
            bench.ok("task", "cancel", task.key)
        ended = {"one.txt": State.CANCELLED, "other.txt": State.CANCELLED}
        for drop in ("waiting", "doubt", "retry", "blocked", "parked", "undelivered", "started", "approved", "ready"):
            ended[f"{drop}.txt"] = State.COMPLETED
        ended["received.txt"] = State.COMPLETED
        for drop, state in ended.items():
            bench.wait_state(drop, state)
        bench.until(lambda: not any(task.undelivered for task in bench.tasks().values()), "all is delivered")
        assert bench.found("stuck/*") and bench.found("nowhere/parked*") and bench.found("asked/*")
        tasks = {task.key: task for task in bench.stop_and_check()}
    finally:
        bench.close()
    said = expected(name)
    over = {key: one.state for key, one in said.tasks.items() if State(one.state) in TERMINAL and not one.undelivered}
    assert {key: tasks[key].state for key in over} == over, "what was over stays as it was"
    assert all(task.terminal for task in tasks.values())
    for file, data in history.items():
        assert (desk.audit / file).read_bytes().startswith(data), "what was recorded stays byte for byte"
    assert len(bench.records()) > said.entries


@pytest.mark.parametrize("verb", [["run"], ["init", "--adopt", "."], ["pause"]])
def test_f66_a_desk_of_a_newer_deskhand_is_refused_by_name(verb: list[str], tmp_path: Path) -> None:
    desk = unpack("format-1", tmp_path)
    head = desk.audit / HEAD_NAME
    head.write_bytes(head.read_bytes().replace(b"deskhand-head-1", b"deskhand-head-2"))
    bench = FaultBench(tmp_path)
    before = contents(desk.root)
    done = bench.command(*verb, cwd=desk.root)
    assert (done.returncode, "Traceback" in done.stderr) == (ExitCode.INTEGRITY, False), done.stderr
    assert "this deskhand knows form 1" in done.stderr
    assert "next: use the deskhand that wrote this" in done.stderr
    after = {name: data for name, data in contents(desk.root).items() if not name.startswith("logs/")}
    assert after == before, "but for the line in logs/ that says so"
