"""The note that shows how the desk stands: facts in, Markdown out.

The text depends on nothing but the facts, and there is no "now" in it: the same facts give the same bytes, so the
note is rewritten only when something happened.  Names come from strangers, so they are escaped for Markdown, HTML
and Obsidian.  Gathering the facts and writing the note are done elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from deskhand.core.names import visible
from deskhand.core.state import State

NAME_MAX = 80
"""Characters of a name or sentence that are shown."""
LINES_MAX = 25
"""Lines of one list that are shown; the rest is counted."""
COMPLETED_MAX = 10
"""Finished tasks that are shown."""

_SPECIAL = re.compile(r"([\\`*_\[\]{}<>#|~=$%^&!])")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request in ``queue/approvals/`` that nobody has answered."""

    id: str
    name: str
    recipe: str
    why: str
    """One sentence: why it asks."""
    since: float
    """Epoch seconds."""
    expires: float | None = None
    """Epoch seconds."""
    in_doubt: bool = False
    """True: a run was cut off and a person has to say what happened."""


@dataclass(frozen=True, slots=True)
class Line:
    """A task in one of the other lists."""

    id: str
    name: str
    at: float
    """Epoch seconds."""
    recipe: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Stalled:
    """A drop that stays unfinished."""

    name: str
    inbox: str
    since: float
    """Epoch seconds."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """A step of a checklist that waits for a person."""

    checklist: str
    step: str
    text: str
    due: float
    """Epoch seconds."""
    note: str
    """Name of the run's note in `vault/_deskhand/checklists/`."""


@dataclass(frozen=True, slots=True)
class Round:
    """How a checklist went last."""

    checklist: str
    state: str
    at: float
    """Epoch seconds."""
    note: str | None = None
    """Name of its note; None: it did not run."""


@dataclass(frozen=True, slots=True)
class Unwell:
    """A check of the daemon's look at itself that is not ok."""

    check: str
    verdict: str
    text: str


@dataclass(frozen=True, slots=True)
class StatusFacts:
    """Everything the status note says."""

    desk: str
    version: str
    up_since: float | None
    """Epoch seconds; None: no daemon runs."""
    paused: str | None = None
    """Why nothing new is started; None: it is not paused."""
    counts: Mapping[State, int] = field(default_factory=dict)
    waiting: tuple[Asked, ...] = ()
    failed: tuple[Line, ...] = ()
    """Failed, quarantined or lost, newest first."""
    parked: tuple[Line, ...] = ()
    """Parked or blocked: they go on only after somebody did something."""
    stalled: tuple[Stalled, ...] = ()
    completed: tuple[Line, ...] = ()
    """Newest first."""
    problems: tuple[str, ...] = ()
    """What does not work right now (an inbox out of reach, a full disk)."""
    maintenance: str | None = None
    """Why nothing is started for a while, and until when; None: no window is open."""
    questions: tuple[Question, ...] = ()
    rounds: tuple[Round, ...] = ()
    """Sorted by name."""
    health: tuple[Unwell, ...] = ()
    incidents: tuple[Line, ...] = ()
    """Open ones; `recipe` holds the severity."""


