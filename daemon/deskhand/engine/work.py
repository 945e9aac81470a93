"""What an attempt of each kind consists of: prepare, perhaps a process, finish.

Runs on the pool's threads, what is small on the deciding thread.  The input is verified against the log before anything
else happens; results are durable before the attempt is reported.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal, assert_never

from msgspec import Struct
from msgspec.structs import replace

from deskhand.core import money
from deskhand.core.clock import Clock
from deskhand.core.event import Usage
from deskhand.core.money import Cost
from deskhand.core.recipe import Pin, Recipe
from deskhand.core.settings import Run
from deskhand.core.task import Task, TaskFile, commitment, manifest_sha256
from deskhand.engine.asking import place_of
from deskhand.engine.outcome import Finished, Handed
from deskhand.engine.verdict import usage_of, verdict
from deskhand.errors import DeskhandError, IntegrityError, RunError, StoreError, nameless
from deskhand.handlers import note
from deskhand.handlers.attempt import COST_VARIABLE, Attempt, Ended, Reason, environment
from deskhand.handlers.command import command_line, parameters
from deskhand.handlers.python import python_line, write_parameters
from deskhand.store import task_files
from deskhand.store.attempts import AttemptFolder, Attempts
from deskhand.store.deliver import Result, deliver, results_in
from deskhand.store.desk import Desk
from deskhand.store.files import TROUBLE, Files, FsyncError
from deskhand.store.recipes import Recipes

LISTED = 50
"""Results that the log lists one by one; more are committed to by one hash of all: a line has room for 16 KiB."""
SMALL = 256 * 1024
"""Bytes of an input that is looked at, or copied, without a thread."""
SMALL_TASK = 64 * 1024
"""Bytes of a task file that is read without a thread; those of dropped folders list every file."""
SMALL_OUTPUT = 64 * 1024
"""Bytes of output that are put into a task's log without a thread."""
LOG_TAIL = 4096
"""Bytes of a child's output that are looked at for a reason."""


class Job(Struct, frozen=True):
    """A task and the id its files carry."""

    task: Task
    identifier: str

    @property
    def attempt_key(self) -> str:
        """Name of the attempt."""
        return f"{self.task.key}-{self.task.attempt}"


class _Begun(Struct):
    """An attempt that was prepared."""

    recipe: Recipe
    task_file: TaskFile
    folder: AttemptFolder | None
    note: tuple[note.NoteRequest, note.Plan] | None = None

    @property
    def small(self) -> bool:
        """Whether the input is one file that is read and copied in a moment."""
        if self.recipe.cost is not None:
            return False
        return self.recipe.kind != "note" and self.task_file.kind == "file" and self.task_file.input_bytes <= SMALL


