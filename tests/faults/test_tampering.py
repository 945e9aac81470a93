"""A desk that somebody or something changed behind the daemon's back: fault rows 33, 34, 51, 52 and 55, end to end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from deskhand.core.names import key_of
from deskhand.core.state import State
from deskhand.errors import ExitCode
from tests.support.fault_desk import FaultBench, renamed

pytestmark = pytest.mark.faults


def refused(bench: FaultBench, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """`deskhand ...` (by default `run`), which has to refuse because something is not what was recorded."""
    done = bench.command(*(arguments or ("run", "--until-idle")))
    assert done.returncode == ExitCode.INTEGRITY, f"{done.returncode}: {done.stdout}{done.stderr}"
    return done


def worked(bench: FaultBench) -> Path:
    """A desk with one completed task, its daemon stopped; the log's file."""
    bench.start()
    bench.drop("first.txt")
    bench.wait_records("task.delivered")
    bench.stop_and_check()
    (log,) = bench.found("audit_logs/*.jsonl")
    return log


# -- 33 ----------------------------------------------------------------------------------------------------------------

HOSTILE = {
    "twice.md": b"---\ndeskhand:\n  priority: 1\n  priority: 2\n---\n",
    "unknown.md": b"---\ndeskhand:\n  recipy: note\n---\n",
    "types.md": b"---\ndeskhand:\n  priority: [1]\n---\n",
    "sixteen.md": b"\xff\xfe" + "---\ndeskhand:\n  priority: 1\n---\n".encode("utf-16-le"),
    "nested.md": b"---\ndeskhand: " + b"[" * 20_000 + b"\n---\n",
    "bomb.md": b"---\na: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\ndeskhand: {params: {p: *c}}\n---\n",
    "nan.md": b"---\ndeskhand:\n  priority: .nan\n---\n",
}


def test_f33_hostile_front_matter_is_quarantined(bench: FaultBench) -> None:
    bench.start()
    for name, data in HOSTILE.items():
        bench.drop(name, data)
    bench.drop("fine.md", b"\xef\xbb\xbf---\ndeskhand:\n  priority: -1\n---\nwith a byte order mark\n")
    for name in HOSTILE:
        task = bench.wait_state(name, State.QUARANTINED)
        assert task.reason, name
    bench.wait_state("fine.md", State.COMPLETED)
    bench.stop_and_check()
    assert len(bench.records("task.started")) == 1


DROPS = {
    "escapes": b'{"schema": 1, "id": "../../x", "name": "a.txt"}',
    "twice": b'{"schema": 1, "id": "ID", "id": "ID", "name": "a.txt"}',
    "nan": b'{"schema": 1, "id": "ID", "name": "a.txt", "options": {"not_before": NaN}}',
    "nested": b'{"schema": 1, "id": "ID", "name": ' + b"[" * 100_000,
    "types": b'{"schema": 1, "id": "ID", "name": 7}',
    "sixteen": '{"schema": 1, "id": "ID", "name": "a.txt"}'.encode("utf-16"),
    "path": b'{"schema": 1, "id": "ID", "name": "../../../a.txt"}',
}


def test_f33_hostile_drop_files_never_run(bench: FaultBench) -> None:
    bench.start()
    for number, data in enumerate(DROPS.values()):
        identifier = f"20260101-00000{number}-a-aaaaaa"
        folder = bench.root.parent / identifier
        folder.mkdir()
        (folder / "payload").write_bytes(b"hello\n")
        (folder / "drop.json").write_bytes(data.replace(b"ID", identifier.encode()))
        folder.rename(bench.desk.dropped / identifier)
    bench.ok("drop", "--wait", bench.source("last.txt"))
    bench.until(lambda: not bench.found("queue/.staging/dropped/2*"), "all were looked at")
    bench.until(lambda: all(task.terminal for task in bench.tasks().values()), "all are over")
    tasks = bench.stop_and_check()
    by_key = {task.key: task.state for task in tasks}
    forged = [by_key.get(f"20260101-00000{number}-aaaaaa", State.QUARANTINED) for number in range(len(DROPS))]
    assert set(forged) == {State.QUARANTINED}
    started = {record.fields["task"] for record in bench.records("task.started")}
    assert all(not key.startswith("20260101") for key in started)
    assert list(bench.root.parent.rglob("x*")) == []


# -- 34 ----------------------------------------------------------------------------------------------------------------


def forge(bench: FaultBench, folder: str, suffix: str) -> str:
    """Put a well-formed task nobody recorded into a state folder, shaped after a real one; its id."""
    (real,) = bench.found("queue/completed/*.task.json")
    said = json.loads(real.read_bytes())
    identifier = f"20260101-000000-forged-{suffix}"
    said |= {"id": identifier, "name": "forged.txt", "input": f"{identifier}.in.txt"}
    target = bench.desk.folder(folder)
    (target / f"{identifier}.task.json").write_text(json.dumps(said))
    (target / f"{identifier}.in.txt").write_text("forged\n")
    return identifier


