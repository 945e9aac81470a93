"""Every type of record judged: does it carry safety?  Those that do are left out, or written too late, once.

A record carries safety when a task is lost without it, runs twice or unasked, or when nobody can see any more that
something was done to a task.  The desk goes on as if the record were there, which is what a product does that believes
it has written it.  In the end, or after a kill at the very moment, the oracle of the campaigns has to notice; with the
record it has nothing to say.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

import pytest

from deskhand.core.record import TYPES, Draft, Stamp, encode
from deskhand.core.state import State
from deskhand.core.task import Options, Task
from deskhand.engine.assemble import Session, open_desk
from deskhand.engine.bell import Bell
from deskhand.engine.commands import Command, Commands
from deskhand.engine.ledger import Change, Ledger
from deskhand.engine.restoring import restore_in_place
from deskhand.store import audit_log
from deskhand.store.archive_read import open_archive
from deskhand.store.audit_log import AuditLog
from deskhand.store.drop_file import submit
from deskhand.store.files import Files
from deskhand.testing.clock import FakeClock
from deskhand.testing.faulty_files import FaultyFiles
from deskhand.testing.log import MemoryLog
from tests.support import archives, invariants
from tests.support import routine_cases as routines
from tests.support.crash import TURNS, Table
from tests.support.crash_files import CrashFiles
from tests.support.fault_desk import FaultBench
from tests.support.forks import in_child
from tests.support.scenario import PERSON, Instant, Scenario
from tests.support.scenarios import MIDNIGHT, SCENARIOS, furnish

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="forks, and names descriptors through /proc"),
]
Patch = pytest.MonkeyPatch
KEEP, APPROVE, EXPIRED = (SCENARIOS[name] for name in ("keep", "approve", "expired"))
RETRY = SCENARIOS["retry"]
RUN = replace(RETRY, name="run", plan=("ok",))
ONCE = "once/pay.txt"
DAY = 86_400.0


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    """A desk that is put back to its beginning for every case."""
    with pytest.MonkeyPatch.context() as patch:
        yield Table(tmp_path_factory.mktemp("records"), furnish, patch)


# -- how a record goes missing -----------------------------------------------------------------------------------------


def leave_out(patch: Patch, kind: str) -> None:
    """Records of this type are believed to be written.  One that begins or mends a file comes to say nothing."""
    append = AuditLog.append

    def without(self: AuditLog, draft: Draft) -> int:
        return self._link.seq if draft.type == kind else append(self, draft)

    def other(draft: Draft, stamp: Stamp) -> bytes:
        return encode(Draft("log.heartbeat") if draft.type == kind else draft, stamp)

    patch.setattr(AuditLog, "append", without)
    patch.setattr(audit_log, "encode", other)


def write_late(patch: Patch, kind: str, told: Path) -> None:
    """A batch with a record of this type is acted on first; *told* is there when it has been."""
    append, commit, waiting = AuditLog.append, Ledger.commit, list[str]()

    def listen(self: AuditLog, draft: Draft) -> int:
        waiting.extend([kind] if draft.type == kind else [])
        return append(self, draft)

    def late(self: Ledger) -> list[Change]:
        if not waiting:
            return commit(self)
        waiting.clear()
        changes = list(self._changes.values())
        self._changes.clear()
        told.touch()
        return changes

    patch.setattr(AuditLog, "append", listen)
    patch.setattr(Ledger, "commit", late)


# -- what is done with a desk ------------------------------------------------------------------------------------------


def whole(table: Table, scenario: Scenario) -> None:
    """One undisturbed life, and everything that holds in the end."""
    table.reset(scenario)
    table.recover(scenario, "undisturbed", life=0)


def session(
    table: Table, seconds: float, do: Callable[[Session, FakeClock], object], files: Files | None = None
) -> None:
    """A life of its own, at so many seconds after the start, in which *do* happens."""

    def live() -> None:
        clock, bell = FakeClock(MIDNIGHT - DAY + seconds), Bell()
        disk = files or CrashFiles()
        with open_desk(table.desk, MemoryLog(), ring=bell.ring, watch=False, files=disk, clock=clock) as opened:
            do(opened, clock)
        bell.close()

    code, said = in_child(live)
    assert code == 0, said


def ticks(opened: Session, clock: FakeClock) -> None:
    """Do what can be done now."""
    for _ in range(20):
        opened.parts.notice.give_quietly()
        opened.engine.scan_everything()
        opened.engine.tick()
        for _ in range(TURNS):
            if not (opened.parts.intake.under_way or opened.parts.runs.busy):
                break
            Event().wait(0.01)  # threads are at work
            opened.engine.tick()
        clock.advance(0.3)


def told(opened: Session, verb: str) -> None:
    """What a person says."""
    Commands(opened.engine).carry_out(Command(verb, PERSON, {}), opened.clock.wall())


def begun(table: Table) -> None:
    """The first record of a desk: it is opened, and opened again."""
    table.reset(replace(KEEP, drops={}))
    for folder in (table.desk.audit, table.root / "state"):
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
    session(table, 0, ticks)
    session(table, 1, ticks)


def torn(table: Table) -> None:
    """Half a line at the end of the log is cut off, and that is on record."""
    whole(table, KEEP)
    (log,) = table.desk.audit.glob("audit_2*.jsonl")
    with log.open("ab") as file:
        file.write(b'{"prev":"12')
    table.recover(KEEP, "torn", life=0)
    cut = [record for record in invariants.read(table.desk) if record.type == "log.recovered"]
    assert cut, "a part of the log was cut off, and nothing says so"


def clock_set(table: Table) -> None:
    """The clock jumps over the expiry of a question, and the machine starts again."""
    table.reset(APPROVE)
    session(table, 0, ticks)

    def jump(opened: Session, clock: FakeClock) -> None:
        ticks(opened, clock)
        clock.step(30 * DAY)
        opened.engine.tick()  # the next one begins a new day of the log, whose snapshot says it as well

    session(table, 60, jump)
    session(table, 31 * DAY, ticks)
    (task,) = invariants.check(table.desk.root)
    assert task.state is State.WAITING, f"nobody confirmed the clock, and the question is {task.state}"


def adopted(table: Table) -> None:
    """A copy of a desk goes on with a task that the original may have run."""
    table.reset(replace(RUN, drops={}))
    source = table.outside / "pay.txt"
    source.write_bytes(b"pay\n")
    later = Options(recipe="once", not_before=MIDNIGHT - DAY + 600)
    submit(Files(), table.desk, source, later, now=MIDNIGHT - DAY, suffix="aaaaaa", limit=1 << 20)
    session(table, 0, ticks)
    for path in (table.root / "state").rglob("*~*.json"):
        path.unlink()

    def adopt() -> None:
        bell = Bell()
        clock = FakeClock(MIDNIGHT - DAY + 900)
        with open_desk(
            table.desk, MemoryLog(), ring=bell.ring, watch=False, files=CrashFiles(), clock=clock, adopt=PERSON
        ) as opened:
            told(opened, "resume")
            ticks(opened, clock)
        bell.close()

    code, said = in_child(adopt)
    assert code == 0, said
    assert not Instant.counted(), "what may have run elsewhere was run"


def paused(table: Table) -> None:
    """A person stops the desk; the machine starts again."""
    table.reset(replace(RUN, drops={}))

    def pause(opened: Session, clock: FakeClock) -> None:
        told(opened, "pause")
        ticks(opened, clock)

    session(table, 0, pause)
    table.drop(RUN, RUN.drops)
    session(table, 60, ticks)
    assert not Instant.counted(), "it ran, and the desk was paused"


def blessed(table: Table) -> None:
    """A recipe is blessed; the machine starts again, and something is dropped for it."""
    scenario = Scenario("new", {"new/a.txt": b"a\n"}, {"a.txt": frozenset({State.COMPLETED})})
    table.reset(replace(scenario, drops={}))

    def bless() -> None:
        FaultBench(table.desk.root.parent).bless("new", "keep")

    code, said = in_child(bless)
    assert code == 0, said
    table.drop(scenario, scenario.drops)
    table.recover(scenario, "a new recipe", life=0)


def came_with(table: Table) -> None:
    """A new desk, and something for a recipe that comes with it."""
    begun(table)
    (table.desk.inbox / "archive").mkdir(exist_ok=True)
    table.drop(KEEP, KEEP.drops)
    table.recover(KEEP, "a new desk", life=0)


def stranger(table: Table) -> None:
    """A forged task in pending/ is set aside."""
    table.reset(replace(KEEP, drops={}))
    forged = table.desk.folder("pending") / "20260101-000000-evil-aaaaaa.task.json"
    forged.write_text("{}")
    session(table, 0, ticks)
    assert not forged.exists()
    found = [record for record in invariants.read(table.desk) if record.type == "foreign.found"]
    assert found, "a stranger's file was set aside, and nothing says so"


def moved_by_hand(table: Table) -> None:
    """A person moves a waiting task's input elsewhere; it is put back."""

    def move(session: Session, task: Task, request: Path) -> None:
        (payload,) = session.desk.approvals.glob("*.in.txt")
        payload.rename(session.desk.folder("completed") / payload.name)

    whole(table, replace(APPROVE, meddles=move))
    found = [record for record in invariants.read(table.desk) if record.type == "foreign.restored"]
    assert found, "a file was moved by somebody else, and nothing says so"


