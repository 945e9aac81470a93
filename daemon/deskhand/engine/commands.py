"""What a person or a program can ask the running daemon for, carried out by the deciding thread.

A command is a verb with plain arguments; the answer is plain data.  The same table serves the control socket and the
command line when no daemon runs.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from deskhand.core.event import Answer, Cancel
from deskhand.core.incident import incident_id
from deskhand.core.recipe import Pin
from deskhand.core.record import Actor, Draft
from deskhand.core.settings import CostLimits
from deskhand.core.state import ASKING, State
from deskhand.core.task import Task
from deskhand.engine.arguments import understood
from deskhand.engine.engine import Engine
from deskhand.engine.self_look import SelfLook
from deskhand.errors import DeskhandError, HeldError, UsageError, WaitingError

Reply = dict[str, Any]


class Command(Struct, frozen=True):
    """A verb and who says it."""

    verb: str
    actor: Actor
    arguments: dict[str, Any] = field(default_factory=dict)


class Commands:
    """Carries out commands between two ticks."""

    def __init__(self, engine: Engine, look: SelfLook | None = None) -> None:
        """*look*: the living daemon's at itself; None when none lives."""
        self._engine = engine
        self._look = look
        self._waiting: dict[str, list[tuple[Future[Reply], bool]]] = {}
        self._verbs: dict[str, Callable[[Command, float], Reply | Future[Reply]]] = {
            "ping": lambda command, now: {},
            "status": lambda command, now: {**engine.status(), "health": None if look is None else look.status()},
            "pause": self._pause,
            "resume": self._resume,
            "scan": self._scan,
            "wait": self._wait,
            "cancel": self._cancel,
            "retry": self._retry,
            "approve": self._approve,
            "reject": self._reject,
            "happened": self._happened,
            "bless": self._bless,
            "note": self._note,
            "backup_head": lambda command, now: engine.standing(),
            "backup_created": self._on_record("backup.created"),
            "backup_failed": self._on_record("backup.failed"),
            "backup_pruned": self._on_record("backup.pruned"),
            "limits": self._limits,
            "billed": self._billed,
            "checklist_run": self._checklist_run,
            "checklist_sign": self._checklist_sign,
            "checklist_bless": self._checklist_bless,
            "health": self._health,
            "incident_open": self._incident_open,
            "incident_close": self._incident_close,
            "forget": self._forget,
            "pack": self._pack,
            "cleaned": self._cleaned,
            "backup_verified": self._on_record("backup.verified"),
            "drill_finished": self._on_record("drill.finished"),
        }

    def carry_out(self, command: Command, now: float) -> Reply | Future[Reply]:
        """The answer, or a promise of one.  DeskhandError when it cannot be done."""
        verb = self._verbs.get(command.verb)
        if verb is None:
            raise UsageError("command", f"the daemon does not know {command.verb!r}")
        return verb(replace(command, arguments=understood(command.verb, command.arguments)), now)

    def settle(self) -> None:
        """Keep the promises that can be kept now."""
        for key in list(self._waiting):
            state, settled = self._standing(key)
            kept = []
            for promise, to_the_end in self._waiting[key]:
                unheard_of = state is None and not self._engine.coming(key)
                if unheard_of or settled is True or (settled is None and not to_the_end):
                    promise.set_result({"key": key, "state": state, "reason": self._reason(key)})
                else:
                    kept.append((promise, to_the_end))
            if kept:
                self._waiting[key] = kept
            else:
                del self._waiting[key]

    def give_up(self, error: DeskhandError) -> None:
        """Break every promise: the daemon stops."""
        for promises in self._waiting.values():
            for promise, _ in promises:
                promise.set_exception(error)
        self._waiting.clear()

    def _standing(self, key: str) -> tuple[str | None, bool | None]:
        """State, and whether that is the end (True), needs a person (None) or is under way (False)."""
        task = self._engine.ledger.tasks.get(key)
        if task is None:
            state = self._engine.ledger.outcomes.get(key)
            return state, state is not None
        if task.terminal:
            return task.state, not task.undelivered
        return task.state, None if task.state in (*ASKING, State.PARKED, State.BLOCKED) else False

    def _reason(self, key: str) -> str | None:
        task = self._engine.ledger.tasks.get(key)
        return None if task is None else task.reason

    def _task(self, command: Command) -> Task:
        key = str(command.arguments.get("key", ""))
        task = self._engine.ledger.tasks.get(key)
        if task is None:
            raise UsageError(command.verb, f"no unfinished task {key}", hint="deskhand tasks --state unfinished")
        return task

    def _pause(self, command: Command, now: float) -> Reply:
        drain = bool(command.arguments.get("drain"))
        draft = {"actor": msgspec.to_builtins(command.actor), "reason": "drain" if drain else "asked"}
        self._engine.ledger.note(Draft("desk.paused", draft))
        self._engine.apply_pause()
        return {"paused": self._engine.ledger.book.paused}

    def _resume(self, command: Command, now: float) -> Reply:
        actor = msgspec.to_builtins(command.actor)
        self._engine.ledger.note(Draft("desk.resumed", {"actor": actor, "reason": "asked"}))
        self._engine.apply_pause()
        return {"paused": "no"}

    def _scan(self, command: Command, now: float) -> Reply:
        self._engine.scan_everything()
        return {}

    def _wait(self, command: Command, now: float) -> Future[Reply]:
        promise: Future[Reply] = Future()
        key = str(command.arguments["key"])
        if key not in self._engine.ledger.tasks and (state := self._engine.ledger.final_state(key)) is not None:
            promise.set_result({"key": key, "state": state, "reason": None})
            return promise
        self._waiting.setdefault(key, []).append((promise, bool(command.arguments.get("to_the_end"))))
        return promise

    def _cancel(self, command: Command, now: float) -> Reply | Future[Reply]:
        task = self._task(command)
        reason = command.arguments.get("reason")
        if task.state is State.STARTED:
            self._engine.stop_attempt(task, command.actor, reason, force=bool(command.arguments.get("force")))
        else:
            decision = self._engine.ledger.decide(task, Cancel(command.actor, reason), now)
            if decision.refusal:
                raise UsageError("cancel", decision.refusal)
        promise: Future[Reply] = Future()
        self._waiting.setdefault(task.key, []).append((promise, True))
        return promise

    def _retry(self, command: Command, now: float) -> Reply:
        task = self._task(command)
        if task.state is State.IN_DOUBT:
            return self._answer(task, command, "approved", task.digest, now)
        if task.state in (State.PARKED, State.BLOCKED):
            return self._engine.try_again(task, now)
        raise UsageError("retry", f"the task is {task.state}", hint="only parked, blocked, in-doubt or finished tasks")

    def _approve(self, command: Command, now: float) -> Reply:
        task = self._task(command)
        return self._answer(task, command, "approved", command.arguments.get("digest"), now)

    def _reject(self, command: Command, now: float) -> Reply:
        task = self._task(command)
        return self._answer(task, command, "rejected", task.digest, now)

    def _happened(self, command: Command, now: float) -> Reply:
        task = self._task(command)
        return self._answer(task, command, "happened", command.arguments.get("digest"), now)

    def _answer(self, task: Task, command: Command, verdict: Any, digest: str | None, now: float) -> Reply:
        if task.state not in ASKING:
            raise UsageError(command.verb, f"nothing is asked: the task is {task.state}")
        reason, ledger = command.arguments.get("reason"), self._engine.ledger
        suspended = ledger.book.clock_unconfirmed
        decision = ledger.decide(task, Answer(verdict, digest or "", command.actor, reason, suspended), now)
        if decision.refusal:
            raise WaitingError(
                command.verb, decision.refusal, hint=f"read it again: deskhand task show {task.key[-6:]}"
            )
        return {"key": task.key, "state": decision.drafts[-1].type.removeprefix("task.")}

    def _bless(self, command: Command, now: float) -> Reply:
        arguments = command.arguments
        pin = msgspec.convert(arguments["recipe"], Pin)
        fields = {
            "recipe": msgspec.to_builtins(pin),
            "actor": msgspec.to_builtins(command.actor),
            "purpose": arguments["purpose"],
            "reason": arguments.get("reason"),
            "previous": arguments.get("previous"),
        }
        self._engine.bless(
            Draft("recipe.blessed", {name: value for name, value in fields.items() if value is not None})
        )
        return {"recipe": pin.id, "version": pin.version}

    def _limits(self, command: Command, now: float) -> Reply:
        """New limits of what may be spent; the file that holds them was changed already."""
        return {"looked_at": self._engine.apply_limits(msgspec.convert(command.arguments, CostLimits), now)}

    def _billed(self, command: Command, now: float) -> Reply:
        """What a provider billed for a day."""
        fields = {**command.arguments, "actor": msgspec.to_builtins(command.actor)}
        self._engine.ledger.note(Draft("cost.billed", fields))
        return {}

    def _note(self, command: Command, now: float) -> Reply:
        """A change of configuration, for the record."""
        fields = {**command.arguments, "actor": msgspec.to_builtins(command.actor)}
        self._engine.ledger.note(Draft("config.changed", fields))
        return {}

    def _checklist_run(self, command: Command, now: float) -> Reply:
        checklists = self._engine.routines.checklists
        checklists.look()
        run_id = checklists.begin(str(command.arguments["checklist"]), now, command.actor)
        return {"run_id": run_id, "note": self._engine.ledger.book.routine.runs[run_id].note}

    def _checklist_sign(self, command: Command, now: float) -> Reply:
        said, checklists = command.arguments, self._engine.routines.checklists
        checklists.look()
        answer = str(said.get("answer", "yes"))
        return checklists.sign(said.get("checklist"), str(said["step"]), command.actor, answer, said.get("reason"))

    def _checklist_bless(self, command: Command, now: float) -> Reply:
        said = command.arguments
        name = str(said["checklist"])
        self._engine.routines.checklists.bless(name, said.get("sha256"), command.actor, said.get("reason"))
        self._engine.routines.look()
        return {"checklist": name, "sha256": said.get("sha256")}

    def _health(self, command: Command, now: float) -> Future[Reply]:
        if self._look is None:
            raise HeldError(command.verb, "no daemon runs on this desk", hint="start it: deskhand run")
        return self._look.vitals()

    def _incident_open(self, command: Command, now: float) -> Reply:
        condition, said = self._engine.ledger.book.condition, command.arguments
        incident = incident_id(now, condition.opened + 1)
        fields = {"incident": incident, "severity": said["severity"], "reason": said["title"]}
        self._engine.ledger.note(Draft("incident.opened", {**fields, "actor": msgspec.to_builtins(command.actor)}))
        return msgspec.to_builtins(condition.incidents[incident])  # type: ignore[no-any-return]

    def _incident_close(self, command: Command, now: float) -> Reply:
        said = command.arguments
        known = self._engine.ledger.book.condition.incidents.get(said["incident"])
        if known is None:
            hint = "deskhand health incident list"
            raise UsageError(command.verb, f"no incident {said['incident']} is open", hint=hint)
        fields = {"incident": known.id, "severity": known.severity.value, "reason": said.get("reason")}
        self._engine.ledger.note(Draft("incident.closed", {**fields, "actor": msgspec.to_builtins(command.actor)}))
        return msgspec.to_builtins(known)  # type: ignore[no-any-return]

    def _forget(self, command: Command, now: float) -> Future[Reply]:
        return self._engine.forget(command.arguments["key"], command.actor, command.arguments.get("reason"))

    def _pack(self, command: Command, now: float) -> Future[Reply]:
        return self._engine.pack(command.arguments["before"])

    def _cleaned(self, command: Command, now: float) -> Reply:
        """What a person had removed, for the record."""
        fields = {**command.arguments, "actor": msgspec.to_builtins(command.actor)}
        self._engine.ledger.note(Draft("cleanup.done", fields))
        return {}

    def _on_record(self, kind: str) -> Callable[[Command, float], Reply]:
        """Puts what the command says on record as it is, with who says it."""

        def note(command: Command, now: float) -> Reply:
            fields = {**command.arguments, "actor": msgspec.to_builtins(command.actor)}
            self._engine.ledger.note(Draft(kind, fields))
            return {}

        return note
