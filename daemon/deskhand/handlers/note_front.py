"""The front matter that a dropped Markdown file brings along: kept as it is, or shown, never lost.

Its lines are copied, not written again, so comments, quoting and order stay.  That is done when they are one plain
block of properties by the strict rules of ``core.strict_yaml`` (no key twice, no anchors, aliases or tags).  Anything
else is shown as a fenced block in the text with the reason, because one wrong line would hide every property of the
note.  Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from deskhand.core import strict_yaml

CHARACTERS_MAX = 64 * 1024
_CLOSING = re.compile(r"^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.MULTILINE)
_OTHER_BREAKS = re.compile("[\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Front:
    """A Markdown text taken apart."""

    body: str
    """Everything after the front matter."""
    lines: str = ""
    """Its own property lines; empty when there are none or they cannot be kept as properties."""
    keys: frozenset[str] = frozenset()
    refused: str | None = None
    """Why there is front matter that cannot be kept as properties."""
    shown: str = ""
    """That front matter."""


def split(text: str) -> Front:
    """Take *text* (line ends LF) apart.  A ``---`` line that is not closed within 64 KiB is a ruler."""
    first, _, rest = text[: CHARACTERS_MAX + 4].partition("\n")
    if first.rstrip() != "---":
        return Front(text)
    closing = _CLOSING.search(rest)
    if closing is None:
        return Front(text)
    block = rest[: closing.start()]
    body = text[len(first) + 1 + closing.end() :]
    keys, reason = _keys(block)
    if reason is not None:
        return Front(body, refused=reason, shown=block)
    return Front(body, block if keys else "", keys)


def _keys(block: str) -> tuple[frozenset[str], str | None]:
    """The top-level keys of *block*, and the reason why it cannot be kept as properties."""
    if _OTHER_BREAKS.search(block):
        return frozenset(), "it contains line breaks that only some programs see"
    document = strict_yaml.read(block.encode())
    if document.violations:
        # The block begins on line 2 of the file.
        found = document.violations[0]
        return frozenset(), f"line {found.line + 1}: {': '.join(part for part in (found.path, found.message) if part)}"
    match document.root:
        case strict_yaml.Mapping(entries=entries, flow=False, span=span) if span.column == 1:
            return frozenset(entry.key.text for entry in entries), None
        case strict_yaml.Scalar(text="", style=""):
            return frozenset(), None
        case _:
            return frozenset(), "it is not a list of `key: value` lines"
