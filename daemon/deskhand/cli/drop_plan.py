"""``drop --dry-run``: which recipe, why, would it ask, and where results would go.  Reads only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deskhand.cli import show
from deskhand.cli.frame import Frame
from deskhand.core import deliver_path
from deskhand.core.names import task_id
from deskhand.core.recipe import Recipe
from deskhand.core.routing import Choice, Drop, choose
from deskhand.core.rule import Facts, Verdict, must_ask
from deskhand.core.state import State
from deskhand.core.task import InputFile, Options, manifest_sha256
from deskhand.errors import ConfigError, LimitError
from deskhand.handlers.note_name import note_name
from deskhand.store.audit_read import lines as log_lines
from deskhand.store.drop_file import plain_name
from deskhand.store.files import Files
from deskhand.store.recipes import Recipes
from deskhand.store.task_files import manifest

NO_SUFFIX = "xxxxxx"
"""Stands for the random part of an id."""


class Planner:
    """Says what would become of drops, by the recipes as they are now."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._view = frame.look()
        self._recipes = Recipes(Files(), frame.desk)
        self._catalogue = self._recipes.refresh(self._view.book.pins)

    def plan(self, path: Path, options: Options) -> dict[str, Any]:
        """What would happen to the file or folder at *path*.  LimitError when it would be refused for its size."""
        files = manifest(Path(os.path.realpath(path)))
        size = sum(entry.bytes for entry in files)
        limit = self._frame.settings.intake.max_size
        if size > limit:
            cause = f"{size} bytes, more than the {limit} allowed"
            raise LimitError("deskhand drop", cause, path=path, hint="deskhand config set intake.max_size ...")
        name = plain_name(path.name)
        drop = Drop(name, "drop", None, options)
        choice = choose(drop, self._catalogue.recipes, None, unavailable=self._catalogue.unavailable)
        plan: dict[str, Any] = {
            "file": show.path(path),
            "name": name,
            "bytes": size,
            "files": len(files),
            "why": choice.why,
            "problem": choice.problem if self._view.has_log else "the desk has no log yet: deskhand run makes it",
            "params": choice.params,
            "priority": choice.priority,
            "not_before": options.not_before,
            "after": list(options.after),
        }
        return {**plan, **self._with_recipe(choice, path, files, options)}

    def _with_recipe(
        self, choice: Choice, path: Path, files: tuple[InputFile, ...], options: Options
    ) -> dict[str, Any]:
        recipe = choice.recipe
        duplicate = self._completed_before(manifest_sha256(files)) if any(entry.bytes for entry in files) else None
        if recipe is None:
            return {"recipe": None, "version": None, "asks": None, "asks_why": None, "delivers_to": None}
        verdict = self._verdict(recipe, choice, path, files, options, duplicate is not None)
        return {
            "recipe": recipe.id,
            "version": recipe.version,
            "kind": recipe.kind,
            "purpose": recipe.purpose,
            "asks": verdict.asks,
            "asks_why": verdict.why,
            "duplicate_of": duplicate,
            "delivers_to": self._delivers_to(recipe, choice, path),
        }

    @staticmethod
    def _verdict(
        recipe: Recipe, choice: Choice, path: Path, files: tuple[InputFile, ...], options: Options, duplicate: bool
    ) -> Verdict:
        facts = Facts(
            name=plain_name(path.name),
            bytes=sum(entry.bytes for entry in files),
            kind="folder" if path.is_dir() else "file",
            inbox="drop",
            files=len(files),
            duplicate=duplicate,
            params=choice.params,
        )
        return must_ask(recipe.approval, facts, strict=options.approval == "required")

    def _completed_before(self, sha256: str) -> str | None:
        """Id of the last task that completed an input with the same bytes."""
        wanted = f'"input_sha256":"{sha256}"'.encode()
        found: str | None = None
        if not self._view.has_log:
            return None
        for line in log_lines(self._frame.desk.audit):
            if wanted in line.raw and (record := line.record) is not None and record.type == "task.received":
                task = self._view.task(str(record.fields.get("task")))
                if task is not None and task.state is State.COMPLETED:
                    found = self._view.identifier(task.key)
        return found

    def _delivers_to(self, recipe: Recipe, choice: Choice, path: Path) -> str | None:
        """The path of the result, where it is known before; else the template."""
        name = plain_name(path.name)
        if recipe.deliver is None:
            return None
        if recipe.kind not in ("keep", "note"):
            return recipe.deliver
        result = note_name(name, folder=path.is_dir()) if recipe.kind == "note" else name
        now = self._frame.now
        place = deliver_path.Place(task_id(name, now, NO_SUFFIX), now, recipe.id, "drop", choice.params)
        try:
            return deliver_path.render(recipe.deliver, place, result)
        except ConfigError as error:
            return f"nowhere: {error.cause}"


def lines(plan: dict[str, Any]) -> Iterator[str]:
    """A plan for people."""
    yield f"{show.text(plan['name'])}  ({show.size(plan['bytes'])}, {plan['files']} file{'s'[: plan['files'] != 1]})"
    yield f"  recipe:     {_recipe(plan)}"
    yield f"  because:    {show.text(plan['why'])}"
    if plan["problem"]:
        yield f"  but:        {show.text(plan['problem'])}"
    if plan["recipe"] is None:
        return
    yield f"  purpose:    {show.text(plan['purpose'])}"
    for name, value in plan["params"].items():
        yield f"  parameter:  {show.text(name)} = {show.text(value)}"
    yield f"  approval:   {'asks first' if plan['asks'] else 'runs without asking'}. {show.text(plan['asks_why'])}"
    if plan["duplicate_of"]:
        yield f"  warning:    the same bytes were completed before, as {plan['duplicate_of']}"
    yield f"  results go: {show.text(plan['delivers_to'] or 'nowhere but queue/completed/')}"
    yield "nothing was changed"


def _recipe(plan: dict[str, Any]) -> str:
    if plan["recipe"] is None:
        return "none: the task would be parked"
    return f"{plan['recipe']} version {plan['version']} ({plan['kind']})"
