"""One failure, for whoever has to find out why: what happened, in order, what it printed, how often it happened."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo

from msgspec import Struct

from deskhand.operations import markdown
from deskhand.operations.markdown import cell, moment, span
from deskhand.operations.report_period import Failure


class Step(Struct, frozen=True):
    """One record of the task."""

    at: float
    """Epoch seconds."""
    what: str
    said: str


class Facts(Struct, frozen=True):
    """Everything the report says."""

    id: str
    name: str | None
    """None: its files are gone."""
    state: str
    reason: str
    recipe: str
    attempts: int
    steps: tuple[Step, ...]
    output: str
    """The end of what its attempts printed."""
    output_bytes: int
    """Of all of it."""
    alike: Failure
    """All failures of this kind, this one included."""


def render(facts: Facts, zone: tzinfo) -> str:
    """The report as Markdown."""
    return "\n\n".join(_blocks(facts, zone)) + "\n"


def _blocks(facts: Facts, zone: tzinfo) -> Iterator[str]:
    yield f"# Failure of {cell(facts.name or facts.id)}"
    alike = facts.alike
    rows = [
        ("task", f"`{facts.id}`"),
        ("state", cell(facts.state)),
        ("reason", cell(facts.reason or "-")),
        ("recipe", cell(facts.recipe or "-")),
        ("attempts", str(facts.attempts)),
        ("kind of failure", f"`{alike.signature}`"),
        ("failed like this", f"{alike.count} ×, first {moment(alike.first, zone)}, last {moment(alike.last, zone)}"),
    ]
    yield markdown.table(("", ""), rows)
    yield "## What happened"
    yield markdown.table(("when", "", "what", ""), _steps(facts, zone))
    yield "## What it printed"
    if not facts.output:
        yield "Nothing, or it is gone."
        return
    size = len(facts.output.encode())
    if facts.output_bytes > size:
        yield f"The last {size} of {facts.output_bytes} bytes:"
    fence = "~" * max(3, 1 + max((len(run) for run in facts.output.split("\n") if set(run) == {"~"}), default=0))
    yield f"{fence}text\n{facts.output.rstrip()}\n{fence}"


def _steps(facts: Facts, zone: tzinfo) -> Iterator[tuple[str, ...]]:
    before: float | None = None
    for step in facts.steps:
        yield (
            moment(step.at, zone),
            "" if before is None else f"+{span(max(0.0, step.at - before))}",
            step.what,
            cell(step.said),
        )
        before = step.at