def forgotten(table: Table) -> None:
    """A finished task is to be forgotten, the disk refuses to remove its input, and the machine starts again."""
    table.reset(KEEP)
    session(table, 0, ticks)
    refusing = FaultyFiles(1, errno.EIO, only=lambda operation, path: operation == "unlink" and ".in." in str(path))

    def forget(opened: Session, clock: FakeClock) -> None:
        ticks(opened, clock)
        (key,) = {record.fields["task"] for record in invariants.read(table.desk) if record.type == "task.completed"}
        Commands(opened.engine).carry_out(Command("forget", PERSON, {"key": key}), clock.wall())
        ticks(opened, clock)
        assert list(table.desk.folder("completed").rglob("*.in.*")), "the disk did not refuse"

    session(table, 60, forget, refusing)
    session(table, 120, ticks)
    left = [path.name for path in table.desk.folder("completed").rglob("*.in.*")]
    assert not left, f"it was to be forgotten, and is still there: {left}"


def put_back(table: Table) -> None:
    """A desk is put back to what a backup has."""
    table.reset(APPROVE)
    session(table, 0, ticks)
    path = table.root / "backup_2026-01-01_00-00-00.zip"

    def restore() -> None:
        with open_archive(archives.back_up(table.desk, path)) as archive:
            clock = FakeClock(MIDNIGHT - DAY + 60)
            restore_in_place(Files(), table.desk, archive, clock=clock, actor=PERSON, stamp="now")

    code, said = in_child(restore)
    assert code == 0, said
    shutil.rmtree(table.root / "desk-before-restore-now")
    found = [record for record in invariants.read(table.desk) if record.type == "restore.performed"]
    assert found, "another desk stands there, and nothing says so"


