"""Which recipe handles a drop, and why.

The first that applies: named by the drop itself, the routing folder, a recipe's `match`, the inbox's `recipe`, and
`note` for everything else.  A drop that asks for something impossible gets no recipe but a problem that says what to
do; it never falls through to another recipe than the one that was asked for, and when two recipes claim a name
equally, neither gets it.

Only recipes that may run come in here; what is blessed and undamaged is the store's to know.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

from msgspec import Struct, field

from deskhand.core.names import visible
from deskhand.core.recipe import Pin, Recipe
from deskhand.core.settings import Inbox
from deskhand.core.shape import suggest
from deskhand.core.task import Options

DEFAULT = "note"
"""The recipe of everything that nothing else claims."""
MAX_VALUE = 4096
"""Characters of a parameter's value."""


class Drop(Struct, frozen=True):
    """What is known of a drop when its recipe is chosen."""

    name: str
    inbox: str
    route: str | None = None
    """The routing folder it was dropped in."""
    options: Options = field(default_factory=Options)


class Choice(Struct, frozen=True):
    """The answer; *recipe* and *pin* are None exactly when there is a *problem*."""

    why: str
    """A sentence for people."""
    recipe: Recipe | None = None
    pin: Pin | None = None
    params: dict[str, str] = field(default_factory=dict)
    """Effective parameters, defaults included."""
    priority: int = 0
    """Effective priority: the recipe's, or the drop's own if that is lower."""
    problem: str | None = None
    """What is wrong and what to do; the task is parked with it."""


class _Picked(NamedTuple):
    recipe: Recipe | None
    why: str
    problem: str | None = None


def pin_of(recipe: Recipe) -> Pin:
    """Exactly this version."""
    return Pin(recipe.id, recipe.version, recipe.sha256, recipe.code_sha256)


def choose(
    drop: Drop, recipes: Iterable[Recipe], inbox: Inbox | None, *, unavailable: Mapping[str, str] | None = None
) -> Choice:
    """Choose among the newest blessed versions.  *unavailable*: id -> why a recipe that exists must not run."""
    known = {recipe.id: recipe for recipe in recipes}
    picked = _pick(drop, known, inbox, unavailable or {})
    if picked.recipe is None:
        return Choice(why=picked.why, problem=picked.problem)
    recipe = picked.recipe
    problems = check_params(recipe, drop.options.params)
    if problems:
        hint = "Cancel this task and drop the file again with other parameters."
        return Choice(why=picked.why, problem=f"recipe {recipe.id}: {'; '.join(problems)}. {hint}")
    priority = recipe.priority if drop.options.priority is None else min(recipe.priority, drop.options.priority)
    return Choice(picked.why, recipe, pin_of(recipe), effective_params(recipe, drop.options.params), priority)


def effective_params(recipe: Recipe, given: Mapping[str, str]) -> dict[str, str]:
    """What the handler gets: the drop's own values, and the recipe's defaults for the others."""
    defaults = {name: spec.default for name, spec in recipe.params.items() if spec.default is not None}
    return {**defaults, **given}


def check_params(recipe: Recipe, given: Mapping[str, str]) -> list[str]:
    """What is wrong with a drop's parameters; one phrase each, values are not repeated."""
    problems = []
    for name, value in given.items():
        spec = recipe.params.get(name)
        shown = visible(name)[:60]
        if spec is None:
            problems.append(f"it has no parameter '{shown}'{suggest(name[:60], recipe.params)}")
        elif value.startswith("-"):
            problems.append(f"the value of '{shown}' starts with '-', which a program would take for an option")
        elif "\0" in value or len(value) > MAX_VALUE:
            problems.append(f"the value of '{shown}' is longer than {MAX_VALUE} characters or not text")
        elif spec.choices and value not in spec.choices:
            problems.append(f"the value of '{shown}' must be one of {', '.join(spec.choices)}")
    missing = [name for name, spec in recipe.params.items() if spec.default is None and name not in given]
    problems.extend(f"the parameter {name!r} is missing ({recipe.params[name].description})" for name in missing)
    return problems


def _pick(drop: Drop, known: Mapping[str, Recipe], inbox: Inbox | None, unavailable: Mapping[str, str]) -> _Picked:
    if drop.options.recipe is not None:
        return _named(drop.options.recipe, known, unavailable, "The drop asks for recipe", explicit=True)
    if drop.route is not None:
        return _named(drop.route, known, unavailable, "It was dropped into the folder of recipe")
    matched = _matched(drop, known.values())
    if matched is not None:
        return matched
    if inbox is not None and inbox.recipe is not None:
        return _named(inbox.recipe, known, unavailable, f"Inbox {inbox.name} sends everything to recipe")
    return _named(DEFAULT, known, unavailable, "Nothing else claims it, so it goes to recipe")


def _named(
    identifier: str, known: Mapping[str, Recipe], unavailable: Mapping[str, str], why: str, *, explicit: bool = False
) -> _Picked:
    shown = visible(identifier)[:60]
    why = f"{why} {shown}."
    recipe = known.get(identifier)
    if recipe is None:
        reason = unavailable.get(identifier)
        if reason is not None:
            text = f"recipe {shown} must not run: {reason}. Bless it again, or cancel this task."
        else:
            hint = suggest(identifier[:60], known) or "."
            text = f"there is no blessed recipe '{shown}'{hint} Bless it (deskhand recipe bless), or cancel this task."
        return _Picked(None, why, text)
    if explicit and not recipe.selectable:
        hint = "Cancel this task and drop the file without naming it."
        text = f"recipe {shown} cannot be asked for by a drop (selectable: false). {hint}"
        return _Picked(None, why, text)
    return _Picked(recipe, why)


def _matched(drop: Drop, recipes: Iterable[Recipe]) -> _Picked | None:
    """The recipe with the most specific glob; None when none matches."""
    found: list[tuple[tuple[bool, int], Recipe, str]] = []
    for recipe in recipes:
        if recipe.match.inboxes and drop.inbox not in recipe.match.inboxes:
            continue
        globs = [glob for glob in recipe.match.names if fnmatchcase(_folded(drop.name), _folded(glob))]
        if globs:
            best = max(globs, key=_weight)
            found.append(((bool(recipe.match.inboxes), _weight(best)), recipe, best))
    if not found:
        return None
    rank = max(rank for rank, _, _ in found)
    best_ones = sorted((recipe.id, recipe, glob) for r, recipe, glob in found if r == rank)
    identifier, recipe, glob = best_ones[0]
    if len(best_ones) == 1:
        return _Picked(recipe, f"Its name matches {glob!r} of recipe {identifier}.")
    ids = " and ".join(identifier for identifier, _, _ in best_ones)
    text = (
        f"the recipes {ids} claim this name equally ({', '.join(repr(glob) for _, _, glob in best_ones)}). "
        f"Cancel this task and drop the file into the folder of one of them, or make one of their globs narrower."
    )
    return _Picked(None, f"The recipes {ids} claim its name equally.", text)


def _weight(glob: str) -> int:
    """How much of a glob is not a wildcard."""
    return sum(char not in "*?[]" for char in glob)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()
