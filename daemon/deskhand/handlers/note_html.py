"""HTML as Markdown: headings, paragraphs, lists, links, simple tables, quotations, preformatted text.

Rules: every character that was shown is kept and stands for itself; scripts, styles and pictures are not taken over
(a picture leaves its description); only ``http``, ``https`` and ``mailto`` links stay links; of tables inside tables
(pages and newsletters are laid out with them) only the innermost stay tables.  Linear in the size of
the document.  Pure.
"""

from __future__ import annotations

import re

from deskhand.handlers.note_html_line import Line
from deskhand.handlers.note_html_tokens import Tag, Text, tokens
from deskhand.handlers.note_markdown import escape_piece, fence, table
from deskhand.handlers.note_page import Page, Value
from deskhand.handlers.text_intake import clean

_BLOCKS = frozenset(
    {
        *(
            "address",
            "article",
            "aside",
            "body",
            "dd",
            "details",
            "div",
            "dl",
            "dt",
            "fieldset",
            "figure",
            "figcaption",
        ),
        *("footer", "form", "header", "hr", "html", "main", "nav", "p", "section", "summary", "caption", "center"),
        *("thead", "tbody", "tfoot"),
    }
)
_HEADINGS = {f"h{level}": "#" * level for level in range(1, 7)}
_CELLS = frozenset({"table", "tr", "td", "th"})
_DECLARED = re.compile(rb"""<meta[^>]{0,200}?charset\s{0,9}=\s{0,9}["']?([A-Za-z0-9_.:-]{2,40})""", re.IGNORECASE)
_LAYOUT = None
"""Stands for a table that turned out to hold other tables."""
DEPTH_MAX = 8
Rows = list[list[str]]


def declared_encoding(head: bytes) -> str | None:
    """What a ``meta`` tag in the first KiB says."""
    found = _DECLARED.search(head[:1024])
    return found[1].decode("ascii") if found else None


def convert(html: str) -> Page:
    """The Markdown; property `title` when there is one."""
    writer = _Writer()
    for token in tokens(html):
        match token:
            case Text(text):
                writer.text(text)
            case Tag():
                writer.tag(token)
    body = writer.finish()
    properties: dict[str, Value] = {"title": writer.title} if writer.title else {}
    if not body.strip():
        return Page("", properties, ("This page shows no text.",), "none")
    return Page(body, properties)


