"""I1-I7: what has to hold after everything that can happen to a desk.  One function, used by every campaign."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

import msgspec
import psutil

from deskhand.core.names import OWN_PARTS, Part, key_of, member
from deskhand.core.record import Record
from deskhand.core.replay import TARGETS, apply
from deskhand.core.state import LIVE_FOLDERS, STATE_FOLDERS, TERMINAL, State
from deskhand.core.task import Task, TaskFile, manifest_sha256
from deskhand.store import task_files
from deskhand.store.audit_read import lines
from deskhand.store.audit_verify import verify
from deskhand.store.desk import Desk


def check(
    root: Path, *, runs: Mapping[str, int] | None = None, stopped: bool = True, settled: bool = True
) -> list[Task]:
    """Assert all of them; the tasks as the log tells them, in order of arrival.

    *runs*: what the handlers themselves counted, by task key.  *stopped*: no daemon runs.  *settled*: the daemon had
    time to make the folders the log's picture.
    """
    desk = Desk(root)
    records = read(desk)
    tasks = project(records)
    one_terminal_record(records, tasks)
    if settled:
        folders_are_the_picture(desk, tasks)
        payloads_are_whole(desk, tasks)
    runs_were_recorded(records, runs or {})
    approvals_came_first(desk, records)
    found = verify(desk.audit)
    assert found.ok, found.errors
    if stopped:
        nothing_is_left(desk, settled=settled)
    return sorted(tasks.values(), key=lambda task: task.first_seq)


def read(desk: Desk) -> list[Record]:
    """The whole log."""
    found = []
    for line in lines(desk.audit):
        record = line.record
        assert record is not None, f"{line.file}:{line.number} is no record"
        found.append(record)
    return found


def project(records: list[Record]) -> dict[str, Task]:
    """Key -> task, from the first record on (an illegal move raises)."""
    tasks: dict[str, Task] = {}
    for record in records:
        if record.type in TARGETS:
            key = record.fields["task"]
            tasks[key] = apply(tasks.get(key), record.type, record.fields, record.seq, record.ts)
    return tasks


def one_terminal_record(records: list[Record], tasks: Mapping[str, Task]) -> None:
    """I1: exactly one terminal record, or a state that is not terminal."""
    ends = Counter(
        record.fields["task"]
        for record in records
        if record.type in TARGETS and record.type != "task.delivered" and TARGETS[record.type] in TERMINAL
    )
    for key, task in tasks.items():
        assert ends[key] == (1 if task.terminal else 0), f"{key} is {task.state} and has {ends[key]} terminal records"


def places(desk: Desk) -> dict[str, dict[str, Path]]:
    """Key -> name -> path of every file of a task, wherever it stands."""
    found: dict[str, dict[str, Path]] = defaultdict(dict)
    for folder in STATE_FOLDERS:
        for where, _, names in os.walk(desk.folder(folder)):
            subfolders = [entry.name for entry in os.scandir(where) if entry.is_dir(follow_symlinks=False)]
            for name in (*names, *subfolders):
                part = member(name)
                if part is not None:
                    assert name not in found[key_of(part.id)], f"{name} stands in two places"
                    found[key_of(part.id)][name] = Path(where, name)
    return found


def folders_are_the_picture(desk: Desk, tasks: Mapping[str, Task]) -> None:
    """I5: every file of an unfinished task is where its state says, and nothing else is in the live folders."""
    for key, files in places(desk).items():
        task = tasks.get(key)
        for name, path in files.items():
            folder = path.relative_to(desk.queue).parts[0]
            part = member(name)
            if path.name.endswith(".foreign") or part is None:
                continue
            if task is None:
                assert folder not in LIVE_FOLDERS, f"{name} in {folder}/ is unknown to the log"
            elif part.part in OWN_PARTS:
                assert folder == task.folder, f"{name} is in {folder}/, the log says {task.state}"
            elif part.part is Part.REQUEST:
                assert task.state in (State.WAITING, State.IN_DOUBT), f"{name} asks about a task that is {task.state}"


def payloads_are_whole(desk: Desk, tasks: Mapping[str, Task]) -> None:
    """I2: every payload is there with its hash, but for the tasks of which the log itself says that it is not."""
    where = places(desk)
    damaged = {record.fields["task"] for record in read(desk) if record.fields.get("problem")}
    for key, task in tasks.items():
        if task.state in (State.LOST, State.QUARANTINED) or key in damaged:
            continue
        files = where.get(key, {})
        description = next((path for name, path in files.items() if name.endswith(".task.json")), None)
        assert description is not None, f"the files of {key} ({task.state}) are gone"
        assert hashlib.sha256(description.read_bytes()).hexdigest() == task.task_sha256
        payload = description.with_name(msgspec.json.decode(description.read_bytes(), type=TaskFile).input)
        assert manifest_sha256(task_files.manifest(payload)) == task.input_sha256, f"{payload} changed"


def runs_were_recorded(records: list[Record], runs: Mapping[str, int]) -> None:
    """I3: nothing ran more often than it was started."""
    started = Counter(record.fields["task"] for record in records if record.type == "task.started")
    begun = [record for record in records if record.type == "checklist.step" and record.fields["state"] == "started"]
    steps = Counter(f"checklist.{record.fields['run_id']}".rsplit("-", 1)[0] for record in begun)
    for key, count in runs.items():
        if key.startswith("checklist."):  # the shipped ones try a program once more
            assert count <= 2 * steps[key], f"{key} ran {count} times and was started {steps[key]} times"
            continue
        assert count <= started[key], f"{key} ran {count} times and was started {started[key]} times"


def approvals_came_first(desk: Desk, records: list[Record]) -> None:
    """I4: where a person had to say yes, the start names a digest that was asked and approved before it."""
    asked: dict[str, set[str]] = defaultdict(set)
    approved: dict[str, str | None] = {}
    strict: set[str] = set()
    for record in records:
        key = str(record.fields.get("task"))
        match record.type:
            case "task.received" if record.fields.get("strict"):
                strict.add(key)
            case "task.waiting":
                asked[key].add(record.fields["digest"])
                approved[key] = None
            case "task.approved":
                assert record.fields["digest"] in asked[key]
                approved[key] = record.fields["digest"]
            case "task.started":
                assert record.fields["approval"] == approved.get(key)
                if always_asks(desk, record.fields["recipe"]) or key in strict:
                    assert approved.get(key) is not None, f"{key} was started without an approval"
            case _:
                pass


def always_asks(desk: Desk, pin: Mapping[str, object]) -> bool:
    """Whether a blessed recipe wants an approval every time."""
    path = desk.recipes / "blessed" / str(pin["id"]) / f"v{pin['version']:04d}.yaml"
    text = path.read_text()
    return "approval: required" in text or "mode: required" in text


def nothing_is_left(desk: Desk, *, settled: bool) -> None:
    """I7: no process, no descriptor of one, and no temporary file of a daemon that is gone."""
    log_id = read(desk)[0].fields["log_id"]
    for process in psutil.process_iter():
        try:
            environment = process.environ()
        except (psutil.Error, OSError):
            continue
        assert log_id not in environment.values(), f"process {process.pid} is left: {process.cmdline()}"
    if settled:
        for folder in (desk.partial, desk.work, desk.accepted, desk.claimed, desk.dropped):
            left = [path for path in folder.glob("*") if not path.name.startswith(".")]
            assert not left, f"left in {folder.name}: {left}"
        left = [path for path in desk.root.rglob(".deskhand-*.tmp") if ".venv" not in path.parts]
        assert not left, f"temporary files: {left}"
