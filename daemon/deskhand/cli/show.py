"""Printing: JSON with its schema number, tables that fit the terminal, sizes, names that are safe to show."""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from deskhand.core.names import visible
from deskhand.core.state import State

SCHEMA = 1
"""Version of everything that is printed with ``--json``; it changes when a field goes or changes its meaning."""
_GAP = 2
_COLOURS: dict[str, str] = {
    State.COMPLETED: "green",
    State.FAILED: "red",
    State.QUARANTINED: "red",
    State.LOST: "red",
    State.WAITING: "yellow",
    State.IN_DOUBT: "yellow",
    State.PARKED: "yellow",
    State.BLOCKED: "yellow",
    State.STARTED: "cyan",
}

_VERDICTS = {"ok": "green", "degraded": "yellow", "unknown": "magenta", "down": "red"}


def emit_json(data: dict[str, Any]) -> None:
    """Print *data* as JSON, the schema number first."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode({"schema": SCHEMA, **data}), indent=2).decode())


def text(value: str) -> str:
    """A text from outside, on one line and without control characters."""
    return visible(" ".join(value.split()))


def path(value: Path, *, below: Path | None = None) -> str:
    """A path that can be printed and put into JSON; relative when it is inside *below*."""
    shown = value.relative_to(below) if below is not None and value.is_relative_to(below) else value
    return visible(os.fsencode(shown).decode("utf-8", "backslashreplace"))


def short(value: str, room: int = 60) -> str:
    """A name with nothing in it that a terminal obeys, cut in the middle when it is longer than *room*."""
    shown = visible(value)
    return shown if len(shown) <= room else f"{shown[: room - 20]}…{shown[-19:]}"


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def size(count: int) -> str:
    """``512 B``, ``1.5 kB``, ``2.0 GB``."""
    number = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{count} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def state(value: str) -> str:
    """A state's word, coloured on a terminal."""
    word = value.replace("_", " ")
    colour = _COLOURS.get(value)
    return click.style(word, fg=colour) if colour else word


def verdict(value: str) -> str:
    """The word of a check of the desk's health, coloured on a terminal."""
    return click.style(value, fg=_VERDICTS.get(value))


def terminal_width() -> int | None:
    """Columns of the terminal; None when the output goes elsewhere and must not be cut."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def table(rows: Sequence[Sequence[str]], heads: Sequence[str] = ()) -> str:
    """Aligned columns; on a terminal the last column is cut to its width.  Cells may be coloured."""
    every = [[click.style(head, bold=True) for head in heads], *rows] if heads else list(rows)
    if not every:
        return ""
    count = max(map(len, every))
    widths = [max((_width(row[i]) for row in every if i < len(row)), default=0) for i in range(count)]
    limit = terminal_width()
    return "\n".join(_line(row, widths, limit) for row in every)


def pad(value: str, columns: int) -> str:
    """*value* filled up with spaces to so many columns."""
    return value + " " * (columns - _width(value))


def _line(row: Sequence[str], widths: Sequence[int], limit: int | None) -> str:
    cells = [pad(cell, widths[i] + _GAP) for i, cell in enumerate(row[:-1])]
    before = sum(map(_width, cells))
    last = row[-1] if row else ""
    if limit is not None and _width(last) > limit - before > _GAP:
        last = _cut(click.unstyle(last), limit - before)
    return ("".join(cells) + last).rstrip()


def _cut(value: str, room: int) -> str:
    kept = ""
    for char in value:
        if _width(kept + char) > room - 1:
            break
        kept += char
    return f"{kept}…"


def _width(value: str) -> int:
    """Columns that a text takes."""
    plain = click.unstyle(value)
    if plain.isascii():
        return len(plain)
    wide = sum(unicodedata.east_asian_width(char) in ("W", "F") for char in plain)
    return len(plain) + wide - sum(unicodedata.combining(char) != 0 for char in plain)
