"""A field of a record in a few characters, for people.  The whole of it: ``deskhand audit show --json``."""

from __future__ import annotations

from typing import Any

from deskhand.cli import show
from deskhand.cli.times import local

HASH_SHOWN = 12
LONGEST = 80
"""Characters of a value that are shown."""
_MOMENTS = frozenset({"expires", "next_at", "not_before", "before", "after"})
_HASH_DIGITS = 64


def value(name: str, raw: Any) -> str:
    """A hash shortened, a recipe as ``note@1``, a moment as local time, everything else cut to 80 characters."""
    match raw:
        case {"id": str(identifier), "version": int(version)}:
            return f"{identifier}@{version}"
        case int() | float() if name in _MOMENTS and not isinstance(raw, bool):
            return local(raw)
        case str() if len(raw) == _HASH_DIGITS and raw.isalnum():
            return raw[:HASH_SHOWN]
        case _:
            text = str(raw)
            return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def actor(fields: dict[str, Any]) -> str:
    """Who did it and by which way: ``uid 1000 by command``; a dash when the record does not say."""
    said = fields.get("actor")
    if not isinstance(said, dict):
        return "-"
    who = said.get("user") or (f"uid {said['uid']}" if said.get("uid") is not None else said.get("kind", "?"))
    return show.text(f"{who} by {said.get('via', '?')}")
