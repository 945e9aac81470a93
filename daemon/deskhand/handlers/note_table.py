"""CSV and its relatives as a Markdown table.

The delimiter is found by counting, not by trial parsing: the candidate that occurs equally often, and most often, in
the first lines.  At most 1,000 rows and 50 columns are shown and what is left out is said.  Pure.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from itertools import islice

from deskhand.handlers.note_markdown import cell, fence, table
from deskhand.handlers.note_page import Page

ROWS_MAX = 1000
COLUMNS_MAX = 50
DELIMITERS = ",;\t|"
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}


def convert(text: str, *, whole: bool = True) -> Page:
    """The table; a fenced block when *text* is no table.  *whole* is false when *text* is only the file's beginning."""
    delimiter = find_delimiter(text)
    if delimiter is None:
        return Page(fence(text), remarks=("No columns were found; the text is shown as it is.",))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        rows = list(islice(reader, ROWS_MAX + 1))
        left = sum(1 for row in reader if row)
    except csv.Error as error:
        return Page(fence(text), remarks=(f"This is not a readable table ({error}); the text is shown as it is.",))
    rows = [row for row in rows if row]
    if not rows:
        return Page(fence(text), remarks=("There is nothing but blanks inside.",))
    count, columns = len(rows) - 1 + left, max(len(row) for row in rows)
    shown = [[cell(value) for value in row[:COLUMNS_MAX]] for row in rows]
    header = shown[0] + [""] * (min(columns, COLUMNS_MAX) - len(shown[0]))
    remarks = _remarks(len(rows) - 1, count, columns, whole=whole, ragged=len({len(row) for row in rows}) > 1)
    shortened = left or columns > COLUMNS_MAX or not whole
    return Page(
        table(header, shown[1:]),
        {"rows": count, "columns": columns, "delimiter": _NAMES[delimiter]},
        remarks,
        "shortened" if shortened else "complete",
    )


def find_delimiter(text: str) -> str | None:
    """The delimiter of the table in *text*; None when there is none (one column is no table)."""
    lines = [line for line in _unquoted(text[: 256 * 1024]).split("\n")[:50] if line.strip()]
    best: tuple[float, int, str] | None = None
    for place, delimiter in enumerate(DELIMITERS):
        counts = Counter(line.count(delimiter) for line in lines)
        if not counts:
            return None
        usual, lines_with = counts.most_common(1)[0]
        if usual == 0:
            continue
        score = (lines_with / len(lines), -place, delimiter)
        if best is None or score > best:
            best = score
    return best[2] if best is not None and best[0] >= 0.5 else None


def _unquoted(text: str) -> str:
    """*text* without what stands in double quotes, where delimiters and line ends do not count."""
    return "".join(text.split('"')[::2])


def _remarks(shown: int, count: int, columns: int, *, whole: bool, ragged: bool) -> tuple[str, ...]:
    remarks = []
    if not whole:
        remarks.append(
            f"Only the beginning of the file was read: {shown:,} rows are shown, it has more than {count:,}."
        )
    elif count > shown:
        remarks.append(f"The first {shown:,} of {count:,} rows are shown.")
    if columns > COLUMNS_MAX:
        remarks.append(f"The first {COLUMNS_MAX} of {columns} columns are shown.")
    if ragged:
        remarks.append("Not all rows have the same number of columns; short ones are filled up.")
    return tuple(remarks)
