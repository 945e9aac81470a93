"""Every protection taken out once: the check that is named for it must notice.

Each case runs twice.  With the protection nothing is noticed; without it (patched away) something named must fail.
What syncs protect is tried on a disk that forgets (``deskhand.testing.lossy_files``).  `docs/testing.md` has the table.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from msgspec import structs

from deskhand.core.recipe import Recipe
from deskhand.core.task import Task
from deskhand.engine import gestures
from deskhand.engine.assemble import Session, open_desk
from deskhand.engine.ledger import Change, Ledger
from deskhand.engine.outcomes import Outcomes
from deskhand.store import attempts, audit_recovery
from deskhand.store.desk import Desk
from deskhand.store.files import Files, StrPath
from deskhand.store.lock import DeskLock
from deskhand.store.mirror import Finding, Mirror, Verdict
from deskhand.store.requests import Requests
from deskhand.store.together import Together
from deskhand.testing.log import MemoryLog
from deskhand.testing.lossy_files import LossyFiles
from tests.support import invariants
from tests.support.crash import Table
from tests.support.crash_files import CrashFiles
from tests.support.forks import in_child
from tests.support.scenario import Instant, Scenario
from tests.support.scenarios import SCENARIOS, edit, furnish

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="forks, and names descriptors through /proc"),
]
Patch = pytest.MonkeyPatch
KEEP, APPROVE = SCENARIOS["keep"], SCENARIOS["approve"]
RUN = replace(SCENARIOS["retry"], name="run", plan=("ok",))
ONE_BY_ONE = replace(RUN, name="run, one by one", together=False)
ONCE = replace(SCENARIOS["in doubt, it happened"], name="once")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    """A desk that is put back to its beginning for every case."""
    with pytest.MonkeyPatch.context() as patch:
        yield Table(tmp_path_factory.mktemp("protections"), furnish, patch)


@dataclass(frozen=True)
class Case:
    """A protection, how it is taken out, and what notices."""

    name: str
    without: Callable[[Patch], None]
    check: Callable[[Table], object]
    """Raises AssertionError when something is wrong."""
    noticed: str
    """Part of what the check says then."""


# -- how they are taken out --------------------------------------------------------------------------------------------


def not_synced_together(patch: Patch) -> None:
    patch.setattr(Together, "sync_everything", lambda self: None)


def payload_not_synced(patch: Patch) -> None:
    fsync = Files.fsync

    def without(self: Files, fd: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{fd}"))
        if "claimed" not in path.parts or path.is_dir():
            fsync(self, fd)

    patch.setattr(Files, "fsync", without)


def task_file_not_synced(patch: Patch) -> None:
    fsync_file = Files.fsync_file

    def without(self: Files, path: StrPath) -> None:
        if not os.fspath(path).endswith(".task.json"):
            fsync_file(self, path)

    patch.setattr(Files, "fsync_file", without)


def _folder_not_synced(patch: Patch, name: str) -> None:
    fsync_folder = Files.fsync_folder

    def without(self: Files, path: StrPath) -> None:
        if Path(path).name != name:
            fsync_folder(self, path)

    patch.setattr(Files, "fsync_folder", without)


def accepted_folder_not_synced(patch: Patch) -> None:
    _folder_not_synced(patch, "accepted")


def claimed_folder_not_synced(patch: Patch) -> None:
    _folder_not_synced(patch, "claimed")


def cut_run_repeated(patch: Patch) -> None:
    """Whatever was cut off counts as what may be repeated."""
    recipe = Outcomes._recipe

    def harmless(self: Outcomes, task: Task) -> Recipe | None:
        found = recipe(self, task)
        return None if found is None else structs.replace(found, idempotent=True)

    patch.setattr(Outcomes, "_recipe", harmless)


def run_before_its_record(patch: Patch) -> None:
    """The handler of every attempt runs before the commit that records it (here: says that it ran)."""
    commit = Ledger.commit

    def without(self: Ledger) -> list[Change]:
        for change in self._changes.values():
            if change.attempt:
                with (Instant.runs / change.after.key).open("ab") as file:
                    file.write(b"x")
        return commit(self)

    patch.setattr(Ledger, "commit", without)


def log_not_synced(patch: Patch) -> None:
    patch.setattr(LossyFiles, "fdatasync", lambda self, fd: None)


def rename_replaces(patch: Patch) -> None:
    def without(self: Files, source: StrPath, target: StrPath) -> None:
        self.before("rename", target)
        os.replace(source, target)

    patch.setattr(Files, "rename", without)


def head_not_checked(patch: Patch) -> None:
    patch.setattr(audit_recovery, "_check_to_head", lambda segment, walk, head: None)


def mirror_not_checked(patch: Patch) -> None:
    patch.setattr(Mirror, "check", lambda self, log_id, link, hash_at: Finding(Verdict.OK, "unchecked"))


def digest_not_checked(patch: Patch) -> None:
    def without(self: gestures.Gestures, task: Task, verdict: str, name: str, mono: float) -> list[gestures.Gesture]:
        return [self._answered(task, verdict, name)]

    patch.setattr(gestures.Gestures, "_yes", without)


class Same(str):
    """A hash that is like every other."""

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False


def input_not_checked(patch: Patch) -> None:
    patch.setattr(attempts, "manifest_sha256", lambda files: Same())


def request_not_kept(patch: Patch) -> None:
    """Only the file that a person sees is written."""

    def without(self: Requests, identifier: str, digest: str, data: bytes) -> None:
        (self._desk.approvals / f"{identifier}.json").write_bytes(data)

    patch.setattr(Requests, "_keep", without)


def no_lock(patch: Patch) -> None:
    patch.setattr(DeskLock, "_lock_both", lambda self, folder: None)


# -- what is checked ---------------------------------------------------------------------------------------------------


def after_recorded(table: Table, scenario: Scenario = RUN) -> None:
    """The power fails right after RECEIVED; whoever dropped had not synced."""
    table.reset(scenario)
    placing = "/queue/pending/"
    assert table.cut(scenario, lambda operation, path: operation == "rename" and placing in path, unsynced=True)
    table.recover(scenario, "power cut after RECEIVED")


def recorded_one_by_one(table: Table) -> None:
    """The same where a filesystem cannot be synced as a whole."""
    after_recorded(table, ONE_BY_ONE)


def power_cut_during_a_run(table: Table) -> None:
    """The power fails when something that may not be repeated has run, and nothing is known about its end."""
    table.reset(ONCE)
    cut = table.cut(ONCE, lambda operation, path: bool(Instant.counted()))
    assert cut
    table.recover(ONCE, "power cut during the run")


def killed_after_a_run(table: Table) -> None:
    """Killed at the first write to the log after a handler has run."""
    table.reset(RUN)
    calls = [call.split(" ", 1) for call in table.calls(RUN)]
    begun = next(number for number, (_, path) in enumerate(calls) if "/.work/" in path)
    before = next(n for n in range(begun, 0, -1) if calls[n][0] == "pwrite" and "/audit_2" in calls[n][1])
    table.reset(RUN)
    assert table.crash(RUN, before + 1)
    table.recover(RUN, "killed at the record of the attempt")


def power_cut_after_a_run(table: Table) -> None:
    """The power fails when the result was delivered and that is about to be recorded."""
    table.reset(RUN)
    made = table.desk.root / "made" / "result.txt"
    cut = table.cut(RUN, lambda operation, path: operation == "pwrite" and "/audit_2" in path and made.exists())
    assert cut
    table.recover(RUN, "power cut after the delivery")


def delivery_meets_a_new_file(table: Table) -> None:
    """A person saves a file under the very name, a moment before the delivery gets it."""

    class Meanwhile(CrashFiles):
        def before(self, operation: str, path: StrPath | int) -> None:
            super().before(operation, path)
            if operation == "rename" and str(path).endswith("/plan.txt") and "/archive/" in str(path):
                Path(str(path)).write_bytes(b"mine")

    table.reset(KEEP)
    code, said = in_child(lambda: table.live(KEEP, Meanwhile()))
    assert code == 0, said
    (person,) = table.desk.root.glob("archive/*/*/plan.txt")
    assert person.read_bytes() == b"mine", "a person's file was overwritten"


def damaged_log(table: Table) -> None:
    """A byte of a durable record changes while nobody runs: refused, and left exactly as it is."""
    table.reset(KEEP)
    table.recover(KEEP, "undisturbed", life=0)  # a later life may begin a new day of the log
    (log,) = table.desk.audit.glob("audit_2*.jsonl")
    lines = log.read_bytes().splitlines(keepends=True)
    lines[-3] = re.sub(rb'"mono":\d', b'"mono":0', lines[-3])
    log.write_bytes(b"".join(lines))
    before = log.read_bytes()
    code, said = in_child(lambda: table.live(KEEP, CrashFiles(), 1))
    assert code != 0 and "IntegrityError" in said, "a damaged log was gone on with"
    assert log.read_bytes() == before, "a damaged log was changed"


def older_copy(table: Table) -> None:
    """The whole desk is put back to how it was before it worked; only the mirror outside knows better."""
    table.reset(RUN)
    table.recover(RUN, "undisturbed")
    shutil.rmtree(table.desk.root)
    shutil.copytree(table.root / "saved" / "desk", table.desk.root)
    table.drop(RUN, RUN.drops)
    code, said = in_child(lambda: table.live(RUN, CrashFiles(), 1))
    assert sum(Instant.counted().values()) == 1, "what was done was done again"
    assert code != 0 and "IntegrityError" in said


def edited_request(table: Table) -> None:
    """A person changes what the request says, and then says yes to it."""

    scenario = replace(APPROVE, meddles=edit)
    table.reset(scenario)
    table.recover(scenario, "edited", life=0)
    yes = [record for record in invariants.read(table.desk) if record.type == "task.approved"]
    assert [record.fields["revision"] for record in yes] == [2], "a request that nobody asked was approved"


def input_changed_after_the_question(table: Table) -> None:
    """The input changes behind the question; a person says yes to what was shown, and nothing to what is there now."""

    def tamper(session: Session, task: Task, request: Path) -> None:
        if task.revision == 1:
            (payload,) = session.desk.approvals.glob("*.in.txt")
            payload.chmod(0o600)
            payload.write_bytes(b"dear Eve\n")
            request.rename(f"{request}.approved")

    scenario = replace(APPROVE, drops={"asked/letter.txt": b"dear you\n"}, answers={}, meddles=tamper)
    table.reset(scenario)
    code, said = in_child(lambda: table.live(scenario, CrashFiles()))
    assert code == 0, said
    approved = [record for record in invariants.read(table.desk) if record.type == "task.approved"]
    assert len(approved) == 1
    assert not Instant.counted(), "what nobody approved was run"


def deleted_request(table: Table) -> None:
    """A person deletes the request: it comes back, and can be answered."""
    scenario = replace(APPROVE, meddles=lambda session, task, request: request.unlink())
    table.reset(scenario)
    table.recover(scenario, "deleted", life=0)
    asked = [record for record in invariants.read(table.desk) if record.type == "task.waiting"]
    assert len(asked) == 1, "it was asked anew, not what was asked before"


def second_daemon(table: Table) -> None:
    """While one has the desk, another one wants it."""
    table.reset(KEEP)

    def other() -> None:
        with open_desk(Desk(table.desk.root), MemoryLog(), ring=lambda: None, watch=False):
            pass

    with open_desk(table.desk, MemoryLog(), ring=lambda: None, watch=False):
        code, said = in_child(other)
    assert code != 0 and "HeldError" in said and "another daemon" in said, "two daemons had the desk"


CASES = (
    Case("everything synced before RECEIVED", not_synced_together, after_recorded, "tasks are on record for"),
    Case("payload synced before RECEIVED", payload_not_synced, recorded_one_by_one, "job.txt is lost"),
    Case("task file synced before RECEIVED", task_file_not_synced, recorded_one_by_one, "task.json is damaged"),
    Case("folder synced before RECEIVED", accepted_folder_not_synced, recorded_one_by_one, "tasks are on record for"),
    Case(
        "claimed name synced before RECEIVED", claimed_folder_not_synced, recorded_one_by_one, "job.txt is quarantined"
    ),
    Case(
        "a run that was cut off is asked about", cut_run_repeated, power_cut_during_a_run, "is failed: it was cut off"
    ),
    Case("STARTED recorded before the run", run_before_its_record, killed_after_a_run, "times and was started"),
    Case("log synced before effects", log_not_synced, power_cut_after_a_run, "times and was started"),
    Case("a rename never replaces", rename_replaces, delivery_meets_a_new_file, "a person's file was overwritten"),
    Case("log checked up to the head", head_not_checked, damaged_log, "a damaged log was changed"),
    Case("mirror of the head checked", mirror_not_checked, older_copy, "what was done was done again"),
    Case("digest of a yes checked", digest_not_checked, edited_request, "nobody asked was approved"),
    Case("input checked before a run", input_not_checked, input_changed_after_the_question, "nobody approved was run"),
    Case("a copy of the request is kept", request_not_kept, deleted_request, "asked anew"),
    Case("the desk is locked", no_lock, second_daemon, "two daemons had the desk"),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_with_the_protection_all_is_well(table: Table, case: Case) -> None:
    case.check(table)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_without_the_protection_it_is_noticed(table: Table, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case.without(monkeypatch)
    with pytest.raises(AssertionError) as noticed:
        case.check(table)
    assert case.noticed in str(noticed.value)
    print(str(noticed.value).strip().splitlines()[-1])
