"""What took how long, recipe by recipe: where the time and the processor went."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import tzinfo

from msgspec import Struct

from deskhand.core.metric import METRICS
from deskhand.core.tally import Tally
from deskhand.operations import markdown
from deskhand.operations.markdown import cell, moment, value

COLUMNS = ("success", "error_rate", "cycle_time", "cycle_time_p95", "run_time", "run_time_p95", "memory_peak")


class Facts(Struct, frozen=True):
    """Everything the report says."""

    title: str
    desk: str
    since: float
    until: float
    """Epoch seconds."""
    recipes: Mapping[str, Tally]


def render(facts: Facts, zone: tzinfo) -> str:
    """The report as Markdown, the recipe with the most running time first."""
    return "\n\n".join(_blocks(facts, zone)) + "\n"


def _blocks(facts: Facts, zone: tzinfo) -> Iterator[str]:
    yield f"# {facts.title}"
    yield f"**{cell(facts.desk)}** · {moment(facts.since, zone)} to {moment(facts.until, zone)}"
    if not facts.recipes:
        yield "No task ran in this time."
        return
    order = sorted(facts.recipes, key=lambda name: (-facts.recipes[name].sums.get("run_s", 0.0), name))
    heads = ("recipe", "attempts", "running", "processor", *(name.replace("_", " ") for name in COLUMNS))
    yield markdown.table(heads, (_row(name, facts.recipes[name]) for name in order))
    yield "Times to completion are of tasks that were received in this time, too."


def _row(name: str, tally: Tally) -> tuple[str, ...]:
    shown = [value(METRICS[column].value(tally), METRICS[column].unit) for column in COLUMNS]
    attempts = f"{tally.counts.get('attempts', 0)}"
    measured = bool(tally.counts.get("measured"))
    running = value(tally.sums.get("run_s") if measured else None, "s")
    return (
        cell(name),
        attempts,
        running,
        value(tally.sums.get("cpu_s") if measured else None, "s"),
        *("–" if text == "unknown" else text for text in shown),
    )
