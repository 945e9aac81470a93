"""The note with a checklist's result: facts in, Markdown out; and what a person ticked in it, read back.

A question is a task of the Obsidian Tasks plugin, ``- [ ] question ⏫ 📅 2026-11-20 ^step``; ``[x]`` says yes, ``[-]``
says no.  What is written behind ``evidence:`` in the line below it goes on record with the answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, tzinfo
from typing import NamedTuple

from deskhand.core.checklist import Checklist, Manual, Severity, Step
from deskhand.core.checklist_run import worst
from deskhand.core.routine import STARTED, OpenRun
from deskhand.operations.status_note import escape

_MARKS: Mapping[str, str] = {
    "ok": "✅",
    "warn": "⚠️",
    "fail": "❌",
    "unknown": "❔",
    "missed": "⌛",
    "skipped": "⏭️",
    "waiting": "⏳",
    STARTED: "▶️",
}
_PRIORITY: Mapping[Severity, str] = {"P0": "🔺", "P1": "⏫", "P2": "🔼", "P3": "🔽"}
_TASK = re.compile(r"[-*+] \[(.)\] .*\^([a-z0-9-]{1,40})\s*\Z")
_EVIDENCE = re.compile(r"\s+(?:[-*+] )?evidence:[ \t]*(.*?)\s*\Z")
EVIDENCE_MAX = 1000
"""Characters that go on record."""


class Tick(NamedTuple):
    """An answer that stands in a note."""

    step: str
    answer: str
    """`yes` or `no`."""
    evidence: str | None


def render(checklist: Checklist, run: OpenRun, zone: tzinfo, *, state: str | None, trusted: bool) -> str:
    """The note of a run; *state*: how it ended, None while it goes on.  Times are shown in *zone*."""
    lines = [
        "---",
        f"checklist: {run.checklist}",
        f"run: {run.run_id}",
        f"state: {state or 'open'}",
        "---",
        f"# {escape(checklist.title)} · {_day(run.at, zone)}",
        "",
        escape(checklist.purpose),
        "",
        _heading(run, zone, state),
    ]
    if not trusted:
        lines += ["", f"The checklist is not blessed as it is now: `deskhand checklist bless {run.checklist}`."]
    lines.append("")
    for step in checklist.steps:
        lines += _step(step, run, zone)
    return "\n".join(lines) + "\n"


def _heading(run: OpenRun, zone: tzinfo, state: str | None) -> str:
    begun = f"begun {_time(run.at, zone)}"
    if run.occurrence is not None:
        begun += f", scheduled for {_time(run.occurrence, zone)}"
    return f"{begun}; {'goes on' if state is None else f'**{state}**'}."


def _step(step: Step, run: OpenRun, zone: tzinfo) -> Iterator[str]:
    result = run.steps.get(step.id)
    state = None if result is None else result.state
    reason = "" if result is None or not result.reason else f": {escape(result.reason)}"
    if isinstance(step.what, Manual):
        mark = {"ok": "x", "fail": "-", "skipped": "-", "missed": "-"}.get(state or "", " ")
        due = f"📅 {_day(run.at + step.due, zone)}"
        yield f"- [{mark}] {escape(step.what.question)} {_PRIORITY[step.severity]} {due} ^{step.id}"
        if state == "waiting" and step.what.evidence:
            yield "    - evidence: "
        elif state not in (None, "waiting"):
            yield f"    - {state}{reason}"
        return
    shown = "not yet" if state is None else state
    yield f"- {_MARKS.get(state or '', '·')} **{escape(step.title or step.id)}** · {shown}{reason}"


def ticks(text: str) -> list[Tick]:
    """Every answered question in a note, in order."""
    found: list[Tick] = []
    lines = text.splitlines()
    for number, line in enumerate(lines):
        match = _TASK.match(line)
        if match is None or match[1] not in "xX-":
            continue
        following = lines[number + 1] if number + 1 < len(lines) else ""
        written = _EVIDENCE.match(following)
        evidence = None if written is None or not written[1] else written[1][:EVIDENCE_MAX]
        found.append(Tick(match[2], "no" if match[1] == "-" else "yes", evidence))
    return found


def standing(run: OpenRun) -> str:
    """How an unfinished run stands, in a word."""
    states = [result.state for result in run.steps.values()]
    return STARTED if STARTED in states or not states else worst(states)


def _day(epoch: float, zone: tzinfo) -> str:
    return f"{datetime.fromtimestamp(epoch, zone):%Y-%m-%d}"


def _time(epoch: float, zone: tzinfo) -> str:
    return f"{datetime.fromtimestamp(epoch, zone):%Y-%m-%d %H:%M}"
