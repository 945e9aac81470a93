"""The request file: what a person reads before saying yes.

Its bytes are what is approved: the SHA-256 of the file is in the audit log before anybody can answer.  So everything
the answer covers stands in it: the inputs' hashes, the recipe's version and code, parameters and the text shown.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from deskhand.core.recipe import Recipe
from deskhand.core.record import timestamp
from deskhand.core.task import InputFile, TaskFile, manifest_sha256

SHOWN_FILES = 50
MAX_REQUEST = 256 * 1024
"""Bytes of a request file that is read back; longer ones are not ours."""


def render(
    task: TaskFile,
    recipe: Recipe,
    *,
    files: Sequence[InputFile],
    command: Sequence[str],
    parameters: Mapping[str, str],
    goes_to: str | None,
    why: str,
    revision: int,
    asked: float,
    expires: float,
    warnings: Sequence[str] = (),
    difference: Sequence[str] = (),
) -> bytes:
    """The request for running *task* with *recipe* on *files* (as they are now); *parameters* include defaults."""
    delivery = f" The result goes to {goes_to}." if goes_to else ""
    body: dict[str, Any] = {
        "what": "deskhand asks for your approval",
        "question": f"Run {recipe.id} on {task.name}?",
        "what_will_happen": f"{recipe.purpose}{delivery}",
        "why_it_asks": why,
        **({"warnings": list(warnings)} if warnings else {}),
        **({"your_edit_was_not_taken": list(difference)} if difference else {}),
        "yes": f"rename this file to {task.id}.json.approved   (or: deskhand approve {task.id[-6:]})",
        "no": f"rename this file to {task.id}.json.rejected   (or: deskhand reject {task.id[-6:]} --reason ...)",
        **({"command": list(command)} if command else {}),
        "delivers_to": goes_to,
        "safety": recipe.safety,
        "attempts": recipe.retry.attempts,
        **({} if recipe.cost is None else {"each_may_cost": recipe.cost.reserve, "for": recipe.cost.category}),
        "parameters": dict(parameters),
        **_common(task, files, revision, asked),
        "recipe": {"id": recipe.id, "version": recipe.version, "sha256": recipe.sha256, "code": recipe.code_sha256},
        "expires": timestamp(expires),
    }
    return _pretty(body)


def render_doubt(
    task: TaskFile,
    recipe: Recipe | None,
    *,
    files: Sequence[InputFile],
    attempt: int,
    why: str,
    revision: int,
    asked: float,
) -> bytes:
    """The question about a run that was cut off and must not be repeated blindly."""
    short = task.id[-6:]
    which = recipe.id if recipe else "a recipe"
    body: dict[str, Any] = {
        "what": "deskhand does not know whether this happened",
        "question": f"Attempt {attempt} of {which} on {task.name} was cut off. Did it do its work?",
        "why_it_asks": why,
        "run_it_again": f"rename this file to {task.id}.json.approved   (or: deskhand task retry {short})",
        "it_happened": f"rename this file to {task.id}.json.happened   (or: deskhand approve {short} --happened)",
        "give_it_up": f"rename this file to {task.id}.json.rejected   (or: deskhand reject {short} --reason ...)",
        "parameters": dict(task.options.params),
        **_common(task, files, revision, asked),
        "recipe": None
        if recipe is None
        else {"id": recipe.id, "version": recipe.version, "sha256": recipe.sha256, "code": recipe.code_sha256},
    }
    return _pretty(body)


def difference(asked: bytes, edited: bytes) -> list[str]:
    """The lines that an edit changed, as a unified diff without its header; at most 40 lines of 200 characters."""
    before, after = (text.decode("utf-8", "replace").splitlines() for text in (asked, edited))
    lines = [line[:200] for line in difflib.unified_diff(before, after, n=0, lineterm="")][2:]
    return lines[:40] or ["(the same lines, other bytes)"]


def _common(task: TaskFile, files: Sequence[InputFile], revision: int, asked: float) -> dict[str, Any]:
    shown = [{"name": entry.path or task.name, "sha256": entry.sha256, "bytes": entry.bytes} for entry in files]
    more = len(shown) - SHOWN_FILES
    return {
        "files": shown[:SHOWN_FILES],
        **({"more_files": more} if more > 0 else {}),
        "input_sha256": manifest_sha256(tuple(files)),
        "id": task.id,
        "revision": revision,
        "asked": timestamp(asked),
    }


def _pretty(body: dict[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(body), indent=2) + b"\n"
