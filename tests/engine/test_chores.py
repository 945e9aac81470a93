"""Chores: one at a time, results on the deciding thread, answers only when durable, an end that does not wait."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest

from deskhand.engine.chores import Chores
from deskhand.errors import DeskhandError
from deskhand.store.files import FsyncError
from deskhand.testing.log import MemoryLog


class Bell:
    """Counts rings."""

    def __init__(self) -> None:
        self.rung = threading.Semaphore(0)

    def ring(self) -> None:
        self.rung.release()

    def wait(self) -> None:
        assert self.rung.acquire(timeout=5.0)


@pytest.fixture
def bell() -> Bell:
    return Bell()


@pytest.fixture
def chores(bell: Bell) -> Chores:
    return Chores(bell.ring, MemoryLog())


def test_the_result_follows_on_the_deciding_thread_and_is_told_when_durable(chores: Chores, bell: Bell) -> None:
    threads: list[str] = []

    def call() -> int:
        threads.append(threading.current_thread().name)
        return 7

    def then(done: Future[int]) -> str:
        threads.append(threading.current_thread().name)
        return f"got {done.result()}"

    promise = chores.submit("count", call, then)
    assert "count" in chores.names
    bell.wait()
    assert threads == ["chores"], "nothing follows before it is heard"
    chores.hear()
    assert threads == ["chores", threading.current_thread().name] and not promise.done() and chores.names == ()
    chores.settle()
    assert promise.result() == "got 7"
    chores.close(5.0)


def test_one_at_a_time_in_order(chores: Chores, bell: Bell) -> None:
    gate, order = threading.Event(), []

    def first() -> None:
        gate.wait(5.0)
        order.append(1)

    chores.submit("first", first)
    chores.submit("second", lambda: order.append(2))
    assert chores.names == ("first", "second") and order == []
    gate.set()
    bell.wait()
    bell.wait()
    assert order == [1, 2]
    chores.close(5.0)


def test_one_that_only_watches_does_not_hold_up_the_next(chores: Chores, bell: Bell) -> None:
    later: Future[str] = Future()
    promise: Future[object] = chores.submit("watch", lambda: later)
    second = chores.submit("next", lambda: "done")
    bell.wait()
    chores.hear()
    chores.settle()
    assert second.result() == "done" and not promise.done() and chores.names == ("watch",)
    later.set_result("over")
    bell.wait()
    chores.hear()
    chores.settle()
    assert promise.result() == "over"
    chores.close(5.0)


def test_an_error_is_the_answer_and_a_failed_sync_ends_the_daemon(chores: Chores, bell: Bell) -> None:
    def broken() -> None:
        raise ValueError("odd")

    def unsynced() -> None:
        raise FsyncError(5, "no")

    promise = chores.submit("broken", broken)
    bell.wait()
    chores.hear()
    chores.settle()
    assert isinstance(promise.exception(), ValueError)
    chores.submit("unsynced", unsynced)
    bell.wait()
    with pytest.raises(FsyncError):
        chores.hear()
    chores.close(5.0)


def test_it_ends_without_waiting_for_what_hangs_and_begins_nothing_more(chores: Chores) -> None:
    gate = threading.Event()
    chores.submit("hangs", lambda: gate.wait(30.0))
    chores.close(0.01)
    assert isinstance(chores.submit("late", lambda: 1).exception(), DeskhandError)
    gate.set()
