"""Markdown that says exactly what a foreign text says and does nothing else.

Rules: text from a drop never opens a fence, a link, a tag, a table cell or a plugin's code block of its own; a fence is
always longer than any row of backticks inside it.  Linear in the size of the text.  Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_INLINE = re.compile(
    r"[\\`*\[\]<#|$~]|(?<![^\W_])_|_(?![^\W_])|%%+|==+|\^(?=[\w-]+[ \t]*$)|&(?=#?\w{1,40};)", re.MULTILINE
)
_PIECE = re.compile(rf"{_INLINE.pattern}|\A[%=]|[%=]\Z", re.MULTILINE)
_LINE_START = re.compile(r"^([ \t]*)(?:([-+>=])|(\d{1,9})([.)])(?=\s|\Z))", re.MULTILINE)
_TICKS = re.compile(r"`+")
_ACTIVE = re.compile(r"\\[\s\S]|[`$]|<(?!br ?/?>)|~~~|!\[|\[\[|%%|\]\((?!<?(?:https?://|mailto:))|\]:", re.IGNORECASE)
CELL_MAX = 500


def escape(text: str) -> str:
    """*text* for use as a paragraph or the beginning of one: every character stands for itself."""
    return _at_line_starts(_backslashed_in(_INLINE, text))


def escape_piece(text: str) -> str:
    """Like :func:`escape`, for a piece of a line: marks of two characters do not arise where pieces meet either."""
    return _at_line_starts(_backslashed_in(_PIECE, text))


def code(text: str) -> str:
    """*text* on one line as inline code."""
    flat = " ".join(text.split())
    ticks = "`" * (_longest(flat) + 1)
    if not flat:
        return "` `"
    pad = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{ticks}{pad}{flat}{pad}{ticks}"


def fence(text: str, info: str = "text") -> str:
    """*text* as a fenced block, with a fence that it cannot close; ends with LF."""
    ticks = "`" * max(3, _longest(text) + 1)
    body = text if text.endswith("\n") or not text else f"{text}\n"
    return f"{ticks}{info}\n{body}{ticks}\n"


def inert(markdown: str) -> str:
    """Markdown made by a converter from a foreign document: headings, lists and tables stay, nothing in it acts.

    HTML, fences, inline code (some plugins run it), embeds (they load pictures from the network), wikilinks, math,
    hidden comments and links to anything but the web or a mail address are shown as the characters they are.
    """
    return _ACTIVE.sub(lambda found: found[0] if found[0][0] == "\\" else _backslashed(found[0]), markdown)


def cell(text: str) -> str:
    """*text* for a table cell: one line, at most 500 characters, said so when there was more."""
    shown = text if len(text) <= CELL_MAX else f"{text[:CELL_MAX]}…"
    return "<br>".join(_backslashed_in(_INLINE, line.strip()) for line in shown.strip().split("\n"))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of finished cells; short rows are filled up.  Ends with LF."""
    width = len(header)
    lines = [_row(header), _row(["---"] * width)]
    lines += [_row([*row, *[""] * (width - len(row))]) for row in rows]
    return "\n".join(lines) + "\n"


def callout(sentence: str) -> str:
    """A warning above the text, as Obsidian shows it; ends with LF."""
    flat = " ".join(sentence.split())
    return f"> [!warning] {escape(flat)}\n"


def size(count: int) -> str:
    """``12 bytes``, ``3.4 KiB``, ``1.2 GiB``."""
    if count < 1024:
        return "1 byte" if count == 1 else f"{count} bytes"
    value = float(count)
    for unit in ("KiB", "MiB", "GiB"):
        value /= 1024
        if value < 1024:
            return f"{value:.1f} {unit}"
    return f"{value / 1024:.1f} TiB"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _at_line_starts(text: str) -> str:
    return _LINE_START.sub(
        lambda found: f"{found[1]}\\{found[2]}" if found[2] else f"{found[1]}{found[3]}\\{found[4]}", text
    )


def _backslashed_in(pattern: re.Pattern[str], text: str) -> str:
    return pattern.sub(lambda found: _backslashed(found[0]), text)


def _backslashed(text: str) -> str:
    return "".join(f"\\{char}" for char in text)


def _longest(text: str) -> int:
    return max((len(found[0]) for found in _TICKS.finditer(text)), default=0)
