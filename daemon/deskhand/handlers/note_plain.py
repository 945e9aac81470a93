"""Plain text and Markdown as a note.

Plain text stands in a fenced block, exactly as it was written: nothing in it becomes a heading, a link or a command of
some plugin.  Markdown is the drop's own words and stays as it is, front matter included.  Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from deskhand.handlers import note_front
from deskhand.handlers.note_markdown import fence
from deskhand.handlers.note_page import Page, Value
from deskhand.handlers.text_intake import Confidence, Decoded

PREVIEW_LINES = 200
PREVIEW_CHARACTERS = 64 * 1024


def convert_text(text: str) -> Page:
    """The text in a fenced block."""
    return Page(fence(text)) if text.strip() else Page("", remarks=("There is nothing but blanks inside.",))


def convert_markdown(text: str) -> Page:
    """The text as it is; its own properties beside ours."""
    front = note_front.split(text)
    if front.refused is None:
        return Page(front.body, own_properties=front.lines, own_keys=front.keys)
    remark = f"The front matter of this file is not plain properties and is shown as text: {front.refused}."
    return Page(f"{fence(front.shown, 'yaml')}\n{front.body}", remarks=(remark,))


def preview(text: str, limit: str) -> Page:
    """The first lines of a text that is too long for a note."""
    shown = "".join(text[:PREVIEW_CHARACTERS].splitlines(keepends=True)[:PREVIEW_LINES])
    remark = f"This file is larger than {limit}; only its beginning is shown. The task keeps all of it."
    return Page(fence(shown), remarks=(remark,), conversion="shortened")


def properties(decoded: Decoded) -> Mapping[str, Value]:
    """How the text was written."""
    return {
        "encoding": decoded.encoding,
        "encoding_confidence": str(decoded.confidence),
        "bom": decoded.bom,
        "newlines": decoded.newlines,
    }


def with_doubts(page: Page, decoded: Decoded) -> Page:
    """*page*, saying so when its letters may be wrong."""
    match decoded.confidence:
        case Confidence.GUESS:
            doubt = f"The encoding of this file is a guess ({decoded.encoding}): some letters may be wrong."
        case Confidence.DAMAGED:
            places = "place" if decoded.unreadable == 1 else "places"
            doubt = f"{decoded.unreadable} {places} in this file cannot be read as {decoded.encoding}; each shows as �."
        case _:
            return page
    return replace(page, remarks=(*page.remarks, doubt))