@pytest.mark.parametrize("running", [True, False], ids=["running", "at start"])
def test_f34_forged_tasks_are_set_aside_and_never_run(bench: FaultBench, running: bool) -> None:
    bench.configure("scan_interval: 200ms\n")
    worked(bench)
    if running:
        bench.start()
    for folder, suffix in (("inbox", "aaaaaa"), ("pending", "bbbbbb"), ("approvals", "cccccc")):
        forge(bench, folder, suffix)
    kept = forge(bench, "completed", "dddddd")
    request = bench.desk.approvals / "20260101-000000-forged-cccccc.json"
    request.write_text("{}")
    if not running:
        bench.start()
    bench.wait_records("foreign.found", 7)
    (bench.desk.approvals / f"{request.name}.approved").write_text("{}")
    bench.wait_records("approval.ignored")
    (bench.desk.approvals / f"{request.name}.approved").unlink()
    bench.ok("drop", "--wait", bench.source("second.txt"))
    bench.wait_records("task.delivered", 2)
    tasks = bench.stop_and_check()
    assert [task.state for task in tasks] == [State.COMPLETED] * len(tasks)
    assert "20260101-000000-dddddd" not in {task.key for task in tasks}
    assert len(bench.found(f"queue/completed/{kept}*")) == 2, "a terminal folder belongs to people"
    assert len(bench.found("queue/failed/*forged*.foreign")) == 7
    assert not bench.found("vault/Notes/*forged*")


def test_f34_a_task_file_swapped_for_another_is_quarantined(bench: FaultBench) -> None:
    """The description of a waiting task says something else than its record: not run, even with a yes."""
    bench.start()
    request = bench.ask()
    task_file = request.with_suffix(".task.json")
    said = json.loads(task_file.read_bytes())
    bench.stop()
    task_file.chmod(0o600)
    task_file.write_text(json.dumps({**said, "name": "other.txt"}))
    renamed(request, ".approved")
    bench.start()
    bench.wait_state("letter.txt", State.QUARANTINED)
    bench.stop_and_check()
    assert bench.found("outbox/*") == []


# -- 51 ----------------------------------------------------------------------------------------------------------------


def test_f51_a_flipped_byte_stops_everything_and_is_named(bench: FaultBench) -> None:
    log = worked(bench)
    lines = log.read_bytes().splitlines(keepends=True)
    middle = len(lines[4]) // 2
    lines[4] = lines[4][:middle] + bytes([lines[4][middle] ^ 1]) + lines[4][middle + 1 :]
    log.write_bytes(b"".join(lines))
    bench.drop("second.txt")
    assert f"{log.name}: line 5: " in refused(bench).stderr
    assert f"{log.name}: line 5: " in refused(bench, "pause").stderr
    assert f"{log.name}:5: " in refused(bench, "audit", "verify").stdout
    assert log.read_bytes() == b"".join(lines), "refusing changes nothing"
    assert (bench.desk.inbox / "second.txt").exists()


def test_f51_a_missing_line_and_swapped_lines_are_named(bench: FaultBench) -> None:
    log = worked(bench)
    lines = log.read_bytes().splitlines(keepends=True)
    for changed in ([*lines[:6], *lines[7:]], [*lines[:6], lines[7], lines[6], *lines[8:]]):
        log.write_bytes(b"".join(changed))
        assert log.name in refused(bench).stderr
        assert f"{log.name}:7: " in refused(bench, "audit", "verify").stdout


def test_f51_a_deleted_day_is_refused_and_named(bench: FaultBench) -> None:
    log = worked(bench)
    log.rename(log.with_name("audit_2020-01-01.jsonl.bak"))
    done = refused(bench)
    assert "audit" in done.stderr and "put" in done.stderr, done.stderr
    assert not bench.found("audit_logs/*.jsonl"), "no new log is begun over it"


def test_f51_a_deleted_log_is_refused_until_the_desk_is_adopted(bench: FaultBench) -> None:
    worked(bench)
    shutil.rmtree(bench.desk.audit)
    assert "init --adopt" in refused(bench).stderr
    assert "init --adopt" in refused(bench, "init", bench.root).stderr
    assert not bench.found("audit_logs/*.jsonl"), "no new log is begun by itself"
    bench.ok("init", "--adopt", bench.root)
    assert bench.records("log.genesis")
    bench.start()
    assert bench.stop() == 0


def test_f51_a_torn_tail_is_recovered_and_said(bench: FaultBench) -> None:
    log = worked(bench)
    before = log.read_bytes()
    with log.open("ab") as stream:
        stream.write(b'{"prev":"torn')
    bench.start()
    bench.drop("second.txt")
    bench.wait_records("task.delivered", 2)
    assert log.read_bytes().startswith(before)
    assert len(bench.records("log.recovered")) == 1
    assert [task.state for task in bench.stop_and_check()] == [State.COMPLETED] * 2


def test_f51_a_log_changed_under_a_running_daemon_ends_it(bench: FaultBench) -> None:
    bench.start()
    bench.drop("first.txt")
    bench.wait_records("task.delivered")
    (log,) = bench.found("audit_logs/*.jsonl")
    whole = log.read_bytes()
    with log.open("ab") as stream:
        stream.write(b"somebody else\n")
    bench.drop("second.txt")
    assert bench.daemon is not None
    assert bench.daemon.wait(30) == ExitCode.HELD
    log.write_bytes(whole)
    bench.start()
    bench.wait_records("task.delivered", 2)
    bench.stop_and_check()


