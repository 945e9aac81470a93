"""The note of an incident: what has to be done, in order, and what the log says happened.

It is written once; from then on it belongs to the person, who works through it.  Closing replaces only the timeline,
between its two marks, and the status at the top; where those are gone nothing is touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, tzinfo

from msgspec import Struct

from deskhand.core.health import Check, Verdict
from deskhand.core.incident import RESPONSE, Incident
from deskhand.core.record import Record
from deskhand.operations.status_note import escape

EVENTS_MAX = 200
"""Events of a timeline that are shown: the newest."""
BEGIN, END = "<!-- timeline: begin -->", "<!-- timeline: end -->"
_BETWEEN = re.compile(f"{BEGIN}\n.*?{END}", re.DOTALL)
_STATUS = re.compile(r"\A(---\n(?:(?!---\n).*\n)*?)status: open\n")
_TELLING = frozenset(
    {
        *("task.failed", "task.quarantined", "task.lost", "task.in_doubt", "task.expired", "drop.refused"),
        *("daemon.started", "daemon.stopped", "desk.paused", "desk.resumed", "desk.adopted", "log.recovered"),
        *("log.clock_step", "watch.degraded", "watch.restored", "config.changed", "recipe.blessed", "health.changed"),
        *("incident.opened", "incident.closed", "foreign.found", "foreign.restored", "approval.ignored"),
        *("backup.created", "backup.verified", "backup.pruned", "restore.performed", "drill.finished"),
        *("checklist.finished", "task.forgotten", "cleanup.done"),
    }
)
"""Types of the records that tell what happened; the steps of work that went well are not among them."""
_STEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Assess", ("What does not work, since when, and for whom?", "Is the severity right?", "deskhand health --full")),
    ("Communicate", ("Who has to know now? Tell them what is known and when they hear more.",)),
    ("Mitigate", ("What stops the harm first? Such as: deskhand pause", "Note what was done, with the time.")),
    (
        "Investigate",
        ("deskhand audit show --since 6h", "deskhand task trace ID, for a task that failed", "What was the cause?"),
    ),
    ("Resolve", ("Take the cause away.", "deskhand resume", "deskhand health --full --canary")),
    ("Document", ("What happened, in three sentences:", "What is lost or was done twice, if anything:")),
    ("Review", ("What would have shown it sooner?", "What keeps it from coming back, who does it, and until when?")),
)


class Event(Struct, frozen=True):
    """Something that happened."""

    at: float
    """Epoch seconds."""
    seq: int
    """Number of its record."""
    text: str


def events(records: Iterable[Record]) -> list[Event]:
    """What tells what happened, in order."""
    return [Event(each.ts, each.seq, _told(each)) for each in records if each.type in _TELLING]


def render(incident: Incident, bad: Sequence[Check], happened: Sequence[Event], zone: tzinfo) -> str:
    """The note of an incident that is opened now.  *bad*: what the look at the desk's health found not ok."""
    opened = datetime.fromtimestamp(incident.opened, UTC)
    front = f"incident: {incident.id}\nseverity: {incident.severity}\nstatus: open\nopened: {opened:%Y-%m-%dT%H:%M:%SZ}"
    close = f"`deskhand health incident close {incident.id}`"
    blocks = [
        f"---\n{front}\n---",
        f"# {incident.severity}: {escape(incident.title)}",
        f"Somebody has to look at it **{RESPONSE[incident.severity]}**. When it is over: {close}",
        "\n".join(["Not as it should be when this was opened:", "", *_found(bad)]),
        *(_step(number, *step) for number, step in enumerate(_STEPS, 1)),
        f"## Timeline\n\nFrom the audit log; replaced when the incident is closed.\n\n{_block(happened, zone)}",
    ]
    return "\n\n".join(blocks) + "\n"


def closed(text: str, happened: Sequence[Event], zone: tzinfo) -> str:
    """The note *text* as it stands when the incident is closed."""
    done = _STATUS.sub(r"\1status: closed\n", text, count=1)
    return _BETWEEN.sub(lambda _: _block(happened, zone), done, count=1)


def _found(bad: Sequence[Check]) -> list[str]:
    lines = [
        f"- **{check.name}** {check.verdict}: {escape(check.reason)}"
        for check in bad
        if check.verdict is not Verdict.OK
    ]
    return lines or ["- every check was ok"]


def _step(number: int, title: str, lines: Sequence[str]) -> str:
    shown = [f"- [ ] {_code(line) if line.startswith('deskhand ') else line}" for line in lines]
    return "\n".join([f"## {number}. {title}", "", *shown])


def _code(line: str) -> str:
    command, comma, rest = line.partition(",")
    return f"`{command}`{comma}{rest}"


def _block(happened: Sequence[Event], zone: tzinfo) -> str:
    left_out = len(happened) - EVENTS_MAX
    lines = [f"- {_time(each.at, zone)} {escape(each.text)} (record {each.seq})" for each in happened[-EVENTS_MAX:]]
    if left_out > 0:
        lines.insert(0, f"- {left_out} earlier events are left out: `deskhand audit show`")
    return "\n".join([BEGIN, *(lines or ["- nothing out of the ordinary is on record"]), END])


def _time(epoch: float, zone: tzinfo) -> str:
    return f"{datetime.fromtimestamp(epoch, zone):%Y-%m-%d %H:%M:%S}"


def _told(record: Record) -> str:
    fields = record.fields
    match record.type:
        case "health.changed":
            text = f"health: {fields.get('check')} went from {fields.get('from')} to {fields.get('to')}"
        case "incident.opened" | "incident.closed":
            text = f"{record.type.replace('.', ' ')} ({fields.get('severity')})"
        case "log.clock_step":
            text = f"the clock was set by {fields.get('step_s')} s"
        case kind:
            about = (fields.get(name) for name in ("task", "inbox", "name", "checklist", "key"))
            text = " ".join([kind.replace(".", " ").replace("_", " "), *(str(each) for each in about if each)])
    reason = fields.get("reason")
    return f"{text}: {reason}" if reason else text