class _Writer:
    """Tokens in, Markdown out."""

    def __init__(self) -> None:
        self.title = ""
        self._blocks: list[tuple[str, bool]] = []
        """Finished blocks, and whether each is a list item."""
        self._line = Line()
        self._prefix = ""
        self._lists: list[int] = []
        """One entry per open list: 0 = bullets, else the next number."""
        self._quotes = 0
        self._verbatim: tuple[str, list[str]] | None = None
        """Inside `title` or `pre`: which, and its text so far."""
        self._tables: list[Rows | None] = []
        """Open tables, outermost first; all but the last are `_LAYOUT`."""

    @property
    def _rows(self) -> Rows | None:
        return self._tables[-1] if self._tables else None

    def text(self, text: str) -> None:
        """Characters between tags."""
        if self._verbatim is not None:
            self._verbatim[1].append(text)
        else:
            self._line.add(escape_piece(clean(re.sub(r"\s+", " ", text))))

    def tag(self, tag: Tag) -> None:
        """A start or an end."""
        name = tag.name
        if self._verbatim is not None:
            if name == self._verbatim[0]:
                self._end_verbatim()
            elif name == "br":
                self._verbatim[1].append("\n")
        elif name in ("title", "pre"):
            if not tag.end:
                self._begin_verbatim(name)
        elif name in _CELLS:
            self._table_tag(name, end=tag.end)
        elif name == "br":
            self._line.add("<br>" if self._rows is not None else "\\\n")
        elif self._line.tag(tag):
            return
        elif self._rows is not None:
            self._line.add(" " if name in _BLOCKS or name in _HEADINGS or name == "li" else "")
        else:
            self._block_tag(name, end=tag.end)

    def finish(self) -> str:
        """All of it; whatever is still open is closed."""
        self._end_verbatim()
        while self._tables:
            self._close_table()
        self._flush()
        out: list[str] = []
        after_item = False
        for block, item in self._blocks:
            if out:
                out.append("\n" if item and after_item else "\n\n")
            out.append(block)
            after_item = item
        return "".join(out)

    def _block_tag(self, name: str, *, end: bool) -> None:
        if name not in _BLOCKS and name not in _HEADINGS and name not in ("ul", "ol", "li", "blockquote"):
            return
        self._flush()
        if name in _HEADINGS:
            self._prefix = "" if end else f"{_HEADINGS[name]} "
        elif name in ("ul", "ol"):
            if not end:
                self._lists.append(0 if name == "ul" else 1)
            elif self._lists:
                self._lists.pop()
        elif name == "li":
            self._prefix = "" if end else self._bullet()
        elif name == "blockquote":
            self._quotes = max(0, self._quotes + (-1 if end else 1))
        elif name == "hr":
            self._put("---")

    def _bullet(self) -> str:
        if not self._lists or self._lists[-1] == 0:
            return "- "
        self._lists[-1] += 1
        return f"{self._lists[-1] - 1}. "

    def _flush(self) -> None:
        """Write what was collected as one block."""
        text = self._line.take()
        if not text:
            return
        prefix, self._prefix = self._prefix, ""
        heading = prefix.startswith("#")
        self._put(prefix + (text.replace("\\\n", " ") if heading else text), item=bool(prefix) and not heading)

    def _put(self, text: str, *, item: bool = False) -> None:
        """Add a block at the present depth of quotations and lists."""
        inside = len(self._lists) - 1 if item else len(self._lists)
        margin = "> " * min(self._quotes, DEPTH_MAX) + "    " * min(max(inside, 0), DEPTH_MAX)
        following = f"\n{margin}    " if item else f"\n{margin}"
        self._blocks.append((margin + text.replace("\n", following), item))

    def _begin_verbatim(self, name: str) -> None:
        if name == "pre" and self._rows is None:
            self._flush()
        self._verbatim = (name, [])

    def _end_verbatim(self) -> None:
        if self._verbatim is None:
            return
        (name, parts), self._verbatim = self._verbatim, None
        text = clean("".join(parts))
        if name == "title":
            self.title = self.title or " ".join(text.split())
        elif self._rows is not None:
            self._line.add(escape_piece(" ".join(text.split())))
        elif text.strip():
            self._put(fence(text.strip("\n")).rstrip("\n"))

    def _table_tag(self, name: str, *, end: bool) -> None:
        if name == "table":
            if end:
                self._close_table()
            else:
                self._open_table()
            return
        rows = self._rows
        if rows is None:
            self._flush()
            return
        self._close_cell(rows)
        if name == "tr" and not end:
            rows.append([])
        elif name != "tr" and not end:
            if not rows:
                rows.append([])
            rows[-1].append("")

    def _open_table(self) -> None:
        rows = self._rows
        if rows is None:
            self._flush()
        else:
            self._close_cell(rows)
            self._tables[-1] = _LAYOUT
            self._write_table(rows)
        self._tables.append([])

    def _close_table(self) -> None:
        if not self._tables:
            return
        rows = self._rows
        if rows is None:
            self._flush()
        else:
            self._close_cell(rows)
        self._tables.pop()
        if rows:
            self._write_table(rows)

    def _close_cell(self, rows: Rows) -> None:
        text = " ".join(self._line.take().split())
        if not text:
            return
        if rows and rows[-1]:
            rows[-1][-1] = f"{rows[-1][-1]} {text}".strip()
        else:
            # Text between table and cell is shown before the table, as browsers do.
            self._put(text)

    def _write_table(self, rows: Rows) -> None:
        filled = [row for row in rows if any(row)]
        width = max((len(row) for row in filled), default=0)
        if width > 1:
            header = filled[0] + [""] * (width - len(filled[0]))
            self._put(table(header, filled[1:]).rstrip("\n"))
        else:
            for row in filled:
                self._put(row[0])