# -- 52 ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["archive", "note", "job"])
def test_f52_a_payload_with_a_flipped_bit_is_not_run(bench: FaultBench, kind: str) -> None:
    bench.counting("job", "cp $1 $2/")
    bench.start()
    source = bench.source("late.txt")
    bench.ok("drop", "--recipe", kind, "--after", "gate", source)
    bench.wait_state("late.txt", State.BLOCKED)
    (payload,) = bench.found("queue/pending/*.in.txt")
    payload.chmod(0o600)
    payload.write_bytes(b"hellO\n")
    bench.ok("drop", "--key", "gate", bench.source("gate.txt"))
    task = bench.wait_state("late.txt", State.QUARANTINED)
    assert "not what was recorded" in (task.reason or "")
    bench.until(lambda: bench.found("queue/failed/*.in.txt"), "its files are in failed/")
    bench.stop_and_check()
    assert bench.runs()[task.key] == 0
    assert not bench.found("archive/**/late*") and not bench.found("vault/Notes/late*")


# -- 55 ----------------------------------------------------------------------------------------------------------------


def test_f55_a_second_daemon_is_refused_and_told_who_holds_the_desk(bench: FaultBench) -> None:
    daemon = bench.start()
    for _ in range(2):  # with the lock file, and without it
        done = bench.command("run")
        assert done.returncode == ExitCode.HELD, done.stderr
        if bench.desk.lock.exists():
            assert f"pid {daemon.pid}" in done.stderr
        bench.desk.lock.unlink(missing_ok=True)
    bench.drop("first.txt")
    bench.wait_records("task.delivered")
    bench.stop_and_check()


def test_f55_a_stale_pid_holds_nobody_up(bench: FaultBench) -> None:
    bench.start()
    bench.kill()
    # The pid of a process that lives and is no daemon.
    bench.desk.lock.write_text(f"{os.getpid()} 0badcafe\n")
    bench.start()
    bench.drop("first.txt")
    bench.wait_records("task.delivered")
    bench.stop_and_check()


def test_f55_a_copied_desk_is_refused_until_it_is_adopted(bench: FaultBench) -> None:
    bench.counting("job", "true")
    bench.counting("again", "true", idempotent=True)
    bench.start()
    source = bench.source("first.txt")
    for route in ("job", "again"):
        bench.ok("drop", "--recipe", route, "--not-before", "2099-01-01T00:00:00Z", source)
    waiting = bench.ask()
    bench.until(lambda: len(bench.tasks()) == 3, "all are on record")
    bench.stop_and_check()
    copy = bench.copy()
    done = refused(copy)
    assert "init --adopt" in done.stderr and str(bench.root) in done.stderr
    assert refused(copy, "pause").returncode == ExitCode.INTEGRITY
    copy.ok("init", "--adopt", copy.root)
    (adopted,) = copy.records("desk.adopted")
    assert str(bench.root) in adopted.fields["reason"]
    states = {task.key: (task.state, task.pin.id if task.pin else "") for task in copy.tasks().values()}
    assert sorted(states.values()) == [
        (State.READY, "again"),
        (State.WAITING, "hand-over"),
        (State.WAITING, "job"),
    ]
    copy.start()
    assert copy.json("status")["paused"] == "all"
    renamed(copy.desk.approvals / waiting.name, ".approved")
    copy.until(lambda: copy.tasks()[key_of(waiting.stem)].state is State.APPROVED, "the yes is on record")
    assert copy.records("task.started") == []
    copy.ok("resume")
    copy.wait_for("outbox/letter.txt")
    copy.until(lambda: copy.records("task.delivered"), "it is delivered")
    copy.stop_and_check()
    bench.start()
    assert {task.state for task in bench.tasks().values()} == {State.READY, State.WAITING}, "the original goes on"
    bench.stop_and_check()


def test_f55_a_blocked_task_of_a_copied_desk_is_asked_again_too(bench: FaultBench) -> None:
    """What must not be repeated blindly and only waits for another task may have run on the original meanwhile."""
    bench.counting("job", "true")
    bench.start()
    source = bench.source("late.txt")
    bench.ok("drop", "--recipe", "job", "--after", "gate", source)
    bench.wait_state("late.txt", State.BLOCKED)
    bench.stop_and_check()
    copy = bench.copy()
    copy.ok("init", "--adopt", copy.root)
    copy.start()
    copy.ok("resume")
    copy.ok("drop", "--key", "gate", "--wait", source)
    copy.until(lambda: all(task.state is not State.BLOCKED for task in copy.tasks().values()), "it goes on")
    copy.until(lambda: all(t.state is State.WAITING or t.terminal for t in copy.tasks().values()), "it waits or ran")
    assert copy.stop() == 0
    assert bench.runs()[copy.check()[0].key] == 0, "it ran without a question"
