"""Drafts: written from answers, checked, and made ready for blessing.

Blessing has an order: the version's files are placed and durable first, then the caller appends ``recipe.blessed``.
A crash in between leaves a version that nobody recorded; it never runs.  The next blessing of the same bytes takes
that number over, a blessing of other bytes takes the next one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from deskhand.core import recipe_draft, recipe_file
from deskhand.core.recipe import Pin, Recipe
from deskhand.core.recipe_draft import Answers
from deskhand.errors import ConfigError, StoreError, UsageError
from deskhand.store.files import Files, FsyncError
from deskhand.store.recipe_files import MAX_CODE, RecipePaths, present, publish, sha256


@dataclass(frozen=True, slots=True)
class DraftCheck:
    """A draft and what is wrong with it; *recipe* is None exactly when there are *problems*."""

    path: Path
    data: bytes
    recipe: Recipe | None
    code: bytes | None
    problems: tuple[str, ...]
    """`<file>:<line>:<column>: <key>: <message>`, the file by its name alone."""


@dataclass(frozen=True, slots=True)
class Blessing:
    """What blessing a draft will place and record."""

    recipe: Recipe
    data: bytes
    code: bytes | None
    pin: Pin
    previous: int | None
    """The newest recorded version; None for the first."""


def check_draft(paths: RecipePaths, identifier: str) -> DraftCheck:
    """Check a draft, code file included.  UsageError when there is no such draft."""
    if not recipe_file.is_recipe_id(identifier):
        raise UsageError("checking a recipe", f"{identifier!r} is no name of a recipe", hint="use a-z, 0-9 and '-'")
    path = paths.draft(identifier)
    data = present(path)
    if data is None:
        hint = f"make it with: deskhand recipe new {identifier}"
        raise UsageError("checking a recipe", "there is no such draft", path=path, hint=hint)
    reading = recipe_file.read(data, expected_id=identifier)
    problems = [violation.at(path.name) for violation in reading.violations]
    if reading.recipe is None or reading.recipe.code is None:
        return DraftCheck(path, data, reading.recipe, None, tuple(problems))
    return _with_code(paths, path, data, reading.recipe)


def _with_code(paths: RecipePaths, path: Path, data: bytes, recipe: Recipe) -> DraftCheck:
    assert recipe.code is not None
    code = present(paths.draft_code(recipe.code), MAX_CODE)
    if code is None:
        problem = f"{path.name}: code: there is no file {recipe.code} beside the draft"
        return DraftCheck(path, data, None, None, (problem,))
    found = recipe_file.check_code(code, recipe.function)
    problems = tuple(violation.at(recipe.code) for violation in found)
    if problems:
        return DraftCheck(path, data, None, code, problems)
    reading = recipe_file.read(data, expected_id=recipe.id, code_sha256=sha256(code))
    return DraftCheck(path, data, reading.recipe, code, ())


def write_draft(files: Files, paths: RecipePaths, answers: Answers) -> Path:
    """Write a new draft (and its code file) and return its path.

    ConfigError when the answers make no recipe, UsageError when the draft exists, StoreError when the disk refuses.
    """
    text = recipe_draft.draft(answers).encode()
    reading = recipe_file.read(text, expected_id=answers.id)
    if reading.violations:
        cause = "\n".join(": ".join(part for part in (v.path, v.message) if part) for v in reading.violations)
        raise ConfigError("writing a new recipe", cause)
    path, wanted = paths.draft(answers.id), [(paths.draft(answers.id), text)]
    code = recipe_draft.code(answers)
    if code is not None:
        problems = recipe_file.check_code(code.encode(), answers.function)
        if problems:
            raise ConfigError("writing a new recipe", "; ".join(v.message for v in problems))
        wanted.insert(0, (paths.draft_code(f"{answers.id}.py"), code.encode()))
    for target, _ in wanted:
        if target.exists() or target.is_symlink():
            hint = "change that file, or choose another name"
            raise UsageError("writing a new recipe", "it exists already", path=target, hint=hint)
    try:
        files.make_folder(path.parent, mode=0o755)
        for target, data in wanted:
            files.create(target, data, mode=0o644)
        files.fsync_folder(path.parent)
    except FsyncError:
        raise
    except OSError as error:
        raise StoreError("writing a new recipe", error.strerror or str(error), path=path) from error
    return path


def prepare(paths: RecipePaths, identifier: str, recorded: Collection[Pin], damaged: Collection[Pin]) -> Blessing:
    """Check a draft and find its version.  ConfigError with every violation; UsageError when nothing changed."""
    check = check_draft(paths, identifier)
    if check.recipe is None:
        hint = f"correct it, then: deskhand recipe check {identifier}"
        raise ConfigError("blessing a recipe", "\n".join(check.problems), path=check.path, hint=hint)
    own = [pin for pin in recorded if pin.id == identifier]
    newest = max(own, key=lambda pin: pin.version, default=None)
    hashes = check.recipe.sha256, check.recipe.code_sha256
    if newest is not None and newest not in damaged and (newest.sha256, newest.code_sha256) == hashes:
        cause = f"the draft is exactly what was blessed as version {newest.version}"
        raise UsageError("blessing a recipe", cause, path=check.path, hint="change the draft first")
    version = _free_version(paths, identifier, newest.version if newest else 0, check)
    reading = recipe_file.read(check.data, expected_id=identifier, version=version, code_sha256=hashes[1])
    assert reading.recipe is not None
    pin = Pin(identifier, version, *hashes)
    return Blessing(reading.recipe, check.data, check.code, pin, newest.version if newest else None)


def _free_version(paths: RecipePaths, identifier: str, recorded: int, check: DraftCheck) -> int:
    """The first number after the recorded ones under which nothing, or only these very bytes, stands."""
    last = max([*paths.versions(identifier), recorded])
    for version in range(recorded + 1, last + 1):
        text = present(paths.version(identifier, version))
        code = present(paths.code(identifier, version), MAX_CODE)
        if text in (None, check.data) and code in (None, check.code):
            return version
    return last + 1


def place(files: Files, paths: RecipePaths, blessing: Blessing) -> None:
    """Put the version's files in place, durable; doing it again changes nothing.  StoreError when that fails."""
    pin = blessing.pin
    if blessing.code is not None:
        publish(files, paths.code(pin.id, pin.version), blessing.code)
    publish(files, paths.version(pin.id, pin.version), blessing.data)
