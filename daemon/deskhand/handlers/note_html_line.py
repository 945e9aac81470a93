"""The text of one block of HTML in the making: emphasis and links around it, always closed, always on one line."""

from __future__ import annotations

import re

from deskhand.handlers.note_html_tokens import Tag
from deskhand.handlers.note_markdown import escape_piece

_EMPHASIS = {"b": "**", "strong": "**", "i": "*", "em": "*"}
_SAFE_LINK = re.compile(r"(?:https?://|mailto:)[^\s<>\x00-\x20]+\Z", re.IGNORECASE)
_OPEN_MAX = 8
"""Emphasis inside emphasis beyond this is left out; it keeps the work per character bounded."""


class Line:
    """Collects escaped text; ``take`` gives it away and starts anew."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._open: list[tuple[str, int]] = []
        """Emphasis: its mark, and the part it begins with."""
        self._link: tuple[str, int] | None = None

    def add(self, text: str) -> None:
        """Add escaped text."""
        self._parts.append(text)

    def tag(self, tag: Tag) -> bool:
        """Take a tag that stands inside a line; False when it is none of these."""
        if tag.name in _EMPHASIS:
            self._emphasis(_EMPHASIS[tag.name], end=tag.end)
        elif tag.name == "a":
            self._anchor(tag)
        elif tag.name == "img":
            self._parts.append(escape_piece(tag.attribute("alt") or ""))
        else:
            return False
        return True

    def take(self) -> str:
        """What was collected, without blanks and line breaks around it."""
        self._open.clear()
        self._end_link()
        text = "".join(self._parts)
        self._parts.clear()
        lines = [line.strip() for line in text.split("\\\n")]
        while lines and not lines[0]:
            lines.pop(0)
        while lines and not lines[-1]:
            lines.pop()
        return "\\\n".join(lines)

    def _emphasis(self, mark: str, *, end: bool) -> None:
        if not end:
            if len(self._open) < _OPEN_MAX:
                self._open.append((mark, len(self._parts)))
            return
        for place in range(len(self._open) - 1, -1, -1):
            found, start = self._open[place]
            if found == mark:
                del self._open[place:]
                self._wrap(start, mark, mark)
                return

    def _anchor(self, tag: Tag) -> None:
        self._end_link()
        href = "" if tag.end else (tag.attribute("href") or "").strip()
        if _SAFE_LINK.match(href):
            self._link = (href, len(self._parts))

    def _end_link(self) -> None:
        if self._link is not None:
            target, start = self._link
            self._link = None
            self._wrap(start, "[", f"](<{target}>)")

    def _wrap(self, start: int, before: str, after: str) -> None:
        """Put marks around everything from part *start* on; not around nothing, and not over a line break."""
        inner = "".join(self._parts[start:])
        bare = inner.strip()
        if not bare or "\n" in inner:
            return
        lead = inner[: len(inner) - len(inner.lstrip())]
        tail = inner[len(inner.rstrip()) :]
        self._parts[start:] = [f"{lead}{before}{bare}{after}{tail}"]
