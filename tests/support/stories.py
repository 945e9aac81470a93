"""A desk, people, and a disk that cannot be trusted, as a machine that hypothesis drives; and what must be true of it.

Hypothesis makes up what is dropped, answered, edited, copied, cancelled, saved and paused, how time passes, and where
the disk fails, the process is killed or the power is cut: up to four times in a row, so also while it recovers.  After
each step, and again when all faults are over, what the log says is held against an oracle, and I1-I7 hold.

The oracle knows only what was done from outside: which bytes were dropped, which digests got a yes or a no, how often
something in doubt was let run again, what was cancelled, what people saved themselves, and which ends were seen.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from deskhand.core.names import GESTURES, key_of, member
from deskhand.core.record import Record
from deskhand.core.state import ASKING, State
from deskhand.core.task import InputFile, Task, manifest_sha256
from deskhand.store import task_files
from deskhand.store.desk import Desk as Store
from tests.support import invariants
from tests.support.crash import LIFETIME, ONCE, Table
from tests.support.puppet import Fault, Puppet
from tests.support.scenario import RESTING, Instant, Scenario
from tests.support.scenarios import MIDNIGHT

EXAMPLES, STEPS = 24, 24
"""Stories of a usual run, and what happens in each."""
ROUTES = ("archive", "work", "once", "hand-over", "asked")
PLANS = (("ok",), ("failed", "ok"), ("cut", "ok"), ("cut", "failed", "cut", "ok"))

routes = st.sampled_from(ROUTES)
picks = st.integers(0, 7)
verdicts = st.sampled_from(["approved", "rejected", "happened"])
faults = st.builds(Fault, st.sampled_from(["kill", "cut", "error"]), st.integers(1, 50), st.integers(0, 999))
while_opening = st.builds(Fault, st.sampled_from(["kill", "cut", "error"]), st.integers(1, 30), st.integers(0, 999))


class Oracle:
    """What must be true, whatever happened in between."""

    def __init__(self) -> None:
        self.dropped = Counter[str]()
        """Hash of an input -> how often somebody dropped it."""
        self.yes: set[str] = set()
        """Digests of requests that were approved as they were."""
        self.no: set[str] = set()
        self.again = Counter[str]()
        """Task -> how often a person let it run once more."""
        self.ends: dict[str, State] = {}
        self.cancelled: set[str] = set()
        """Tasks that somebody wanted cancelled."""
        self.saved: dict[Path, bytes] = {}
        """What people saved where results are delivered to."""

    def holds(self, tasks: list[Task], records: list[Record], runs: Counter[str]) -> None:
        """Nothing was made up, doubled, taken back, or done without being asked for."""
        taken = Counter(task.input_sha256 for task in tasks)
        assert taken <= self.dropped, f"more tasks than drops: {taken - self.dropped}"
        for task in tasks:
            assert self.ends.get(task.key, task.state) == task.state, f"{task.key} was {self.ends[task.key]}"
            if task.terminal:
                self.ends[task.key] = task.state
            if task.pin is not None and task.pin.id == ONCE:
                assert runs[task.key] <= 1 + self.again[task.key], f"{task.key} ran {runs[task.key]} times"
        for record in records:
            if record.type in ("task.approved", "task.rejected"):
                answered = self.yes if record.type == "task.approved" else self.no
                assert record.fields["digest"] in answered, f"nobody said so: {record}"
            elif record.type == "task.expired":
                assert record.ts >= record.fields["expires"], f"it expired too early: {record}"
            elif record.type == "task.cancelled":
                assert record.fields["task"] in self.cancelled, f"nobody cancelled it: {record}"
        self.nothing_starts_in_a_pause(records)
        for path, data in self.saved.items():
            assert path.read_bytes() == data, f"a person's {path.name} was overwritten"

    @staticmethod
    def nothing_starts_in_a_pause(records: list[Record]) -> None:
        """Between a pause and the word to go on."""
        paused = False
        for record in records:
            if record.type in ("desk.paused", "desk.resumed"):
                paused = record.type == "desk.paused"
            assert not (paused and record.type == "task.started"), f"started in a pause: {record}"

    def is_over(self, tasks: list[Task]) -> None:
        """Every drop is a task; every task has its end or waits for an answer that nobody gave."""
        taken = Counter(task.input_sha256 for task in tasks)
        assert taken == self.dropped, f"dropped and never taken: {self.dropped - taken}"
        for task in tasks:
            assert task.terminal or task.state in RESTING, f"{task.key} is {task.state}"
            assert not task.undelivered, f"{task.key} was not delivered"
            waits = task.state is State.WAITING and task.digest in self.yes | self.no
            assert not waits, f"{task.key} still waits, and was answered"

    def is_tidy(self, tasks: list[Task], desk: Store) -> None:
        """Nothing stands in the inbox, and no question or answer where nothing is asked."""
        left = [path for path in desk.inbox.rglob("*") if path.is_file() and not path.name.startswith(".")]
        assert not left, f"left in the inbox: {left}"
        asking = {task.key for task in tasks if task.state in ASKING}
        for path in desk.approvals.iterdir():
            part = member(path.name)
            if part is not None and part.part in GESTURES:
                assert key_of(part.id) in asking, f"{path.name} stands there, and nothing is asked"

    def is_delivered(self, tasks: list[Task], desk: Path, runs: Counter[str]) -> None:
        """What was kept stands where its recipe wants it, whole, and once for each task at most."""
        kept = [task for task in tasks if task.state is State.COMPLETED and task.pin is not None]
        for recipe, folder in (("archive", "archive/*/*"), ("hand-over", "outbox")):
            wanted = Counter(task.input_sha256 for task in kept if task.pin is not None and task.pin.id == recipe)
            found = Counter(
                manifest_sha256(task_files.manifest(path))
                for path in desk.glob(f"{folder}/*")
                if path not in self.saved
            )
            assert found.keys() == wanted.keys(), f"{recipe}: delivered {found}, completed {wanted}"
            assert found <= wanted, f"{recipe}: delivered more than once: {found - wanted}"
        for task in kept:
            if task.pin is not None and task.pin.id in ("work", "asked"):
                assert runs[task.key], f"{task.key} is completed and never ran"


class Desk(RuleBasedStateMachine):
    """People, a desk, and a disk that cannot be trusted."""

    table: Table
    struck: ClassVar[Counter[str]] = Counter()
    """Kind of fault -> how many came, in all examples."""
    done = 0
    """Examples."""

    def __init__(self) -> None:
        super().__init__()
        self.oracle = Oracle()
        self.drops = self.places = 0
        self.wall = MIDNIGHT - 3 * LIFETIME
        self.life: Puppet | None = None
        self.desk = self.table.desk

    @initialize(plan=st.sampled_from(PLANS))
    def begin(self, plan: tuple[str, ...]) -> None:
        """A desk with recipes, and nothing on it."""
        self.table.reset(Scenario("anything", {}, {}, plan=plan))
        self.open()

    def open(self, fault: Fault | None = None) -> None:
        """The next life."""
        self.life = Puppet(self.desk, self.wall, fault)
        if not self.life.alive:
            self.died(fault)

    def died(self, fault: Fault | None) -> None:
        """It is over, and time passes."""
        assert fault is not None, "it ended by itself"
        self.struck[fault.kind] += 1
        self.wall += LIFETIME
        self.life = None

    def tell(self, order: str, *arguments: object, fault: Fault | None = None) -> object:
        """An order; *fault* is what it may die of."""
        assert self.life is not None
        said = self.life.tell(order, *arguments)
        if said is None:
            self.died(fault)
        return said

    # -- people ------------------------------------------------------------------------------------------------

    @rule(route=routes, name=st.sampled_from(["a.txt", "b.txt"]), same=st.booleans(), linked=st.booleans())
    def drop(self, route: str, name: str, same: bool, linked: bool = False) -> None:
        """A file, perhaps with the name, or even the bytes, of an earlier one; *linked*: it has a name elsewhere."""
        target = self.desk.inbox / route / name
        if target.exists():
            return
        self.drops += 0 if same and self.drops else 1
        data = b"drop %d\n" % self.drops
        self.place(data, target, linked=linked)
        self.oracle.dropped[manifest_sha256((InputFile("", sha256(data).hexdigest(), len(data)),))] += 1

    @rule(route=routes)
    def drop_folder(self, route: str) -> None:
        """A folder with a file in it."""
        self.drops += 1
        data = b"folder %d\n" % self.drops
        source = self.table.outside / f"trip-{self.drops}"
        source.mkdir()
        (source / "f.txt").write_bytes(data)
        target = self.desk.inbox / route / source.name
        target.parent.mkdir(exist_ok=True)
        source.rename(target)
        self.oracle.dropped[manifest_sha256((InputFile("f.txt", sha256(data).hexdigest(), len(data)),))] += 1

    def place(self, data: bytes, target: Path, *, linked: bool = False) -> None:
        """Moved in, or linked."""
        self.places += 1
        source = self.table.outside / f"new-{self.places}"  # one that is linked stays: a fake disk needs its other name
        source.write_bytes(data)
        target.parent.mkdir(exist_ok=True)
        if linked:
            os.link(source, target)
        else:
            source.rename(target)

    @rule(name=st.sampled_from(["a.txt", "b.txt", "struck.txt"]))
    def save(self, name: str) -> None:
        """Something of one's own, where results are delivered to."""
        target = self.desk.root / "outbox" / name
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(b"mine\n")
            self.oracle.saved[target] = b"mine\n"

    def requests(self) -> list[Path]:
        """What is asked now."""
        found = sorted(self.desk.approvals.glob("*.json"))
        return [path for path in found if not path.name.endswith(".task.json")]

    @rule(pick=picks, verdict=verdicts, how=st.sampled_from("rce"))
    def answer(self, pick: int, verdict: str, how: str) -> None:
        """By renaming a request, by a renamed copy of it, or by renaming it after an edit (which is no yes)."""
        found = self.requests()
        if not found:
            return
        request = found[pick % len(found)]
        data = request.read_bytes()
        doubted = b"in doubt" in data or b"in_doubt" in data
        if verdict == "happened" and not doubted:
            return
        digest = sha256(data).hexdigest()
        if how == "e":
            request.write_bytes(data + b" ")
        if how != "e" or verdict == "rejected":  # a no is a no, whatever the file says
            (self.oracle.no if verdict == "rejected" else self.oracle.yes).add(digest)
            if verdict == "approved":
                self.oracle.again[key_of(request.name.removesuffix(".json"))] += 1
        target = Path(f"{request}.{verdict}")
        if how == "c":
            shutil.copy(request, target)
        else:
            request.rename(target)

    @precondition(lambda self: self.life is not None)
    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        """Something unfinished."""
        keys = [task.key for task in self.tasks() if not task.terminal]
        if keys:
            key = keys[pick % len(keys)]
            self.oracle.cancelled.add(key)
            self.tell("command", "cancel", {"key": key})

    @precondition(lambda self: self.life is not None)
    @rule(verb=st.sampled_from(["pause", "resume"]))
    def pause(self, verb: str) -> None:
        """The whole desk."""
        self.tell("command", verb, {})

    @precondition(lambda self: self.life is not None)
    @rule(seconds=st.sampled_from([1.0, 3600.0, 86_400.0]))
    def pass_time(self, seconds: float) -> None:
        """A moment, an hour, a day (then the log has a new file)."""
        self.tell("pass_time", seconds)

    # -- the desk ----------------------------------------------------------------------------------------------

    @precondition(lambda self: self.life is not None)
    @rule()
    def work(self) -> None:
        """Do what can be done now."""
        self.wall = float(str(self.tell("work", False)))

    @precondition(lambda self: self.life is not None)
    @rule(route=st.sampled_from(["asked", "hand-over"]), verdict=verdicts, how=st.sampled_from("rce"))
    def ask(self, route: str, verdict: str, how: str) -> None:
        """Something that has to be asked about, and an answer to whatever is asked then."""
        self.drop(route, "letter.txt", False)
        self.work()
        if self.requests():
            self.answer(-1, verdict, how)
            self.work()

    @precondition(lambda self: self.life is not None)
    @rule(route=routes, linked=st.booleans(), fault=faults, more=st.lists(while_opening, max_size=3))
    def strike(self, route: str, linked: bool, fault: Fault, more: list[Fault]) -> None:
        """A fault while it works on something new, and more of them while it recovers."""
        self.drop(route, "struck.txt", False, linked)
        self.tell("arm", fault)
        said = self.tell("work", False, fault=fault)
        if said is not None:
            self.wall = float(str(said))
            self.tell("arm", None)
            return
        for next_one in more:
            if self.life is None:
                self.open(next_one)
        if self.life is None:
            self.open()

    @precondition(lambda self: self.life is not None)
    @rule()
    def restart(self) -> None:
        """In good order."""
        self.close()
        self.open()

    def close(self) -> None:
        """End this life, which has nothing to die of."""
        assert self.life is not None
        self.life.tell("close")
        self.life = None
        self.wall += 1

    def tasks(self) -> list[Task]:
        """As the log tells them."""
        return list(invariants.project(invariants.read(self.desk)).values())

    @invariant()
    def holds(self) -> None:
        """The oracle, I1, I3, I4 and I6; the folders may be behind the log."""
        if self.life is not None:
            runs = Instant.counted()
            tasks = invariants.check(self.desk.root, runs=runs, stopped=False, settled=False)
            self.oracle.holds(tasks, invariants.read(self.desk), Counter(runs))

    def teardown(self) -> None:
        """All faults are over: everything comes to its end, and I1-I7 hold."""
        type(self).done += 1
        if self.life is None:
            return  # it failed, and says so elsewhere
        self.restart()
        self.tell("command", "resume", {})
        self.tell("work", True)
        self.close()
        runs = Instant.counted()
        tasks = invariants.check(self.desk.root, runs=runs)
        self.oracle.holds(tasks, invariants.read(self.desk), Counter(runs))
        self.oracle.is_over(tasks)
        self.oracle.is_tidy(tasks, self.desk)
        self.oracle.is_delivered(tasks, self.desk.root, Counter(runs))


