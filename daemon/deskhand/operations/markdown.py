"""The few pieces of Markdown that every note is made of: tables, times, spans.  Text from outside is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo

from deskhand.operations.status_note import escape


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are Markdown already (see :func:`cell`)."""
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def cell(text: str) -> str:
    """Text from outside in a table's cell."""
    return escape(text)


def moment(epoch: float | None, zone: tzinfo) -> str:
    """``2026-11-20 19:53``; a dash for none."""
    return "–" if epoch is None else f"{datetime.fromtimestamp(epoch, zone):%Y-%m-%d %H:%M}"


def value(amount: float | None, unit: str) -> str:
    """An amount with its unit; what is None is unknown."""
    if amount is None:
        return "unknown"
    match unit:
        case "s":
            return span(amount)
        case "B":
            return f"{amount / 1e6:,.1f} MB"
        case "%":
            return f"{amount:.1f} %"
        case "cost":
            return f"{amount:.2f}"
        case _:
            return f"{amount:,.0f}"


def span(seconds: float) -> str:
    """``12 ms``, ``4.2 s``, ``3 min``, ``2.5 h``, ``6 d``."""
    for limit, size, unit in ((1, 0.001, "ms"), (60, 1, "s"), (3600, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            shown = seconds / size
            return f"{shown:.1f} {unit}" if shown < 10 and unit != "ms" else f"{shown:.0f} {unit}"
    return f"{seconds / 86_400:.1f} d"
