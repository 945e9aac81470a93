"""Runs of checklists: begun, done step by step, signed, finished; each move on record before it has an effect.

The deciding thread decides and records; facts are measured and programs started as chores.  A run goes on where the
log says it stands: after a restart a program that was cut off is not repeated unless its step says `retry`, and a run
whose checklist was changed meanwhile is ended as cut off, never as ok.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime, tzinfo
from typing import Any

import msgspec
from msgspec import Struct

from deskhand.core.checklist import Check, Checklist, Drop, Manual, Program, Step
from deskhand.core.checklist_run import BAD, Do, Finish, Settle, Wait, next_action
from deskhand.core.fact import Fact, shown
from deskhand.core.log import Log
from deskhand.core.record import DAEMON, Actor, Draft
from deskhand.core.routine import STARTED, OpenRun
from deskhand.engine.checklist_notes import ChecklistNotes
from deskhand.engine.chores import Chores
from deskhand.engine.facts import Facts
from deskhand.engine.ledger import Ledger
from deskhand.engine.programs import Programs, StepOutcome
from deskhand.errors import ConfigError, UsageError, nameless
from deskhand.store.checklist_files import ChecklistFiles, Found
from deskhand.store.recipe_files import sha256


class _Work(Struct, frozen=True):
    """A step to be done as soon as that it is begun is durable."""

    run: OpenRun
    step: Step
    facts: Facts


class ChecklistRuns:
    """See the module.  Used by the deciding thread."""

    def __init__(
        self,
        ledger: Ledger,
        files: ChecklistFiles,
        chores: Chores,
        programs: Programs,
        facts: Callable[[float], Facts],
        drop: Callable[[Drop, str], None],
        notify: Callable[[str, str], None],
        zone: tzinfo,
        log: Log,
    ) -> None:
        """*drop* makes a task of a failed step, called in a thread; *notify* shows a notice."""
        self._ledger = ledger
        self._files = files
        self._chores = chores
        self._programs = programs
        self._facts = facts
        self._drop = drop
        self._notify = notify
        self._zone = zone
        self._log = log
        self.found: Mapping[str, Found] = {}
        """Every checklist of the vault, as of the last look."""
        self._definitions: dict[str, Checklist] = {}
        """Run id -> what its run was begun with."""
        self._active: set[str] = set()
        """Run ids with a step under way."""
        self._to_do: list[_Work] = []
        self._after: list[Callable[[], object]] = []
        """What follows once the batch is durable."""
        self._notes = ChecklistNotes(files, zone, log)

    # -- what commands and the planner ask for -----------------------------------------------------------------

    def begin(self, name: str, now: float, actor: Actor = DAEMON, occurrence: float | None = None) -> str:
        """Begin a run and end an earlier one that only waits; the run's id.

        UsageError when there is no such checklist or a step of it is at work, ConfigError when it cannot be read.
        """
        found = self.found.get(name)
        if found is None:
            raise UsageError("running a checklist", f"there is no checklist {name!r}", hint="deskhand checklist list")
        if found.checklist is None:
            raise ConfigError("running a checklist", "\n".join(found.problems), path=self._files.path(name))
        if self.busy(name):
            raise UsageError("running a checklist", f"{name} is being run", hint="deskhand checklist list")
        for run in self._of(name):
            self._give_up(run, "the next run of this checklist began")
        run_id = self._free_id(name, now)
        note = self._files.free_note(f"{datetime.fromtimestamp(now, self._zone):%Y-%m-%d}", name)
        fields = {"checklist": name, "run_id": run_id, "sha256": found.sha256, "note": note, "occurrence": occurrence}
        self._ledger.note(Draft("checklist.started", {**fields, "actor": msgspec.to_builtins(actor)}))
        self._definitions[run_id] = found.checklist
        return run_id

    def _free_id(self, name: str, now: float) -> str:
        base = f"{datetime.fromtimestamp(now, UTC):%Y%m%d-%H%M%S}-{name}"
        last = self._ledger.book.routine.finished.get(name)
        taken = {*self._ledger.book.routine.runs, *([] if last is None else [last.run_id])}
        number, run_id = 1, base
        while run_id in taken:
            number += 1
            run_id = f"{base}-{number}"
        return run_id

    def busy(self, name: str) -> bool:
        """Whether a step of the checklist is at work: a question that waits does not count."""
        return any(run.run_id in self._active or self._startable(run) for run in self._of(name))

    def _startable(self, run: OpenRun) -> bool:
        checklist = self._definition(run)
        return checklist is not None and not isinstance(self._next(checklist, run, run.at), Wait)

    def _of(self, name: str) -> list[OpenRun]:
        return [run for run in self._ledger.book.routine.runs.values() if run.checklist == name]

    def sign(self, name: str | None, step_id: str, actor: Actor, answer: str, reason: str | None) -> dict[str, Any]:
        """Answer a question that waits; *name*: of which checklist, None when only one asks it.  UsageError if not."""
        asked = [(run, step) for run, step in self.asked() if step.id == step_id and name in (None, run.checklist)]
        if len(asked) != 1:
            cause = f"{len(asked)} checklists ask" if asked else "nothing is asked under"
            raise UsageError("signing a step", f"{cause} {step_id!r}", hint="deskhand checklist list; write NAME/STEP")
        run, step = asked[0]
        if isinstance(step.what, Manual) and step.what.evidence and answer == "yes" and not reason:
            raise UsageError("signing a step", "it asks for evidence", hint="add --evidence TEXT")
        self._signed(run, step, actor, answer, reason)
        return {"checklist": run.checklist, "run_id": run.run_id, "step": step.id, "answer": answer}

    def bless(self, name: str, digest: str | None, actor: Actor, reason: str | None) -> None:
        """Record that the programs in exactly these bytes may run; None: no programs of it at all."""
        fields = {"checklist": name, "sha256": digest, "actor": msgspec.to_builtins(actor), "reason": reason}
        self._ledger.note(Draft("checklist.blessed", fields))

    def blessed(self, name: str, digest: str) -> bool:
        """Whether the programs in exactly these bytes may run."""
        known = self._ledger.book.routine.blessed.get(name)
        return known is not None and known.sha256 == digest

    # -- the tick ----------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Read the checklists again where they changed, and what people ticked."""
        before = self.found
        self.found = self._files.look()
        for name, found in self.found.items():
            if found.problems and (name not in before or before[name].problems != found.problems):
                self._log.warning("a checklist cannot be read", checklist=name, problem=found.problems[0])
        for run in list(self._ledger.book.routine.runs.values()):
            self._read_ticks(run)

    def advance(self, now: float) -> None:
        """Decide what comes next in every open run."""
        for run in list(self._ledger.book.routine.runs.values()):
            if run.run_id not in self._active:
                self._advance(run, now)

    def _advance(self, run: OpenRun, now: float) -> None:
        checklist = self._definition(run)
        if checklist is None:
            self._give_up(run, "its checklist was changed or removed while no daemon ran")
            return
        self._cut_off(checklist, run)
        while True:
            match self._next(checklist, run, now):
                case Settle(step, state, reason):
                    self._settle(run, step, StepOutcome(state, reason))
                case Do(step):
                    self._do(run, step, now)
                    return
                case Finish(state):
                    self._finish(run, checklist, state)
                    return
                case _:
                    return

    def _next(self, checklist: Checklist, run: OpenRun, now: float) -> Do | Settle | Wait | Finish:
        return next_action(checklist, run, now, blessed=self.blessed(run.checklist, run.sha256))

    def _definition(self, run: OpenRun) -> Checklist | None:
        """The checklist that the run was begun with; after a restart only if it still is that."""
        known = self._definitions.get(run.run_id)
        if known is None:
            found = self.found.get(run.checklist)
            if found is None or found.checklist is None or found.sha256 != run.sha256:
                return None
            known = self._definitions[run.run_id] = found.checklist
        return known

    def _cut_off(self, checklist: Checklist, run: OpenRun) -> None:
        """A step that was begun by an earlier run of the daemon."""
        for step in checklist.steps:
            if _state(run, step) != STARTED:
                continue
            if step.retry and self.blessed(run.checklist, run.sha256):
                del run.steps[step.id]  # may be repeated
            else:
                self._settle(run, step, StepOutcome("fail", "cut off when the daemon ended; it is not repeated"))

    def _do(self, run: OpenRun, step: Step, now: float) -> None:
        self._active.add(run.run_id)
        if isinstance(step.what, Program):
            self._record(run, step.id, StepOutcome(STARTED))
        self._to_do.append(_Work(run, step, self._facts(now)))

    def next_time(self, now: float) -> float | None:
        """Epoch seconds at which a question is over."""
        moments = []
        for run in self._ledger.book.routine.runs.values():
            checklist = self._definition(run)
            if checklist is not None and run.run_id not in self._active:
                action = self._next(checklist, run, now)
                moments.append(action.until if isinstance(action, Wait) else now)
        return min((moment for moment in moments if moment is not None), default=None)

    def asked(self) -> list[tuple[OpenRun, Step]]:
        """Every question that waits for an answer."""
        return [
            (run, step)
            for run in self._ledger.book.routine.runs.values()
            if (checklist := self._definition(run)) is not None
            for step in checklist.steps
            if isinstance(step.what, Manual) and _state(run, step) == "waiting"
        ]

    @property
    def active(self) -> bool:
        """Whether a step is under way."""
        return bool(self._active or self._to_do or self._after)

    def act(self) -> None:
        """What was decided is durable: do it."""
        work, self._to_do = self._to_do, []
        for each in work:
            self._submit(each)
        after, self._after = self._after, []
        for call in after:
            call()
        for run_id in self._notes.drawn:
            run = self._ledger.book.routine.runs.get(run_id)
            if run is None or not self._read_ticks(run):  # what was ticked just now comes into the picture first
                self._notes.write(run_id)

    # -- steps -------------------------------------------------------------------------------------------------

    def _submit(self, work: _Work) -> None:
        run, step = work.run, work.step

        def then(done: Future[StepOutcome]) -> None:
            self._active.discard(run.run_id)
            error = done.exception()
            outcome = done.result() if error is None else StepOutcome("fail", f"could not be done: {nameless(error)}")
            if run.run_id in self._ledger.book.routine.runs:
                self._settle(run, step, outcome)

        self._chores.submit(f"checklist {run.checklist}/{step.id}", lambda: self._made(work), then)

    def _made(self, work: _Work) -> StepOutcome | Future[StepOutcome]:
        """In the chores' thread: the step, if its condition holds."""
        step, condition = work.step, work.step.condition
        if condition is not None:
            fact = work.facts.get(condition.metric)
            if fact.value is None:
                return StepOutcome("unknown", f"{condition.metric} is unknown: {fact.unknown}")
            if not condition.holds(fact.value):
                return StepOutcome("skipped", f"{condition.metric} is {shown(condition.metric, fact.value)}")
        match step.what:
            case Manual():
                return StepOutcome("waiting")
            case Check():
                return judged(step.what, work.facts.get(step.what.good.metric))
            case _:
                return self._programs.run(work.run.run_id, step)

    def _settle(self, run: OpenRun, step: Step, outcome: StepOutcome) -> None:
        self._record(run, step.id, outcome)
        if outcome.state in BAD:
            self._follow(run, step, outcome)

    def _record(self, run: OpenRun, step: str, outcome: StepOutcome) -> None:
        fields = {"checklist": run.checklist, "run_id": run.run_id, "step": step, **msgspec.structs.asdict(outcome)}
        known = {name: value for name, value in fields.items() if value is not None}
        self._ledger.note(Draft("checklist.step", known))
        self._draw(run)

    def _follow(self, run: OpenRun, step: Step, outcome: StepOutcome) -> None:
        """What a checklist wants done when a step is bad; only a blessed one may want anything."""
        if not self.blessed(run.checklist, run.sha256):
            return
        title = f"{run.checklist}: {step.title or step.id} is {outcome.state}"
        if step.on_fail.notify or step.severity == "P0":
            self._after.append(lambda: self._notify(title, outcome.reason or ""))
        if step.on_fail.drop is not None:
            drop, name = step.on_fail.drop, f"{run.run_id}-{step.id}.md"
            self._after.append(lambda: self._chores.submit(f"drop {name}", lambda: self._drop(drop, name)))

    def _signed(self, run: OpenRun, step: Step, actor: Actor, answer: str, reason: str | None) -> None:
        fields = {"checklist": run.checklist, "run_id": run.run_id, "step": step.id, "answer": answer}
        said = {"actor": msgspec.to_builtins(actor), **({"reason": reason} if reason else {})}
        self._ledger.note(Draft("checklist.signed", {**fields, **said}))
        self._draw(run)
        if answer != "yes":
            self._follow(run, step, StepOutcome("fail", "signed: no"))

    # -- ends --------------------------------------------------------------------------------------------------

    def _give_up(self, run: OpenRun, why: str) -> None:
        """End a run that cannot go on: what waits is missed, what was cut off failed, what never began is missed."""
        checklist = self._definition(run)
        known = [step.id for step in checklist.steps] if checklist is not None else list(run.steps)
        for step in known:
            state = run.steps[step].state if step in run.steps else None
            if state in (None, "waiting", STARTED):
                self._record(run, step, StepOutcome("fail" if state == STARTED else "missed", why))
        if checklist is None:
            self._record_end(run, "fail", None)
            self._log.warning("a checklist was cut off", run=run.run_id, reason=why)
        else:
            action = self._next(checklist, run, run.at)
            self._finish(run, checklist, action.state if isinstance(action, Finish) else "missed")

    def _finish(self, run: OpenRun, checklist: Checklist, state: str) -> None:
        trusted = self.blessed(run.checklist, run.sha256)
        self._record_end(run, state, self._notes.draw(checklist, run, state=state, trusted=trusted))
        (self._log.info if state in ("ok", "warn") else self._log.warning)(
            "a checklist is finished", checklist=run.checklist, state=state
        )

    def _record_end(self, run: OpenRun, state: str, text: str | None) -> None:
        fields = {
            "checklist": run.checklist,
            "run_id": run.run_id,
            "state": state,
            "steps": {step: result.state for step, result in run.steps.items()},
            "note_sha256": None if text is None else sha256(text.encode("utf-8", "backslashreplace")),
            "occurrence": run.occurrence,
        }
        self._ledger.note(Draft("checklist.finished", fields))
        self._definitions.pop(run.run_id, None)
        self._notes.forget(run.note)

    def _draw(self, run: OpenRun) -> None:
        checklist = self._definition(run)
        if checklist is not None:
            self._notes.draw(checklist, run, state=None, trusted=self.blessed(run.checklist, run.sha256))

    def _read_ticks(self, run: OpenRun) -> bool:
        """Put answers that stand in the note on record; whether there were any."""
        checklist = self._definition(run)
        return checklist is not None and self._notes.read_ticks(checklist, run, self._signed)


def judged(check: Check, fact: Fact) -> StepOutcome:
    """What a fact means for a check.  Unknown is never ok."""
    metric = check.good.metric
    if fact.value is None:
        return StepOutcome("unknown", f"{metric} is unknown: {fact.unknown}")
    found = f"{metric} is {shown(metric, fact.value)}"
    if not check.good.holds(fact.value):
        return StepOutcome("fail", f"{found}, not {check.good.operator} {shown(metric, check.good.value)}")
    if check.warn is not None and not check.warn.holds(fact.value):
        return StepOutcome("warn", f"{found}, not {check.warn.operator} {shown(metric, check.warn.value)}")
    return StepOutcome("ok", found)


def _state(run: OpenRun, step: Step) -> str | None:
    result = run.steps.get(step.id)
    return None if result is None else result.state
