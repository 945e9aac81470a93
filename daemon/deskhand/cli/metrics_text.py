"""``deskhand metrics`` for people: a table, with a line of blocks for the trend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click

from deskhand.cli import show
from deskhand.cli.times import span
from deskhand.core.metric import Standing

BLOCKS = "▁▂▃▄▅▆▇█"
NOTHING = "·"
"""Stands where there is no data."""
_COLOURS = {Standing.OK: "green", Standing.WARN: "yellow", Standing.ALERT: "red", Standing.UNKNOWN: "yellow"}


def lines(facts: dict[str, Any]) -> Iterator[str]:
    """The table, and what to do about what is out of its band."""
    yield f"the last {span(facts['until'] - facts['since'])}"
    trend = any("trend" in one for one in facts["metrics"])
    heads = ("METRIC", "VALUE", "NORMAL", "ALERT", "STANDING", *(("TREND",) if trend else ()))
    yield show.table([_row(one) for one in facts["metrics"]], heads)
    for one in facts["metrics"]:
        if one["standing"] in (Standing.WARN, Standing.ALERT):
            yield f"{one['name']}: {one['action']}"


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    better, worse = (">", "<") if one["normal"] is not None and one["normal"] > one["alert"] else ("<", ">")
    standing = Standing(one["standing"])
    cells = [
        one["name"],
        "unknown" if one["value"] is None else shown(one["value"], one["unit"]),
        "" if one["normal"] is None else f"{better} {shown(one['normal'], one['unit'])}",
        "" if one["alert"] is None else f"{worse} {shown(one['alert'], one['unit'])}",
        click.style(standing, fg=_COLOURS.get(standing)),
    ]
    if "trend" in one:
        cells.append(spark(one["trend"]))
    return tuple(cells)


def shown(value: float, unit: str) -> str:
    """A value with its unit."""
    match unit:
        case "s":
            return span(value)
        case "B":
            return show.size(round(value))
        case "%":
            return f"{value:.1f} %"
        case "cost":
            return f"{value:.2f}"
        case _:
            return f"{value:,.0f}"


def spark(values: Sequence[float | None]) -> str:
    """One block per value, its height from the least to the greatest; a dot where there is none."""
    known = [value for value in values if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    room = high - low

    def block(value: float | None) -> str:
        if value is None:
            return NOTHING
        share = (value - low) / room if room else (1.0 if value else 0.0)
        return BLOCKS[round(share * (len(BLOCKS) - 1))]

    return "".join(map(block, values))
