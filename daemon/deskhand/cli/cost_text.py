"""``deskhand cost`` for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from deskhand.cli import show
from deskhand.core.money import day_of, shown


def lines(facts: dict[str, Any]) -> Iterator[str]:
    """A table, the total, and how much of today's limit is used."""
    unit, total = facts["currency"], facts["total"]
    first, last = day_of(facts["since"]), day_of(facts["until"] - 1)
    period = first if first == last else f"{first} to {last}"
    if not facts["rows"]:
        yield f"{period}: no run cost anything"
    else:
        heads = (facts["breakdown"].upper(), "RUNS", unit, "OF IT NOT KNOWN")
        yield show.table(
            [_row(row["name"], row) for row in [*facts["rows"], {"name": f"all, {period}", **total}]], heads
        )
    today = facts["today"]
    if today["limit"] is None:
        yield f"today {shown(today['spent'])} {unit}, no limit: deskhand cost limits --daily AMOUNT sets one"
    else:
        share = f" ({100 * today['spent'] / today['limit']:.0f} %)" if today["limit"] else ""
        yield f"today {shown(today['spent'])} of {shown(today['limit'])} {unit}{share}"


def _row(name: str, row: dict[str, Any]) -> tuple[str, ...]:
    unknown = shown(row["of_it_not_known"]) if row["of_it_not_known"] else ""
    running = f" ({row['running']} under way)" if row["running"] else ""
    return show.text(name), f"{row['runs']}{running}", shown(row["amount"]), unknown
