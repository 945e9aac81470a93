"""The recipes of a desk, as the log and the files say, for the verbs that read them."""

from __future__ import annotations

from deskhand.cli.frame import Frame
from deskhand.core.recipe import Pin
from deskhand.core.shape import suggest
from deskhand.errors import UsageError
from deskhand.store.files import Files
from deskhand.store.recipes import Recipes


def recipes(frame: Frame) -> Recipes:
    """The recipes, their catalogue read."""
    found = Recipes(Files(), frame.desk)
    found.refresh(frame.look().book.pins)
    return found


def newest(found: Recipes) -> dict[str, Pin]:
    """Id -> its newest blessed version."""
    return {pin.id: pin for pin in sorted(found.current.pins)}


def pin_named(found: Recipes, text: str) -> Pin:
    """``note`` (its newest version) or ``note@1`` (``note@v0001``).  UsageError when there is no such version."""
    identifier, _, version = text.partition("@")
    own = {pin.version: pin for pin in found.current.pins if pin.id == identifier}
    if not own:
        known = newest(found)
        raise UsageError(
            "finding a recipe",
            f"there is no blessed recipe {identifier!r}{suggest(identifier, known)}",
            hint="deskhand recipe list",
        )
    if not version:
        return own[max(own)]
    digits = version.removeprefix("v")
    pin = own.get(int(digits)) if digits.isascii() and digits.isdecimal() else None
    if pin is None:
        versions = ", ".join(map(str, sorted(own)))
        raise UsageError("finding a recipe", f"{identifier} has no version {version!r}", hint=f"there are: {versions}")
    return pin