class Work:
    """Prepares, finishes and delivers; every method may be called from any thread."""

    def __init__(
        self,
        files: Files,
        desk: Desk,
        recipes: Recipes,
        attempts: Attempts,
        settings: Run,
        clock: Clock,
        currency: str,
    ) -> None:
        """*currency*: the desk's, in which handlers say what their runs cost."""
        self._files = files
        self._desk = desk
        self._recipes = recipes
        self._attempts = attempts
        self._settings = settings
        self._clock = clock
        self._currency = currency
        self._begun: dict[str, _Begun] = {}
        self._environment = {name: os.environ[name] for name in settings.environment if name in os.environ}

    def look(self, job: Job) -> bool:
        """Read what the attempt is about; whether it is so small that preparing it takes less than handing it over.

        For the deciding thread, in the tick that chose the task.
        """
        recipe = self._recipe(job.task, self._recipes.glance)
        path = self._task_path(job)
        if recipe.kind == "note" or os.stat(path).st_size > SMALL_TASK:
            return False
        begun = self._begun[job.attempt_key] = _Begun(recipe, task_files.read(path, job.task.task_sha256), None)
        return begun.small

    def keep(self, task: Task, task_file: TaskFile, payload: Path) -> Finished | None:
        """The whole attempt, when its recipe only keeps the input and that is a small file; None otherwise."""
        if task.pin is None or not self._recipes.is_inline(task.pin.id):
            return None
        if task_file.kind != "file" or task_file.input_bytes > SMALL:
            return None
        try:
            _require_input(task, payload, task_file.kind)
        except IntegrityError as error:
            return Finished(task.key, task.attempt, "damaged", error.nameless)
        except OSError as error:
            return Finished(task.key, task.attempt, "unready", nameless(error))
        return Finished(task.key, task.attempt, "ok", None, Usage(), results=(task.input_sha256,))

    def begin(self, job: Job) -> Attempt | None:
        """Verify and copy the input; the process to run, or None when there is none."""
        begun = self._begun.get(job.attempt_key)
        if begun is None:
            task_file = task_files.read(self._task_path(job), job.task.task_sha256)
            begun = self._begun[job.attempt_key] = _Begun(self._recipe(job.task), task_file, None)
        task_file = begun.task_file
        payload = f"{self._desk.folder(job.task.folder)}/{task_file.input}"
        if begun.recipe.kind == "keep":
            _require_input(job.task, Path(payload), task_file.kind)
            return None
        begun.folder = self._attempts.prepare(job.attempt_key, payload, task_file.name, job.task.input_sha256)
        return self._attempt(job, begun, begun.folder)

    def _task_path(self, job: Job) -> str:
        return f"{self._desk.folder(job.task.folder)}/{job.identifier}.task.json"

    def _recipe(self, task: Task, proved: Callable[[Pin], Recipe] | None = None) -> Recipe:
        if task.pin is None:
            raise IntegrityError("preparing a run", "the task has no recipe")
        return (proved or self._recipes.get)(task.pin)

    def _attempt(self, job: Job, begun: _Begun, folder: AttemptFolder) -> Attempt | None:
        recipe, task_file = begun.recipe, begun.task_file
        timeout = recipe.timeout or self._settings.timeout
        limits = recipe.limits
        extra = dict(recipe.env)
        if recipe.cost is not None:
            extra[COST_VARIABLE] = folder.cost
        match recipe.kind:
            case "command":
                argv = command_line(recipe, task_file, input=folder.input, output_dir=folder.out)
            case "python":
                argv = self._python(recipe, job.task, task_file, folder)
            case "note":
                request = self._note_request(job.task, task_file, folder)
                plan = note.plan(request)
                begun.note = (request, plan)
                if plan.child_argv is None:
                    return None
                argv, limits, timeout = plan.child_argv, note.EXTRACT_LIMITS, note.EXTRACT_TIMEOUT
                extra |= note.EXTRACT_ENVIRONMENT
            case "keep":
                return None
            case _:
                assert_never(recipe.kind)
        return Attempt(
            key=job.attempt_key,
            argv=argv,
            env=environment(
                self._environment, self._settings.environment, extra, task_id=task_file.id, idempotency_key=job.task.key
            ),
            cwd=folder.root,
            log=folder.log,
            timeout=timeout,
            output_cap=self._settings.output_cap if recipe.output_cap is None else recipe.output_cap,
            limits=limits,
        )

    def _python(self, recipe: Recipe, task: Task, task_file: TaskFile, folder: AttemptFolder) -> tuple[str, ...]:
        values = write_parameters(Path(folder.root), parameters(recipe, task_file.options.params))
        pin = task.pin
        if pin is None:
            raise IntegrityError("preparing a run", "the task has no recipe")
        code = self._recipes.code_path(pin)
        return python_line(recipe, code, input=folder.input, output_dir=folder.out, parameters=values)

    @staticmethod
    def _note_request(task: Task, task_file: TaskFile, folder: AttemptFolder) -> note.NoteRequest:
        twin = task.duplicate_of
        return note.NoteRequest(
            input=Path(folder.input),
            name=task_file.name,
            task_id=task_file.id,
            received=task_file.received,
            sha256=task.input_sha256,
            bytes=task_file.input_bytes,
            output_dir=Path(folder.out),
            warning=None if twin is None else f"The same bytes were completed before, as {twin}.",
        )

    def finish_small(self, job: Job, ended: Ended) -> Finished | None:
        """The report of an attempt that left nothing but a short log; None = :meth:`finish` has to look at it.

        Nothing is synced: a log may be lost, and results are never in what this takes care of.
        """
        begun = self._begun[job.attempt_key]
        folder = begun.folder
        if folder is None or not begun.small or ended.output_bytes > SMALL_OUTPUT:
            return None
        result, reason = verdict(ended, begun.recipe)
        names: tuple[str, ...] = ()
        if ended.output_bytes:
            try:
                names = self._attempts.publish_log(folder, job.identifier, job.task.attempt, self._clock.wall())
            except (OSError, StoreError):
                return None
        if not self._attempts.discard_bare(folder, job.identifier):
            return None
        del self._begun[job.attempt_key]
        return Finished(job.task.key, job.task.attempt, result, reason, usage_of(ended), names=names)

    def finish(self, job: Job, ended: Ended | None) -> Finished:
        """Publish what an attempt left, durably; *ended* is how its process ended, if there was one.

        After an OSError (the disk has trouble) it can be called again: the run is over, only its results have no place
        yet.  Results that can never be kept as they are make a run that went well a failed one.
        """
        begun = self._begun[job.attempt_key]
        folder = begun.folder
        result, reason = verdict(ended, begun.recipe)
        read = ended is None or ended.cut in (None, "timeout")
        if begun.note is not None and read:
            request, plan = begun.note
            problem = None if ended is None else _child_problem(ended, request)
            note.finish(request, plan, problem)
            begun.note = None
        if read and begun.recipe.kind == "note":
            result, reason = "ok", None
        names: list[str] = []
        results: tuple[str, ...] = ()
        try:
            results = self._keep(job, begun, names, good=result == "ok")
        except (OSError, StoreError, IntegrityError) as error:
            if isinstance(error, OSError) and (isinstance(error, FsyncError) or error.errno in TROUBLE):
                raise
            if result == "ok":
                result, reason = "failed", f"its results cannot be kept: {_cause(error)}"
        usage = replace(usage_of(ended), cost=self._cost(begun))
        if folder is not None:
            self._attempts.discard(folder)
        del self._begun[job.attempt_key]
        return Finished(job.task.key, job.task.attempt, result, reason, usage, results=results, names=tuple(names))

    def _cost(self, begun: _Begun) -> Cost | None:
        """What the attempt cost, as its handler says; what was reserved when it does not say."""
        price = begun.recipe.cost
        if price is None or begun.folder is None:
            return None
        return money.said(self._attempts.cost_said(begun.folder, money.FILE_MAX), price, self._currency)

    def _keep(self, job: Job, begun: _Begun, names: list[str], *, good: bool) -> tuple[str, ...]:
        """Publish the log, and what a *good* attempt made; their *names* beside the task, and hashes of the results."""
        if begun.folder is not None:
            names += self._attempts.publish_log(begun.folder, job.identifier, job.task.attempt, self._clock.wall())
            if good:
                names += self._attempts.publish_results(begun.folder, job.identifier)
        return self._hashes(job, begun) if good else ()

    def _hashes(self, job: Job, begun: _Begun) -> tuple[str, ...]:
        if begun.recipe.kind == "keep":
            return (job.task.input_sha256,)
        out = self._desk.folder("pending") / f"{job.identifier}.out"
        results = results_in(out)
        if len(results) > LISTED:
            return (manifest_sha256(task_files.manifest(out)),)
        return tuple(manifest_sha256(task_files.manifest(result.path)) for result in results)

    def broken(self, job: Job, error: BaseException) -> Finished:
        """The report of an attempt that could not be begun."""
        begun = self._begun.pop(job.attempt_key, None)
        if begun is not None and begun.folder is not None:
            self._attempts.discard(begun.folder)
        else:
            with suppress(OSError):  # half prepared; what is left is removed at the next start
                self._files.remove_tree(self._desk.work / job.attempt_key)
        match error:
            case IntegrityError():
                return Finished(job.task.key, job.task.attempt, "damaged", error.nameless)
            case OSError() | RunError():
                return Finished(job.task.key, job.task.attempt, "unready", nameless(error))
            case DeskhandError():
                return Finished(job.task.key, job.task.attempt, "failed", nameless(error))
            case _:
                return Finished(job.task.key, job.task.attempt, "failed", f"a defect: {nameless(error)}")

    def not_started(self, job: Job, reason: Reason) -> Finished:
        """The report of an attempt that was stopped before its process began."""
        begun = self._begun.pop(job.attempt_key)
        if begun.folder is not None:
            self._attempts.discard(begun.folder)
        result: Literal["cancelled", "drained"] = "cancelled" if reason == "cancel" else "drained"
        return Finished(job.task.key, job.task.attempt, result, "stopped before it began")

    def deliver(self, job: Job) -> Handed:
        """Put the results of a completed task where its recipe wants them."""
        task = job.task
        recipe = self._recipe(task)
        task_file = task_files.read(self._task_path(job), task.task_sha256)
        if recipe.kind == "keep":
            payload = self._desk.folder(task.folder) / task_file.input
            results: tuple[Result, ...] = (Result(payload, task_file.original_name, task.input_sha256),)
        else:
            results = _on_record(self._desk.folder(task.folder) / f"{job.identifier}.out", task.results)
        delivered = deliver(self._files, self._desk, results, recipe.deliver or "", place_of(recipe, task_file))
        targets = tuple(
            {"path_commit": commitment(task_file.salt, str(entry.target)), "sha256": entry.sha256}
            for entry in delivered
        )
        if len(targets) > LISTED:
            every = "".join(f"{target['path_commit']} {target['sha256']}\n" for target in targets)
            targets = ({"count": str(len(targets)), "sha256": hashlib.sha256(every.encode()).hexdigest()},)
        return Handed(task.key, targets)