def render(facts: StatusFacts, zone: tzinfo = UTC) -> str:
    """The note as Markdown; times are shown in *zone*."""
    blocks = [
        _heading(facts, zone),
        _section("Does not work right now", [f"- {escape(text)}" for text in facts.problems]),
        _section("Open incidents", [_incident(each, zone) for each in facts.incidents]),
        _section("Not as it should be", [_unwell(each) for each in facts.health]),
        _section("Waits for you", [_asked(task, zone) for task in facts.waiting]),
        _section("Asked by checklists", [_question(each, zone) for each in facts.questions]),
        _section("Needs a hand", [_line(task, zone) for task in facts.parked]),
        _section("Failed", [_line(task, zone) for task in facts.failed]),
        _section("Still being written", [_stalled(drop, zone) for drop in facts.stalled]),
        _section("Checklists", [_round(each, zone) for each in facts.rounds]),
        _section("Done last", [_line(task, zone) for task in facts.completed[:COMPLETED_MAX]]),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def escape(text: str) -> str:
    """*text* as one line that means nothing in Markdown, HTML or Obsidian; shortened to 80 characters."""
    line = visible(" ".join(text.split()))
    if len(line) > NAME_MAX:
        line = f"{line[: NAME_MAX - 1]}…"
    return _SPECIAL.sub(r"\\\1", line)


def _heading(facts: StatusFacts, zone: tzinfo) -> str:
    if facts.up_since is None:
        state = "**No daemon runs.** Start it with `deskhand run`."
    elif facts.paused is not None:
        state = f"**Paused**: {escape(facts.paused)}. `deskhand resume` goes on."
    else:
        state = f"Up since {_time(facts.up_since, zone)}."
    if facts.maintenance is not None:
        state += f" **Maintenance**: {escape(facts.maintenance)}; nothing is started."
    counts = [f"{facts.counts[state]} {state.value.replace('_', ' ')}" for state in State if facts.counts.get(state)]
    return "\n".join(
        [
            f"**{escape(facts.desk)}** · deskhand {escape(facts.version)}",
            "",
            state,
            "",
            _joined(counts or ["No tasks."]),
        ]
    )


def _joined(parts: Iterable[str]) -> str:
    return " · ".join(parts)


def _section(title: str, lines: list[str]) -> str:
    if not lines:
        return ""
    shown = lines[:LINES_MAX]
    if len(lines) > LINES_MAX:
        shown.append(f"- and {len(lines) - LINES_MAX} more: `deskhand tasks`")
    return "\n".join([f"## {title}", "", *shown])


def _asked(task: Asked, zone: tzinfo) -> str:
    request = f"queue/approvals/{_code(task.id)}.json"
    until = f", expires {_time(task.expires, zone)}" if task.expires is not None else ""
    head = f"- **{escape(task.name)}** · {escape(task.recipe)} · asked {_time(task.since, zone)}{until}"
    why = f"    {escape(task.why)}" if task.why else ""
    if task.in_doubt:
        how = f"    It was cut off. Run it again: rename `{request}` to `….json.approved`; it did its work: "
        how += "`….json.happened`; give up: `….json.rejected`"
    else:
        how = f"    Yes: rename `{request}` to `….json.approved`, or `deskhand approve {_code(task.id)}`. "
        how += "No: `….json.rejected`"
    return "\n".join(part for part in (head, why, how) if part)


def _line(task: Line, zone: tzinfo) -> str:
    parts = [f"**{escape(task.name)}**", escape(task.recipe), _time(task.at, zone), f"`{_code(task.id)}`"]
    reason = f": {escape(task.reason)}" if task.reason else ""
    return f"- {_joined(part for part in parts if part)}{reason}"


def _incident(each: Line, zone: tzinfo) -> str:
    note = f"[[{_code(each.id)}]]"
    return f"- **{escape(each.recipe)}** {escape(each.name)} · {note}, open since {_time(each.at, zone)}"


def _unwell(each: Unwell) -> str:
    return f"- **{escape(each.check)}** {escape(each.verdict)}: {escape(each.text)}"


def _stalled(drop: Stalled, zone: tzinfo) -> str:
    reason = f": {escape(drop.reason)}" if drop.reason else ""
    return f"- **{escape(drop.name)}** in {escape(drop.inbox)}, unfinished since {_time(drop.since, zone)}{reason}"


def _question(each: Question, zone: tzinfo) -> str:
    note = _code(each.note.removesuffix(".md"))
    until = _time(each.due, zone)
    return (
        f"- **{escape(each.text)}** · {escape(each.checklist)} · until {until}\n"
        f"    Tick it in [[{note}]], or `deskhand checklist sign {_code(each.checklist)}/{_code(each.step)}`"
    )


def _round(each: Round, zone: tzinfo) -> str:
    where = "it did not run" if each.note is None else f"[[{_code(each.note.removesuffix('.md'))}]]"
    return f"- {escape(each.checklist)} · **{escape(each.state)}** · {_time(each.at, zone)} · {where}"


def _code(text: str) -> str:
    """*text* inside a code span, where a backslash escapes nothing."""
    return visible(text).replace("`", "'")


def _time(epoch: float, zone: tzinfo) -> str:
    return f"{datetime.fromtimestamp(epoch, zone):%Y-%m-%d %H:%M:%S}"