class Bad(BaseException):
    """A story that ended badly; hypothesis does not tell it again."""


def tell(table: Table, number: int, examples: int, phases: Sequence[Phase] = (Phase.generate,)) -> type[Desk]:
    """Let hypothesis tell stories on *table*; *number*: of the dice.

    Returns the machine, with the number of its stories and of what struck it.
    """

    class Here(Desk):
        pass

    _run(Here, table, number, examples, phases)
    return Here


def first_bad(table: Table, number: int, examples: int) -> str:
    """What is wrong in the first story that ends badly; empty when none does."""

    class Here(Desk):
        def teardown(self) -> None:
            error = sys.exc_info()[1]
            if isinstance(error, Exception) and not isinstance(error, HypothesisException):
                raise Bad(f"{type(error).__name__}: {error}")
            try:
                super().teardown()
            except Exception as late:
                raise Bad(f"{type(late).__name__}: {late}") from late

    try:
        _run(Here, table, number, examples, (Phase.generate,))
    except Bad as bad:
        return f"{Here.done} stories, then: {str(bad).strip().splitlines()[-1]}"
    return ""


def _run(machine: type[Desk], table: Table, number: int, examples: int, phases: Sequence[Phase]) -> None:
    machine.table, machine.struck = table, Counter()
    run_state_machine_as_test(
        seed(number)(machine),
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            phases=phases,
            report_multiple_bugs=False,
        ),
    )