def _describe_otherwise(session: Session, task: Task, request: Path) -> None:
    """Somebody writes into a task's description, and then says yes."""
    (path,) = session.desk.approvals.glob("*.task.json")
    path.chmod(0o600)
    path.write_bytes(path.read_bytes() + b" ")
    request.rename(f"{request}.approved")


def _lose(session: Session, task: Task, request: Path) -> None:
    """Somebody removes a task's input."""
    (path,) = session.desk.approvals.glob("*.in.txt")
    path.unlink()


ASKED = {"asked/letter.txt": b"dear you\n"}
QUARANTINED = replace(
    APPROVE,
    name="quarantined",
    drops=ASKED,
    ends={"letter.txt": frozenset({State.QUARANTINED})},
    delivered={},
    meddles=_describe_otherwise,
)
LOST = replace(QUARANTINED, name="lost", ends={"letter.txt": frozenset({State.LOST})}, meddles=_lose)
FAILED = replace(RETRY, name="failed", plan=("failed",), ends={"job.txt": frozenset({State.FAILED})}, delivered={})


@dataclass(frozen=True)
class Carries:
    """Why a record carries safety, and where its absence shows."""

    why: str
    where: Scenario | Callable[[Table], None]


SAFETY = {
    "log.genesis": Carries("the chain begins with it; a desk without it is refused", begun),
    "segment.open": Carries("it vouches for the file before it, and for what is unfinished", SCENARIOS["midnight"]),
    "log.recovered": Carries("lines were cut off, and nobody would know", torn),
    "log.clock_step": Carries("after the next start a clock that nobody confirmed lets questions expire", clock_set),
    "desk.adopted": Carries("what may have run elsewhere is run without asking", adopted),
    "desk.paused": Carries("after the next start the desk runs, and a person had stopped it", paused),
    "recipe.adopted": Carries("what was adopted counts no more after the next start", came_with),
    "recipe.blessed": Carries("what was blessed counts no more after the next start", blessed),
    "task.received": Carries("the drop is nobody's", KEEP),
    "task.ready": Carries("which recipe was chosen is nowhere on record", KEEP),
    "task.waiting": Carries("what was asked is nowhere on record, and any answer would do", APPROVE),
    "task.approved": Carries("it ran, and nobody had said yes", APPROVE),
    "task.rejected": Carries("it is asked again, and a no becomes a yes", SCENARIOS["reject"]),
    "task.expired": Carries("what was void is asked again", EXPIRED),
    "task.started": Carries("it ran, and after a crash it runs once more", RUN),
    "task.retry": Carries("the attempt that failed has no end, and its number is given twice", RETRY),
    "task.completed": Carries("it ran and counts as cut off: it runs again", RUN),
    "task.failed": Carries("it has no end, and runs again", FAILED),
    "task.in_doubt": Carries("nobody is asked, and it runs again", SCENARIOS["in doubt, it happened"]),
    "task.quarantined": Carries("what is not what it claims to be is looked at as if it were", QUARANTINED),
    "task.lost": Carries("files are gone, and nobody would know", LOST),
    "task.cancelled": Carries("it comes back with the next start", SCENARIOS["cancel"]),
    "task.delivered": Carries("it is delivered again, perhaps beside what a person moved away", KEEP),
    "task.forgotten": Carries("what could not be erased at once stays, and nobody would know", forgotten),
    "restore.performed": Carries("the desk was put back to an older one, and nobody would know", put_back),
    "schedule.handled": Carries("what was due while the machine was off is not made up for", routines.handled),
    "checklist.adopted": Carries("what came with the desk counts no more after the next start", routines.came_with),
    "checklist.blessed": Carries("what a person allowed counts no more after the next start", routines.blessed),
    "checklist.started": Carries("after the next start nobody is asked any more", routines.begun),
    "checklist.step": Carries("a program that was cut off runs once more", routines.stepped),
    "checklist.signed": Carries("after the next start a person's answer is gone", routines.signed),
    "foreign.found": Carries("somebody put a task there, and nobody would know", stranger),
    "foreign.restored": Carries("somebody moved a task's files, and nobody would know", moved_by_hand),
}
"""Type of record -> where the oracle of the campaigns notices that it was left out."""

