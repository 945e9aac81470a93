"""What the log says about schedules and checklists, however a batch was torn."""

from __future__ import annotations

import msgspec

from deskhand.core.routine import STARTED, Routine, schedule_of

RUN = {"checklist": "c", "run_id": "r", "sha256": "0" * 64, "note": "n.md", "occurrence": 100.0}


def test_a_run_that_began_counts_as_handled_although_nothing_follows_on_record() -> None:
    routine = Routine()
    routine.take("checklist.started", RUN, 105.0)
    handled = routine.schedules[schedule_of("c")]
    assert (handled.occurrence, handled.result, handled.late_s) == (100.0, STARTED, 5.0)
    assert list(routine.runs) == ["r"]


def test_what_ends_later_than_its_successor_changes_nothing_but_a_clock_that_was_set_back_does() -> None:
    routine = Routine()
    for occurrence, result in ((200.0, "started"), (100.0, "ok")):
        routine.take("schedule.handled", {"schedule": "s", "occurrence": occurrence, "result": result}, 0.0)
    assert routine.schedules["s"].occurrence == 200.0
    routine.take("schedule.handled", {"schedule": "s", "occurrence": 50.0, "result": "rebased"}, 0.0)
    assert routine.schedules["s"].occurrence == 50.0


def test_it_survives_a_snapshot() -> None:
    routine = Routine()
    routine.take("checklist.adopted", {"checklists": {"c": "1" * 64}}, 1.0)
    routine.take("checklist.started", RUN, 105.0)
    routine.take("checklist.step", {**RUN, "step": "a", "state": "waiting", "reason": "why"}, 106.0)
    routine.take("backup.verified", {"name": "b", "ok": True}, 107.0)
    back = msgspec.json.decode(msgspec.json.encode(routine), type=Routine)
    assert back == routine and back.runs["r"].steps["a"].reason == "why"
    back.take("checklist.finished", {**RUN, "state": "ok"}, 108.0)
    assert back.runs == {} and back.finished["c"].state == "ok"
    back.take("checklist.step", {**RUN, "step": "a", "state": "ok"}, 109.0)
    assert back.runs == {}, "what is over stays over"
