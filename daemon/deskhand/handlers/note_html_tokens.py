"""HTML cut into tags and text, in linear time for any input.

Own, because ``html.parser`` of older 3.11 releases takes quadratic time on unclosed comments, tags and quotes.  Follows
the tokenizer of the HTML standard (section 13.2.5) as far as a note needs it: a tag that never ends is dropped with
what follows, as browsers do; a comment ends at ``-->``; script and style are skipped whole.  Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape

_NAME = re.compile(r"[A-Za-z][^\s/>]{0,40}")
_ATTRIBUTE = re.compile(r"""([^\s"'<>/=]{1,60})\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
_STOPS = re.compile(r"""["'>]""")
_RAW = frozenset({"script", "style", "template", "noscript", "svg", "math", "iframe", "object"})
TAG_MAX = 64 * 1024
"""Characters of one tag in which attributes are looked for."""


@dataclass(frozen=True, slots=True)
class Text:
    """Characters, entities resolved."""

    text: str


@dataclass(frozen=True, slots=True)
class Tag:
    """A start tag or an end tag; the name in lower case."""

    name: str
    end: bool
    source: str

    def attribute(self, name: str) -> str | None:
        """The value of an attribute, entities resolved; None when it is not there."""
        for found in _ATTRIBUTE.finditer(self.source[:TAG_MAX]):
            if found[1].lower() == name:
                return unescape(next(value for value in found.groups()[1:] if value is not None))
        return None


def tokens(html: str) -> Iterator[Text | Tag]:
    """Everything that is shown and every tag, in order."""
    position = 0
    ends = _Ends(html)
    while position < len(html):
        opening = html.find("<", position)
        if opening < 0:
            yield Text(unescape(html[position:]))
            return
        if opening > position:
            yield Text(unescape(html[position:opening]))
        following = html[opening + 1 : opening + 2]
        if following == "!":
            position = ends.after_comment(opening)
        elif following == "?":
            position = ends.after(">", opening)
        elif (name := _NAME.match(html, opening + (2 if following == "/" else 1))) is not None:
            position = ends.after_tag(name.end())
            tag = Tag(name[0].lower(), following == "/", html[name.end() : position])
            if tag.name in _RAW and not tag.end:
                position = ends.after_raw(tag.name, position)
            else:
                yield tag
        else:
            yield Text("<")
            position = opening + 1


class _Ends:
    """Where things end.  A search that finds nothing ends the document or cannot be repeated: all of it is linear."""

    def __init__(self, html: str) -> None:
        self._html = html
        self._lowered: str | None = None

    def after(self, text: str, start: int) -> int:
        """The position after the next *text*; the end when there is none."""
        found = self._html.find(text, start)
        return len(self._html) if found < 0 else found + len(text)

    def after_comment(self, start: int) -> int:
        """The position after a comment or declaration that begins at *start*."""
        if not self._html.startswith("<!--", start):
            return self.after(">", start)
        if self._html.startswith((">", "->"), start + 4):
            return self.after(">", start)
        return self.after("-->", start + 4)

    def after_tag(self, start: int) -> int:
        """The position after the ``>`` that ends a tag; quotes are skipped."""
        position = start
        while (stop := _STOPS.search(self._html, position)) is not None:
            if stop[0] == ">":
                return stop.end()
            closing = self._html.find(stop[0], stop.end())
            # A quote that never closes would swallow the document: it counts as a character of its own.
            position = stop.end() if closing < 0 else closing + 1
        return len(self._html)

    def after_raw(self, name: str, start: int) -> int:
        """The position where the end tag of a skipped element begins; the end when there is none."""
        if self._lowered is None:
            # Only ASCII letters change, so positions stay the same.
            self._lowered = self._html.translate({code: code + 32 for code in range(65, 91)})
        found = self._lowered.find(f"</{name}", start)
        return len(self._html) if found < 0 else found
