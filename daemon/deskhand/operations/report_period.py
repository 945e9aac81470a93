"""A report on a day, a week or a month: what was done, what went wrong, what waits.  Facts in, Markdown out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo

from msgspec import Struct

from deskhand.core.metric import METRICS, Standing
from deskhand.core.tally import Tally
from deskhand.core.uptime import Uptime
from deskhand.operations import markdown
from deskhand.operations.chart import Series, bars
from deskhand.operations.markdown import cell, moment, value

GREEN, RED, BLUE, AMBER = "#4c9f70", "#c8553d", "#4a7fb5", "#d19a3f"
SHOWN = 20
"""Entries of a list."""


class Failure(Struct, frozen=True):
    """Failures of one kind."""

    signature: str
    recipe: str
    reason: str
    """Of the last one."""
    count: int
    first: float
    last: float
    """Epoch seconds."""
    id: str
    """Of the last task that failed so."""


class Waiting(Struct, frozen=True):
    """A task that waits for somebody."""

    id: str
    what: str
    since: float
    """Epoch seconds."""


class Facts(Struct, frozen=True):
    """Everything the report says."""

    title: str
    desk: str
    since: float
    until: float
    """Epoch seconds; the report is about the time between."""
    whole: Tally
    before: Tally | None
    """The same length of time before it; None where nothing is known of it."""
    labels: tuple[str, ...]
    parts: tuple[Tally | None, ...]
    """One for each label: the hours or days of the time; None where nothing is known."""
    uptime: Uptime
    failures: tuple[Failure, ...]
    """Most frequent first."""
    waiting: tuple[Waiting, ...]
    """Oldest first, at the moment the report is made."""
    held_up: tuple[Waiting, ...]
    standing: tuple[str, ...] = ()
    """How the desk stands now, in sentences; only for a hand-over."""


def render(facts: Facts, charts: dict[str, str], zone: tzinfo) -> str:
    """The report; *charts*: title -> name of the picture beside it."""
    return "\n\n".join(_blocks(facts, charts, zone)) + "\n"


def _blocks(facts: Facts, charts: dict[str, str], zone: tzinfo) -> Iterator[str]:
    yield f"# {facts.title}"
    yield f"**{cell(facts.desk)}** · {moment(facts.since, zone)} to {moment(facts.until, zone)}"
    if facts.standing:
        yield "\n".join(f"- {cell(text)}" for text in facts.standing)
    yield _briefing(facts)
    yield markdown.table(("", "now", "before", "normal", ""), _metrics(facts))
    for title, name in charts.items():
        yield f"![{title}]({name})"
    if facts.failures:
        yield "## What failed"
        yield markdown.table(("how often", "recipe", "reason of the last", "last", "look"), _failures(facts, zone))
    for title, entries in (("Waits for an answer", facts.waiting), ("Held up", facts.held_up)):
        if entries:
            yield f"## {title}"
            yield "\n".join(_list(entries, zone))
    yield "## The daemon"
    yield "\n".join(_uptime(facts.uptime))


def _briefing(facts: Facts) -> str:
    counts = facts.whole.counts
    before = "" if facts.before is None else f" ({facts.before.counts.get('completed', 0)} in the time before)"
    said = [f"{_tasks(counts.get('received', 0))} came in, {counts.get('completed', 0)} were completed{before}"]
    failed = sum(counts.get(name, 0) for name in ("failed", "quarantined", "lost"))
    if failed:
        most = facts.failures[0] if facts.failures else None
        why = f", {most.count} of them in the same way ({cell(most.reason)})" if most and most.count > 1 else ""
        said.append(f"{failed} failed{why}")
    if counts.get("in_doubt"):
        said.append(f"{counts['in_doubt']} runs were cut off and put to a person")
    if facts.waiting:
        oldest = markdown.span(max(0.0, facts.until - facts.waiting[0].since))
        said.append(f"{len(facts.waiting)} wait for an answer, the oldest for {oldest}")
    out = [name for name, metric in METRICS.items() if metric.judge(metric.value(facts.whole)) is Standing.ALERT]
    if out:
        said.append(f"beyond the alert threshold: {', '.join(out)}")
    return ". ".join(text[0].upper() + text[1:] for text in said) + "."


def _tasks(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"


def _metrics(facts: Facts) -> Iterator[tuple[str, ...]]:
    for metric in METRICS.values():
        now, before = metric.value(facts.whole), None if facts.before is None else metric.value(facts.before)
        standing = metric.judge(now)
        normal = ""
        if metric.band is not None:
            normal = f"{'>' if metric.band.high_is_good else '<'} {value(metric.band.normal, metric.unit)}"
        shown = "" if standing is Standing.NONE else f"**{standing}**" if standing is Standing.ALERT else str(standing)
        yield metric.name, value(now, metric.unit), value(before, metric.unit), normal, shown


def _failures(facts: Facts, zone: tzinfo) -> Iterator[tuple[str, ...]]:
    for one in facts.failures[:SHOWN]:
        look = f"`deskhand task failure {one.id[-6:]}`"
        yield f"{one.count} ×", cell(one.recipe or "-"), cell(one.reason), moment(one.last, zone), look
    if len(facts.failures) > SHOWN:
        yield f"and {len(facts.failures) - SHOWN} more kinds", "", "", "", ""


def _list(entries: tuple[Waiting, ...], zone: tzinfo) -> Iterator[str]:
    for one in entries[:SHOWN]:
        yield f"- {cell(one.what)} · since {moment(one.since, zone)} · `{one.id}`"
    if len(entries) > SHOWN:
        yield f"- and {len(entries) - SHOWN} more: `deskhand status`"


def _uptime(uptime: Uptime) -> Iterator[str]:
    named = {
        "up": uptime.up,
        "stopped on purpose": uptime.stopped,
        "down": uptime.down,
        "unknown": uptime.unknown,
        "before the first record": uptime.no_data,
    }
    yield " · ".join(f"{name} {markdown.span(seconds)}" for name, seconds in named.items() if seconds)
    if uptime.crashes:
        yield f"\n{uptime.crashes} times it ended without a word."


def charts(facts: Facts) -> dict[str, str]:
    """Title -> picture (SVG)."""

    def values(name: str) -> tuple[float | None, ...]:
        return tuple(None if part is None else float(part.counts.get(name, 0)) for part in facts.parts)

    def metric(name: str) -> tuple[float | None, ...]:
        return tuple(None if part is None else METRICS[name].value(part) for part in facts.parts)

    def spent(name: str) -> tuple[float | None, ...]:
        return tuple(None if part is None else part.sums.get(name, 0.0) for part in facts.parts)

    pictures = {
        "Finished tasks": (Series("completed", GREEN, values("completed")), Series("failed", RED, values("failed"))),
        "Received tasks": (Series("received", BLUE, values("received")),),
        "Time to completion, median": (Series("seconds", AMBER, metric("cycle_time")),),
        "Processor time of attempts": (Series("seconds", BLUE, spent("cpu_s")),),
    }
    units = {"Time to completion, median": " s", "Processor time of attempts": " s"}
    return {
        title: bars(title, facts.labels, series, units.get(title, ""))
        for title, series in pictures.items()
        if any(number for part in series for number in part.values)
    }


def label(epoch: float, zone: tzinfo, *, days: bool) -> str:
    """What stands below a bar: ``Mon 20`` or ``14:00``."""
    return f"{datetime.fromtimestamp(epoch, zone):{'%a %d' if days else '%H:%M'}}"
