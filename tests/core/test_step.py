"""The state machine against the table, and the promises that every path has to keep."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from deskhand.core import event as e
from deskhand.core.recipe import Pin
from deskhand.core.record import Actor, Draft, check
from deskhand.core.replay import IllegalMove, apply, stamp_task
from deskhand.core.state import ASKING, FOLDERS, STARTABLE, TERMINAL, TRANSITIONS, State
from deskhand.core.step import CUT_ATTEMPTS, UNREADY_PAUSE, Decision, step
from deskhand.core.task import Task

PERSON = Actor(kind="person", via="rename", uid=1000)
PIN = Pin("note", 1, "a" * 64)
KEY = "20261120-195331-abcdef"


def received(**more: Any) -> Task:
    fields = {"task": KEY, "task_sha256": "1" * 64, "input_sha256": "2" * 64, "inbox": "main"}
    return apply(None, "task.received", {**fields, **more}, 1, 100.0)


def play(task: Task, event: e.Event, now: float = 200.0) -> Task:
    """The task after *event*; fails when nothing was decided."""
    decision = step(task, event, now)
    assert decision.drafts, decision.refusal
    return replayed(task, decision, now)


def replayed(task: Task, decision: Decision, now: float) -> Task:
    for draft in decision.drafts:
        stamped = stamp_task(task, task.key, draft)
        check(stamped)
        task = apply(task, stamped.type, stamped.fields, task.seq + 1, now)
    return task


def asked(expires: float | None = 1000.0, digest: str = "d" * 64, revision: int = 1) -> e.Ask:
    return e.Ask(digest, revision, expires, "because", "2" * 64)


def waiting() -> Task:
    return play(received(), e.Route(PIN, ask=asked()))


def started(attempts: int = 1) -> Task:
    task = play(received(), e.Route(PIN))
    for _ in range(attempts - 1):
        task = play(play(task, e.Start(KEY, False), 5_000.0), ended("failed", attempts=99))
    return play(task, e.Start(KEY, False), 10_000.0)


def ended(result: Any, *, idempotent: bool = True, attempts: int = 1, **more: Any) -> e.Ended:
    return e.Ended(result, "why", idempotent, attempts, backoff=10.0, **more)


def test_every_state_has_a_folder_and_a_row() -> None:
    assert set(FOLDERS) == set(State) == set(TRANSITIONS)
    assert all(not TRANSITIONS[state] for state in TERMINAL)


def test_a_drop_that_needs_nobody_is_ready_at_once() -> None:
    assert play(received(), e.Route(PIN)).state is State.READY


def test_without_a_recipe_it_is_parked_with_the_reason() -> None:
    task = play(received(), e.Route(None, problem="bless one first"))
    assert (task.state, task.reason) == (State.PARKED, "bless one first")


def test_hostile_drops_are_quarantined() -> None:
    assert play(received(), e.Route(None, problem="a link", hostile=True)).state is State.QUARANTINED


def test_a_parked_task_that_can_go_on_still_asks() -> None:
    parked = play(received(), e.Route(None, problem="no recipe"))
    assert play(parked, e.Route(PIN, ask=asked())).state is State.WAITING


def test_nothing_starts_without_the_approval_it_needs() -> None:
    ready = play(received(), e.Route(PIN))
    assert step(ready, e.Start(KEY, needs_approval=True), 200.0).refusal == "nobody has approved it"
    approved = play(waiting(), e.Answer("approved", "d" * 64, PERSON))
    assert play(approved, e.Start(KEY, needs_approval=True)).state is State.STARTED


def test_an_approval_is_for_exactly_what_was_asked() -> None:
    decision = step(waiting(), e.Answer("approved", "e" * 64, PERSON), 200.0)
    assert not decision.drafts
    assert "something else" in (decision.refusal or "")


def test_what_would_say_nothing_new_is_refused() -> None:
    lost = play(received(), e.Damage("lost", "gone"))
    assert step(lost, e.Damage("lost", "gone"), 200.0).refusal
    parked = play(received(), e.Route(None, problem="bless one first"))
    assert step(parked, e.Route(None, problem="bless one first"), 200.0).refusal == "bless one first"
    blocked = play(received(), e.Route(PIN, blocked="waits for another"))
    assert step(blocked, e.Route(PIN, blocked="waits for another"), 200.0).refusal == "waits for another"


def test_what_comes_too_late_or_too_early_is_refused() -> None:
    ready = play(received(), e.Route(PIN))
    assert step(ready, ended("ok"), 200.0).refusal
    assert step(ready, e.Expire(), 1e12).refusal
    assert step(waiting(), e.Expire(), 999.0).refusal
    assert step(ready, e.Answer("approved", "", PERSON), 200.0).refusal


def test_it_happened_is_no_answer_to_what_was_never_started() -> None:
    decision = step(waiting(), e.Answer("happened", "d" * 64, PERSON), 200.0)
    assert not decision.drafts
    assert "never started" in (decision.refusal or "")


def test_f39_after_the_expiry_a_yes_is_void() -> None:
    assert play(waiting(), e.Answer("approved", "d" * 64, PERSON), 1000.0).state is State.EXPIRED
    assert play(waiting(), e.Answer("approved", "d" * 64, PERSON), 999.9).state is State.APPROVED


def test_an_approval_does_not_survive_asking_again() -> None:
    approved = play(waiting(), e.Answer("approved", "d" * 64, PERSON))
    again = play(approved, e.Reask(asked(digest="f" * 64, revision=2)))
    assert again.state is State.WAITING
    assert again.approved is None
    assert step(again, e.Answer("approved", "d" * 64, PERSON), 200.0).refusal is not None


def test_a_question_about_a_run_in_doubt_is_asked_again_as_one() -> None:
    doubt = play(started(), ended("cut", idempotent=False, ask=asked(None)))
    again = play(doubt, e.Reask(asked(None, "f" * 64, 2)))
    assert (again.state, again.digest, again.revision) == (State.IN_DOUBT, "f" * 64, 2)


def test_without_a_recipe_there_is_nothing_to_ask_about() -> None:
    assert step(received(), e.Reask(asked()), 200.0).refusal is not None


def test_nothing_starts_before_its_time() -> None:
    task = play(received(not_before=500.0), e.Route(PIN))
    assert step(task, e.Start(KEY, False), 499.0).refusal is not None
    assert play(task, e.Start(KEY, False), 500.0).state is State.STARTED


@pytest.mark.parametrize(("attempt", "state"), [(1, State.RETRY), (2, State.RETRY), (3, State.FAILED)])
def test_failures_are_tried_again_up_to_the_recipes_limit(attempt: int, state: State) -> None:
    task = play(started(attempt), ended("failed", attempts=3), 20_000.0)
    assert task.state is state
    if state is State.RETRY:
        assert task.next_at == 20_010.0


@pytest.mark.parametrize("result", ["cut", "drained"])
def test_a_cut_off_run_that_must_not_be_repeated_goes_to_a_person(result: str) -> None:
    task = play(started(), ended(result, idempotent=False, attempts=5, ask=asked(None)))
    assert task.state is State.IN_DOUBT
    with pytest.raises(ValueError, match="no question"):
        step(started(), ended(result, idempotent=False), 200.0)


def test_f57_a_run_that_always_kills_the_daemon_ends_as_failed() -> None:
    task = started()
    for _ in range(CUT_ATTEMPTS - 1):
        task = play(task, ended("cut"))
        assert task.state is State.RETRY
        task = play(task, e.Start(KEY, False), 10_000.0)
    assert play(task, ended("cut")).state is State.FAILED


@pytest.mark.parametrize(("backoff", "pause"), [(0.0, UNREADY_PAUSE), (100.0, 100.0)])
def test_an_attempt_that_could_not_begin_is_not_made_again_at_once(backoff: float, pause: float) -> None:
    task = play(started(), e.Ended("unready", "disk full", True, 1, backoff=backoff), now=500.0)
    assert (task.state, task.next_at) == (State.RETRY, 500.0 + pause)


def test_results_are_remembered_while_they_are_undelivered() -> None:
    task = play(started(), ended("ok", results=("a" * 64,), deliver=True))
    assert task.results == ("a" * 64,)
    assert play(task, e.Delivered(())).results is None
    given_up = play(task, e.Delivered((), problem="no such path is permitted"))
    assert (given_up.undelivered, given_up.folder) == (False, "completed")
    assert given_up.reason == "no such path is permitted"
    assert play(started(), ended("ok", results=("a" * 64,))).results is None


def test_f54_a_drained_attempt_does_not_count() -> None:
    task = started()
    for _ in range(10):
        task = play(task, ended("drained"))
        assert task.state is State.RETRY
        task = play(task, e.Start(KEY, False), 10_000.0)


@pytest.mark.parametrize(
    ("verdict", "state"), [("approved", State.RETRY), ("happened", State.COMPLETED), ("rejected", State.FAILED)]
)
def test_the_three_answers_to_a_task_in_doubt(verdict: Any, state: State) -> None:
    doubt = play(started(), ended("cut", idempotent=False, ask=asked(None)))
    assert play(doubt, e.Answer(verdict, "d" * 64, PERSON)).state is state


def test_running_again_grants_one_more_attempt() -> None:
    doubt = play(started(), ended("cut", idempotent=False, ask=asked(None)))
    again = play(play(doubt, e.Answer("approved", "d" * 64, PERSON)), e.Start(KEY, False), 10_000.0)
    assert again.attempt == 2
    assert play(again, ended("failed", idempotent=False)).state is State.FAILED


def test_results_keep_a_completed_task_until_they_are_delivered() -> None:
    task = play(started(), ended("ok", deliver=True))
    assert (task.state, task.folder) == (State.COMPLETED, "pending")
    task = play(task, e.Delivered(()))
    assert task.folder == "completed"
    with pytest.raises(IllegalMove):
        play(task, e.Delivered(()))


def test_f62_cancelling() -> None:
    assert play(waiting(), e.Cancel(PERSON)).state is State.CANCELLED
    assert step(started(), e.Cancel(PERSON), 200.0).refusal is not None
    assert play(started(), ended("cancelled", actor=PERSON)).state is State.CANCELLED
    done = play(started(), ended("ok"))
    assert step(done, e.Cancel(PERSON), 200.0).refusal == "it is already completed"


def test_the_table_is_enforced_when_reading_back() -> None:
    with pytest.raises(IllegalMove):
        apply(received(), "task.completed", {}, 2, 100.0)
    with pytest.raises(IllegalMove):
        apply(None, "task.ready", {}, 2, 100.0)
    with pytest.raises(IllegalMove):
        apply(None, "log.heartbeat", {}, 2, 100.0)


ASKS = st.builds(
    asked, st.one_of(st.none(), st.floats(0, 5000)), st.sampled_from(["d" * 64, "e" * 64]), st.integers(1, 9)
)
EVENTS = st.one_of(
    st.builds(
        e.Route,
        st.one_of(st.none(), st.just(PIN)),
        ask=st.one_of(st.none(), ASKS),
        blocked=st.sampled_from([None, "x"]),
    ),
    st.builds(e.Reask, ASKS),
    st.builds(
        e.Answer,
        st.sampled_from(["approved", "rejected", "happened"]),
        st.sampled_from(["d" * 64, "e" * 64]),
        st.just(PERSON),
    ),
    st.just(e.Expire()),
    st.builds(e.Start, st.just(KEY), st.booleans()),
    st.builds(
        ended,
        st.sampled_from(["ok", "failed", "cut", "drained", "cancelled"]),
        idempotent=st.booleans(),
        attempts=st.integers(1, 4),
        deliver=st.booleans(),
        ask=ASKS,
    ),
    st.just(e.Cancel(PERSON)),
    st.sampled_from([e.Damage("lost", "gone", ("in",)), e.Damage("quarantined", "forged")]),
    st.sampled_from([e.Hold("parked", "x"), e.Hold("blocked", "y")]),
    st.just(e.Delivered(())),
)


class Life(RuleBasedStateMachine):
    """Any events in any order: the model knows only what was promised."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.approved = False
        self.starts = 0
        self.terminal_records = 0

    @initialize()
    def drop(self) -> None:
        self.task = received()

    @rule(event=EVENTS, later=st.floats(0, 500))
    @precondition(lambda self: True)
    def happen(self, event: e.Event, later: float) -> None:
        self.now += later
        before = self.task
        if isinstance(event, e.Delivered) and not before.undelivered:
            return
        if isinstance(event, e.Route) and before.state not in (State.RECEIVED, State.PARKED, State.BLOCKED):
            return
        decision = step(before, event, self.now)
        assert decision.drafts or decision.refusal
        for draft in decision.drafts:
            self._model(event, draft)
        self.task = replayed(before, decision, self.now)

    def _model(self, event: e.Event, draft: Draft) -> None:
        kind = draft.type.removeprefix("task.")
        if kind == "started":
            assert isinstance(event, e.Start)
            assert self.approved or not event.needs_approval
            self.starts += 1
        if kind == "approved":
            assert isinstance(event, e.Answer)
            assert event.digest == self.task.digest
            self.approved = True
        if kind in ("waiting", "ready"):
            self.approved = False
        if kind in TERMINAL:
            self.terminal_records += 1

    @invariant()
    def promises(self) -> None:
        task = getattr(self, "task", None)
        if task is None:
            return
        assert task.attempt == self.starts
        assert self.terminal_records == (1 if task.terminal else 0)
        assert (task.digest is not None) == (task.state in ASKING)
        assert task.state not in STARTABLE or task.pin is not None
        assert task.folder in ("inbox", "pending", "approvals", "completed", "failed", "rejected")


TestLife = Life.TestCase
TestLife.settings = settings(stateful_step_count=25)


@given(st.lists(EVENTS, max_size=8))
def test_a_decision_depends_on_its_arguments_only(events: list[e.Event]) -> None:
    for event in events:
        task = started()
        assert step(task, event, 300.0) == step(task, event, 300.0)