def _require_input(task: Task, payload: Path, kind: Literal["file", "folder"]) -> None:
    """IntegrityError when the input is not the one on record any more."""
    if manifest_sha256(task_files.manifest(payload, kind)) != task.input_sha256:
        raise IntegrityError("reading the input", "it is not what was recorded", path=payload)


def _on_record(out: Path, recorded: tuple[str, ...] | None) -> tuple[Result, ...]:
    """What is in *out*, each with its hash on record; IntegrityError when it cannot be what was recorded."""
    found = results_in(out)
    if recorded is None:
        return found
    if len(found) > LISTED and len(recorded) == 1:
        if manifest_sha256(task_files.manifest(out)) == recorded[0]:
            return found
    elif len(found) == len(recorded):
        return tuple(Result(entry.path, entry.name, sha256) for entry, sha256 in zip(found, recorded, strict=True))
    raise IntegrityError("delivering", "the results are not what was recorded", path=out)


def _cause(error: Exception) -> str:
    """Why, without where: reasons go on record, and paths can be personal."""
    if isinstance(error, DeskhandError):
        return error.cause
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _child_problem(ended: Ended, request: note.NoteRequest) -> str | None:
    log = request.output_dir.parent / "log"
    said = log.read_bytes()[-LOG_TAIL:].decode("utf-8", "replace") if log.exists() else ""
    return note.child_problem(ended.exit, ended.signal, ended.cut, ended.error or said)
