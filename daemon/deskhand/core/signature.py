"""What failures have in common: the recipe and the reason, without what differs from one to the next."""

from __future__ import annotations

import hashlib
import re

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`")
_PATH = re.compile(r"(?:/[^\s/:]+)+/?")
_NUMBER = re.compile(r"\b(?:0x)?[0-9a-f]*\d[0-9a-f]*\b", re.IGNORECASE)


def general(reason: str) -> str:
    """A reason without names, paths and numbers: what is left is the kind of failure."""
    text = _QUOTED.sub("'…'", reason)
    text = _PATH.sub("…", text)
    text = _NUMBER.sub("#", text)
    return " ".join(text.split()).lower()


def signature(recipe: str | None, reason: str | None) -> str:
    """Eight hex digits: the same for failures of one recipe with one kind of reason."""
    return hashlib.sha256(f"{recipe or ''}\n{general(reason or '')}".encode()).hexdigest()[:8]
