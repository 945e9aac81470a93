"""What callers may say: nothing that does not fit reaches a decision or the log, and everybody is answered."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from deskhand.core.state import State
from deskhand.errors import ExitCode, HeldError, UsageError
from deskhand.host.address import address
from deskhand.host.control import Control
from deskhand.host.found import init
from deskhand.testing.log import MemoryLog
from tests.support.desk import recipe
from tests.support.inside import Inside, inside

HASH = "0" * 64
KEY = "20261120-195330-k7qxpa"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Inside]:
    """A fresh desk, open."""
    init(tmp_path / "desk")
    with inside(tmp_path / "desk") as opened:
        yield opened


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """An open desk for tests that change nothing."""
    root = tmp_path_factory.mktemp("untouched") / "desk"
    init(root)
    with inside(root) as opened:
        yield opened


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("status", {"what": 1}),
        ("pause", {"drain": {}}),
        ("wait", {}),
        ("wait", {"key": ["x"]}),
        ("wait", {"key": "x" * 256}),
        ("cancel", {"key": KEY, "reason": 5}),
        ("approve", {"key": KEY, "digest": HASH, "reason": ["x"]}),
        ("reject", {"key": KEY, "reason": "x" * 8001}),
        ("happened", {"key": KEY, "digest": 1}),
        ("bless", {"recipe": {"id": "x"}, "purpose": "p"}),
        ("bless", {"recipe": {"id": "x", "version": 2**63, "sha256": HASH}, "purpose": "p"}),
        ("bless", {"recipe": {"id": "x", "version": 1, "sha256": "z"}, "purpose": "p"}),
        ("bless", {"recipe": {"id": "x", "version": 1, "sha256": HASH}, "purpose": 1}),
        ("note", {"key": {}}),
        ("note", {"key": 2**70}),
        ("note", {"key": "scan_interval", "actor": "me"}),
    ],
)
def test_arguments_that_do_not_fit_are_refused_and_not_recorded(
    untouched: Inside, verb: str, arguments: dict[str, Any]
) -> None:
    untouched.engine.tick()
    before = untouched.session.audit.head.seq
    with pytest.raises(UsageError) as caught:
        untouched.command(verb, **arguments)
    assert caught.value.exit_code == ExitCode.USAGE
    untouched.engine.tick()
    assert untouched.session.audit.head.seq == before


def test_an_answer_with_a_list_for_a_reason_leaves_the_question_open(desk: Inside) -> None:
    desk.bless(recipe("ask", "keep", approval="required"), "ask")
    key = desk.drop(recipe="ask")
    desk.until_state(key, State.WAITING)
    task = desk.task(key)
    assert task is not None
    with pytest.raises(UsageError):
        desk.command("approve", key=key, digest=task.digest, reason=["x"])
    assert desk.command("approve", key=key, digest=task.digest, reason="yes")["state"] == State.APPROVED


def test_what_only_a_daemon_knows_is_not_made_up_without_one(untouched: Inside) -> None:
    with pytest.raises(HeldError, match="no daemon runs"):
        untouched.command("health")


def test_who_waits_for_what_nobody_dropped_is_told(desk: Inside) -> None:
    promise = desk.command("wait", key=KEY)
    assert isinstance(promise, Future)
    desk.until(promise.done, "an answer")
    assert promise.result()["state"] is None


def test_who_waits_for_what_is_about_to_be_taken_waits(desk: Inside) -> None:
    desk.command("pause")
    desk.engine.tick()
    key = desk.drop(b"x")
    promise = desk.command("wait", key=key)
    for _ in range(3):
        desk.engine.tick()
        desk.commands.settle()
    assert not promise.done()
    desk.command("resume")
    desk.until(promise.done, "it is over")
    assert promise.result()["state"] == State.COMPLETED


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Control]:
    """A socket that listens."""
    made = Control(tmp_path / "control", lambda: None, MemoryLog())
    made.start()
    yield made
    made.close()


def call(path: Path, said: object) -> socket.socket:
    """A caller that said something."""
    caller = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    caller.settimeout(5)
    with address(path) as where:
        caller.connect(where)
    caller.sendall(json.dumps(said).encode() + b"\n")
    return caller


@pytest.mark.parametrize(
    "said", [{"verb": "status", "arguments": [1]}, {"verb": ["x"]}, {}, [], {"verb": "status", "arguments": None}]
)
def test_every_caller_is_answered(control: Control, tmp_path: Path, said: object) -> None:
    with call(tmp_path / "control", said) as caller:
        assert json.loads(caller.recv(1 << 16))["error"]["exit_code"] == ExitCode.USAGE
    assert control.pending() == []


def test_a_caller_that_has_gone_keeps_no_thread(
    control: Control, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deskhand.host.control.IDLE", 0.02)
    call(tmp_path / "control", {"verb": "wait", "arguments": {"key": KEY}}).close()
    end = time.monotonic() + 5
    heard: list[object] = []
    while not heard:
        heard = list(control.pending())
        assert time.monotonic() < end
    for thread in [each for each in threading.enumerate() if each.name == "control-caller"]:
        thread.join(5)
        assert not thread.is_alive()
