"""The order in which tasks start: priority, arrival, ageing, limits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from deskhand.core.recipe import Pin
from deskhand.core.state import State
from deskhand.core.task import Task
from deskhand.engine.dispatcher import Dispatcher

AGEING = 300.0
HASH = "0" * 64


def task(number: int, *, priority: int = 0, received: float = 0.0, recipe: str = "note", **more: object) -> Task:
    """A task that is ready."""
    ready = Task(
        key=f"20261120-000000-{number:06d}",
        state=State.READY,
        tn=2,
        seq=number * 10,
        first_seq=number,
        since=received,
        received=received,
        task_sha256=HASH,
        input_sha256=HASH,
        pin=Pin(recipe, 1, HASH),
        priority=priority,
    )
    return replace(ready, **more)


def order(tasks: list[Task], now: float = 1e9, full: frozenset[str] = frozenset()) -> list[int]:
    """Arrival numbers in starting order."""
    dispatcher = Dispatcher(AGEING)
    known = {each.key: each for each in tasks}
    for each in tasks:
        dispatcher.add(each)
    dispatcher.mature(now, known.get)
    return [each.first_seq for each in dispatcher.ready(known.get, lambda recipe: recipe in full)]


@given(st.permutations(range(1, 12)))
def test_first_come_first_served(arrivals: list[int]) -> None:
    assert order([task(number, received=float(number)) for number in arrivals]) == sorted(arrivals)


def test_priority_comes_first() -> None:
    assert order([task(1), task(2, priority=5), task(3, priority=-5)]) == [2, 1, 3]


@given(st.integers(1, 10), st.floats(0.1, 10_000))
def test_f61_low_priority_is_overtaken_within_its_ageing_bound_only(priority: int, later: float) -> None:
    low, high = task(1, received=0.0), task(2, priority=priority, received=later)
    overtaken = order([low, high])[0] == 2
    assert overtaken == (later < priority * AGEING)


def test_f61_endless_high_priority_does_not_starve_anybody() -> None:
    """A new urgent task every second, one start a second: the old one is started within ten steps of ageing."""
    dispatcher = Dispatcher(AGEING)
    known = {}
    low = task(1, received=0.0)
    for number in range(2, 4000):
        urgent = task(number, priority=10, received=float(number))
        for each in (low,) if number == 2 else ():
            known[each.key] = each
            dispatcher.add(each)
        known[urgent.key] = urgent
        dispatcher.add(urgent)
        dispatcher.mature(float(number), known.get)
        started = next(dispatcher.ready(known.get, lambda recipe: False))
        if started.first_seq == 1:
            assert number <= 10 * AGEING + 2
            return
    raise AssertionError("it starved")


def test_a_task_waits_for_its_time() -> None:
    dispatcher = Dispatcher(AGEING)
    later = task(1, next_at=500.0)
    dispatcher.add(later)
    known = {later.key: later}
    assert dispatcher.next_due() == 500.0
    dispatcher.mature(499.0, known.get)
    assert list(dispatcher.ready(known.get, lambda recipe: False)) == []
    dispatcher.mature(500.0, known.get)
    assert [each.first_seq for each in dispatcher.ready(known.get, lambda recipe: False)] == [1]


def test_a_full_recipe_does_not_hold_up_the_others() -> None:
    tasks = [task(1, recipe="slow"), task(2, recipe="slow"), task(3)]
    assert order(tasks, full=frozenset({"slow"})) == [3]


def test_what_is_no_longer_startable_is_skipped() -> None:
    dispatcher = Dispatcher(AGEING)
    first, second = task(1), task(2)
    for each in (first, second):
        dispatcher.add(each)
    known: dict[str, Task] = {second.key: second}
    dispatcher.mature(1e9, known.get)
    assert [each.first_seq for each in dispatcher.ready(known.get, lambda recipe: False)] == [2]
    cancelled = replace(task(3), state=State.CANCELLED)
    dispatcher.add(cancelled)
    assert dispatcher.next_due() is None


@given(st.lists(st.tuples(st.integers(-10, 10), st.floats(0, 1e6)), min_size=1, max_size=30))
def test_every_task_is_given_exactly_once(made: list[tuple[int, float]]) -> None:
    tasks = [task(number, priority=priority, received=at) for number, (priority, at) in enumerate(made, 1)]
    assert sorted(order(tasks, now=1e12)) == list(range(1, len(tasks) + 1))