INFORMS = {
    "log.heartbeat": "it says that nothing happened",
    "daemon.started": "what a start means for tasks is in their own records",
    "daemon.stopped": "an end without it is an end all the same: recovery asks the tasks' records",
    "desk.resumed": "without it the desk is paused again after a start, and says so",
    "watch.degraded": "scans find everything, later",
    "watch.restored": "scans find everything, later",
    "cost.level": "what is used up is added up from the attempts' own records",
    "cost.billed": "the costs that the attempts' own records say count, until the bill is imported again",
    "backup.created": "a backup that is not on record is never given up, and counts for nothing",
    "backup.failed": "how old the newest backup is says it as well",
    "backup.pruned": "a backup that is not there is not counted",
    "backup.verified": "it is read again before anything is given up for its sake, and in a drill",
    "drill.finished": "a drill that is not on record is due again",
    "health.changed": "how it is now is looked at again after a start",
    "incident.opened": "its note stands in the vault; no task depends on it",
    "incident.closed": "it counts as open until it is closed again",
    "audit.compressed": "what is in a packed day is proved by the chain, and by the day after it",
    "cleanup.done": "what it removes is temporary or finished, and what became of tasks is on record",
    "checklist.finished": "every step is on record: after a start it is finished again",
    "config.changed": "another hash of the settings is in the next `daemon.started`",
    "task.parked": "after a start it is routed again, by the same recipes, and parked again",
    "task.blocked": "after a start it is routed again, and waits again",
    "approval.ignored": "it is about a file that was no answer and had no effect",
    "drop.refused": "the drop stays where it is, and is looked at again after a start",
}
"""Type of record -> why nothing is lost, doubled or hidden without it."""


