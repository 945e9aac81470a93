"""The note of an incident: written with what happened, and closed without touching what a person wrote."""

from __future__ import annotations

from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.core.health import Check, Verdict
from deskhand.core.incident import Incident, Severity
from deskhand.core.record import Record
from deskhand.operations.incident_note import BEGIN, END, EVENTS_MAX, Event, closed, events, render

T = 1_790_000_000.0
INCIDENT = Incident("incident-20260921-3", Severity.P1, "the *scanner* is slow", T)


def record(seq: int, kind: str, **fields: object) -> Record:
    return Record("", seq, T + seq, kind, dict(fields), "run", 0)


HAPPENED = events(
    [
        record(1, "task.received", task="20260921-141320-aaaaaa"),
        record(2, "task.failed", task="20260921-141320-aaaaaa", reason="exit code 3"),
        record(3, "health.changed", check="disk", **{"from": "ok", "to": "degraded", "reason": "only 3 MB free"}),
        record(4, "log.heartbeat"),
        record(5, "desk.paused", reason=r"*asked* \1"),
    ]
)


def test_only_what_tells_what_happened_is_in_the_timeline() -> None:
    assert [(event.seq, event.text) for event in HAPPENED] == [
        (2, "task failed 20260921-141320-aaaaaa: exit code 3"),
        (3, "health: disk went from ok to degraded: only 3 MB free"),
        (5, r"desk paused: *asked* \1"),
    ]


def test_the_note_has_every_step_and_what_was_found() -> None:
    text = render(INCIDENT, [Check("disk", Verdict.DOWN, "full"), Check("queue", Verdict.OK, "")], HAPPENED, UTC)
    steps = ["Assess", "Communicate", "Mitigate", "Investigate", "Resolve", "Document", "Review"]
    places = [text.index(f"## {number}. {step}\n") for number, step in enumerate(steps, 1)]
    assert places == sorted(places)
    assert text.startswith("---\nincident: incident-20260921-3\nseverity: P1\nstatus: open\n")
    assert "# P1: the \\*scanner\\* is slow" in text and "**within 15 minutes**" in text
    assert "- **disk** down: full" in text and "**queue**" not in text
    assert "- 2026-09-21 14:13:22 task failed 20260921-141320-aaaaaa: exit code 3 (record 2)" in text
    assert "- every check was ok" in render(INCIDENT, [], [], UTC)


def test_closing_writes_the_timeline_and_the_status_and_nothing_else() -> None:
    text = render(INCIDENT, [], [], UTC).replace("- [ ] What was", "- [x] It was the \\1 cable.\n- [ ] What was")
    done = closed(text, HAPPENED, UTC)
    assert "status: closed\n" in done and "nothing out of the ordinary" not in done
    assert r"desk paused: \*asked\* \\1 (record 5)" in done
    assert done.count("(record 2)") == 1 and "- [x] It was the \\1 cable." in done
    assert closed(done, HAPPENED, UTC) == done

    def outside(note: str) -> str:
        before, rest = note.replace("status: closed\n", "status: open\n").split(BEGIN)
        return before + rest.split(END)[1]

    assert outside(done) == outside(text)


@given(st.text())
def test_a_note_that_a_person_made_their_own_is_left_alone(text: str) -> None:
    if BEGIN not in text and "status: open" not in text:
        assert closed(text, HAPPENED, UTC) == text


def test_status_is_changed_only_at_the_top() -> None:
    text = "My words\n\n---\nstatus: open\n---\n"
    assert closed(text, [], UTC) == text


@pytest.mark.parametrize("more", [0, 3])
def test_a_long_timeline_keeps_the_newest(more: int) -> None:
    many = [Event(T + number, number, "x") for number in range(1, EVENTS_MAX + more + 1)]
    text = render(INCIDENT, [], many, UTC)
    assert text.count("(record ") == EVENTS_MAX and f"(record {EVENTS_MAX + more})" in text
    assert ("3 earlier events are left out" in text) == bool(more)
