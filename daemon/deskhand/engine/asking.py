"""Preparing a question: render it, keep it durably, and give the core its digest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from deskhand.core.deliver_path import Place
from deskhand.core.deliver_path import render as render_path
from deskhand.core.event import Ask
from deskhand.core.recipe import Recipe
from deskhand.core.request import render, render_doubt
from deskhand.core.task import InputFile, Task, TaskFile, manifest_sha256
from deskhand.handlers.command import command_line, parameters
from deskhand.store.requests import Requests


class Asking:
    """Turns a reason to ask into an ``Ask``; the request is durable when it returns."""

    def __init__(self, requests: Requests, expires_after: float) -> None:
        self._requests = requests
        self._expires_after = expires_after

    def approval(
        self,
        task_file: TaskFile,
        recipe: Recipe,
        why: str,
        now: float,
        *,
        revision: int = 1,
        files: Sequence[InputFile] | None = None,
        warnings: Sequence[str] = (),
        difference: Sequence[str] = (),
    ) -> Ask:
        """Ask whether *recipe* may run; *files* are the inputs as they are now, if they changed."""
        shown = tuple(task_file.files if files is None else files)
        expires = now + self._expires_after
        data = render(
            task_file,
            recipe,
            files=shown,
            command=shown_command(recipe, task_file),
            parameters=parameters(recipe, task_file.options.params),
            goes_to=destination(recipe, task_file),
            why=why,
            revision=revision,
            asked=now,
            expires=expires,
            warnings=warnings,
            difference=difference,
        )
        digest = self._requests.prepare(task_file.id, data, again=revision > 1)
        return Ask(digest, revision, expires, why, manifest_sha256(shown))

    def doubt(self, task: Task, task_file: TaskFile, recipe: Recipe | None, why: str, now: float) -> Ask:
        """Ask what became of a run that was cut off."""
        revision = task.revision + 1
        data = render_doubt(
            task_file, recipe, files=task_file.files, attempt=task.attempt, why=why, revision=revision, asked=now
        )
        digest = self._requests.prepare(task_file.id, data, again=revision > 1)
        return Ask(digest, revision, None, why, task.input_sha256)


def shown_command(recipe: Recipe, task_file: TaskFile) -> list[str]:
    """What will be executed, for a person's eyes: parameters filled in, files by the names people know."""
    if recipe.kind == "python":
        return ["python", recipe.code or "", recipe.function]
    if recipe.kind != "command":
        return []
    return list(command_line(recipe, task_file, input=Path(task_file.name), output_dir=Path("results")))


def destination(recipe: Recipe, task_file: TaskFile) -> str | None:
    """Where results will go: the path where their name is known beforehand, else the recipe's template."""
    if recipe.deliver is None or recipe.kind != "keep":
        return recipe.deliver
    return render_path(recipe.deliver, place_of(recipe, task_file), task_file.name)


def place_of(recipe: Recipe, task_file: TaskFile) -> Place:
    """What a `deliver:` template can speak of."""
    return Place(
        id=task_file.id,
        received=task_file.received,
        recipe=recipe.id,
        inbox=task_file.dropped_in,
        params=parameters(recipe, task_file.options.params),
    )