@dataclass(frozen=True)
class Late:
    """What has been done when the process is killed before the record."""

    scenario: Scenario
    noticed: str


LATE = {
    "task.received": Late(replace(APPROVE, drops=ASKED, delivered={}), "is unknown to the log"),
    "task.started": Late(RUN, "times and was started"),
}
"""Type of record -> a scenario in which it comes after what it allows, and then the process is killed.

The effect of the others that are written ahead is a move of files, which recovery takes back, or an attempt with a
record of its own; outcomes follow the fact.
"""


def test_every_type_of_record_is_judged() -> None:
    assert SAFETY.keys() | INFORMS.keys() == TYPES.keys()
    assert not SAFETY.keys() & INFORMS.keys()


def test_the_documentation_names_every_type() -> None:
    text = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()
    assert not [kind for kind in TYPES if f"`{kind}`" not in text]


def look(table: Table, kind: str) -> None:
    """The case of one type."""
    where = SAFETY[kind].where
    if isinstance(where, Scenario):
        whole(table, where)
    else:
        where(table)


@pytest.mark.parametrize("kind", SAFETY)
def test_with_the_record_all_is_well(table: Table, kind: str) -> None:
    look(table, kind)
    assert any(record.type == kind for record in invariants.read(table.desk)), "it is not on the way"


@pytest.mark.parametrize("kind", SAFETY)
def test_without_the_record_it_is_noticed(table: Table, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_out(monkeypatch, kind)
    with pytest.raises(AssertionError) as noticed:
        look(table, kind)
    print(str(noticed.value).strip().splitlines()[-1])


def killed_at_the_record(table: Table, kind: str, flag: Path) -> None:
    """The process ends right before the log is written after a batch with the record was acted on (*flag* is there)."""
    scenario = LATE[kind].scenario
    flag.unlink(missing_ok=True)
    table.reset(scenario)
    assert table.kill(scenario, lambda operation, path: flag.exists() and operation == "pwrite" and _log(path))


def _log(path: str) -> bool:
    return os.path.basename(path).startswith("audit_2")


@pytest.mark.parametrize("kind", LATE)
def test_a_record_that_comes_too_late_is_noticed(table: Table, kind: str) -> None:
    late, flag = LATE[kind], table.root / "acted"
    with pytest.MonkeyPatch.context() as patch:
        write_late(patch, kind, flag)
        killed_at_the_record(table, kind, flag)
    with pytest.raises(AssertionError) as noticed:
        table.recover(late.scenario, "killed at the record")
    assert late.noticed in str(noticed.value)
    print(str(noticed.value).strip().splitlines()[-1])
