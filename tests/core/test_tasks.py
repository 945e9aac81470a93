"""Many unfinished tasks in little memory: packed or not, they are what was put in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.core.recipe import Pin
from deskhand.core.state import ASKING, State
from deskhand.core.task import Task
from deskhand.core.tasks import RESTING, Tasks

HASH = "0123456789abcdef" * 4
TEXTS = st.none() | st.sampled_from(["", HASH, HASH.upper(), "x" * 64, HASH[:-1]]) | st.text(max_size=70)
TIMES = st.floats(0, 2e9)
OPTIONAL: Mapping[str, st.SearchStrategy[Any]] = {
    "inbox": st.text(max_size=10),
    "pin": st.none()
    | st.builds(Pin, st.text(max_size=5), st.integers(1, 99), st.just(HASH), st.none() | st.just(HASH)),
    "priority": st.integers(-10, 10),
    "attempt": st.integers(0, 9),
    "attempt_cap_extra": st.integers(0, 9),
    "next_at": TIMES,
    "label": TEXTS,
    "after": st.lists(st.text(max_size=70), max_size=3).map(tuple),
    "digest": TEXTS,
    "revision": st.integers(0, 9),
    "expires": st.none() | TIMES,
    "approved": TEXTS,
    "reason": TEXTS,
    "undelivered": st.booleans(),
    "results": st.none() | st.lists(st.just(HASH), max_size=3).map(tuple),
    "strict": st.booleans(),
    "duplicate_of": TEXTS,
}


def tasks(state: st.SearchStrategy[State]) -> st.SearchStrategy[Task]:
    """Any task, with every field that the class has."""
    assert {
        *OPTIONAL,
        "key",
        "state",
        "tn",
        "seq",
        "first_seq",
        "since",
        "received",
        "task_sha256",
        "input_sha256",
    } == {*Task.__struct_fields__}, "a new field is not covered here"
    fixed = {
        "key": st.sampled_from(["20261120-195330-k7qxpa", "20261120-195330-aaaaaa", "20261120-195330-bbbbbb"]),
        "state": state,
        "tn": st.integers(1, 99),
        "seq": st.integers(1, 2**40),
        "first_seq": st.integers(1, 2**40),
        "since": TIMES,
        "received": TIMES,
        "task_sha256": st.just(HASH),
        "input_sha256": st.just(HASH),
    }
    return st.fixed_dictionaries({**fixed, **OPTIONAL}).map(lambda fields: Task(**fields))


@given(tasks(st.sampled_from(list(State))))
def test_a_task_is_what_was_put_in(task: Task) -> None:
    packed = Tasks(kept_open=0)
    packed[task.key] = task
    assert packed[task.key] == task and type(packed[task.key]) is Task
    assert packed.get(task.key) == task and type(packed.get(task.key)) is Task
    assert packed.state(task.key) is task.state
    assert (packed[task.key] is task) == (task.state not in RESTING)


@given(st.lists(tasks(st.sampled_from(list(State))), max_size=8), st.sets(st.integers(0, 7)))
def test_packed_or_not_makes_no_difference(found: list[Task], removed: set[int]) -> None:
    small, large = Tasks(), Tasks(kept_open=0)
    for number, task in enumerate(found):
        for each in (small, large):
            each[task.key] = task
            if number in removed:
                del each[task.key]
    assert dict(small) == dict(large) and list(small) == list(large)
    assert +small.counts == +large.counts
    assert sum(small.counts.values()) == len(small)
    assert (
        small.keys_in(ASKING) == large.keys_in(ASKING) == [key for key, task in small.items() if task.state in ASKING]
    )
    assert list(large.having(ASKING)) == [task for task in small.values() if task.state in ASKING]
    asking = list(large.having(ASKING))
    assert [large.first(ASKING, count) for count in range(4)] == [asking[:count] for count in range(4)]
    assert large.oldest() == {state: next(large.having({state})) for state in +large.counts}
    labels = {task.label for task in small.values() if task.label is not None and not task.terminal}
    for label in {task.label for task in found if task.label is not None}:
        assert small.labelled(label) == large.labelled(label) == (label in labels)


def test_what_is_not_there() -> None:
    none = Tasks()
    assert none.state("x") is None and none.get("x") is None and none.get("x", 1) == 1 and none.keys_in(ASKING) == []
    with pytest.raises(KeyError):
        del none["x"]
