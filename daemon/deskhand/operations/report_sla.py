"""How far the desk could be relied on in a month: availability, time to completion, error budget.

What is not known is shown as such: availability is between a least and a most, never rounded up.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo

from msgspec import Struct

from deskhand.core import spread
from deskhand.core.metric import METRICS
from deskhand.core.tally import Tally
from deskhand.core.uptime import Uptime
from deskhand.operations import markdown
from deskhand.operations.markdown import cell, moment, span, value

SHARES = (0.5, 0.9, 0.95, 0.99)


class Facts(Struct, frozen=True):
    """Everything the report says."""

    title: str
    desk: str
    since: float
    until: float
    """Epoch seconds."""
    target: float
    """Percent of the time that a daemon has to be up."""
    uptime: Uptime
    whole: Tally


class Budget(Struct, frozen=True):
    """Seconds that may be lost, and those that were."""

    allowed: float
    least: float
    """Certainly down."""
    most: float
    """The same with what is unknown."""


def budget(facts: Facts) -> Budget:
    """The error budget of the time in which the daemon was wanted."""
    uptime = facts.uptime
    wanted = uptime.up + uptime.down + uptime.unknown
    return Budget(wanted * (100.0 - facts.target) / 100.0, uptime.down, uptime.down + uptime.unknown)


def render(facts: Facts, zone: tzinfo) -> str:
    """The report as Markdown."""
    return "\n\n".join(_blocks(facts, zone)) + "\n"


def _blocks(facts: Facts, zone: tzinfo) -> Iterator[str]:
    uptime, spent = facts.uptime, budget(facts)
    yield f"# {facts.title}"
    yield f"**{cell(facts.desk)}** · {moment(facts.since, zone)} to {moment(facts.until, zone)}"
    least, most = uptime.availability(unknown_is_up=False), uptime.availability(unknown_is_up=True)
    if least is None or most is None:
        yield "**Availability is unknown**: nothing on record says that a daemon was wanted in this time."
    else:
        shown = f"{least:.3f} %" if least == most else f"between {least:.3f} % and {most:.3f} %"
        verdict = "met" if least >= facts.target else "missed" if most < facts.target else "unknown"
        yield f"Availability: **{shown}**; the target of {facts.target:g} % was **{verdict}**"
        yield markdown.table(
            ("time", "how long"),
            [
                ("up", span(uptime.up)),
                ("down", span(uptime.down)),
                ("unknown (after an end without a word)", span(uptime.unknown)),
                ("stopped on purpose (does not count)", span(uptime.stopped)),
                ("before the first record (does not count)", span(uptime.no_data)),
                ("ends without a word", str(uptime.crashes)),
                ("error budget", span(spent.allowed)),
                ("of it used, at least", _share(spent.least, spent.allowed)),
                ("of it used, at most", _share(spent.most, spent.allowed)),
            ],
        )
    yield "## Tasks"
    cycle = facts.whole.spreads.get("cycle", {})
    rows = [(f"{share:.0%} completed within", value(spread.quantile(cycle, share), "s")) for share in SHARES]
    for name in ("success", "error_rate", "received", "completed", "failed"):
        metric = METRICS[name]
        rows.append((metric.name.replace("_", " "), value(metric.value(facts.whole), metric.unit)))
    yield markdown.table(("what", "value"), rows)


def _share(part: float, whole: float) -> str:
    return f"{span(part)} ({100.0 * part / whole:.0f} %)" if whole else span(part)
