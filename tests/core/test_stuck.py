"""Which tasks are stuck: what should go on and does not, and nothing that waits as it may."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from deskhand.core.state import TERMINAL, State
from deskhand.core.stuck import Around, about, judge
from deskhand.core.task import Task

NOW, KEY = 1_000_000.0, "20260101-000000-abcdef"
DAY = 86_400.0
AROUND = Around(now=NOW, daemon=True, paused="no", workers=2, timeout=600.0, expires_after=7 * DAY, running={KEY})
IDLE = replace(AROUND, running=())


def task(state: str, ago: float, **facts: Any) -> Task:
    """A task that came to its state *ago* seconds ago."""
    then = NOW - ago
    return Task(KEY, State(state), 1, 1, 1, then, then, "0" * 64, "0" * 64, **facts)


def why(one: Task, around: Around = IDLE, **more: Any) -> str | None:
    found = judge(one, around, **more)
    return None if found is None else f"{found.why} -> {found.advice}"


@pytest.mark.parametrize(
    ("one", "around", "more", "said"),
    [
        (task("started", 650), AROUND, {}, None),
        (task("started", 661), AROUND, {}, "it has run for 11m, and its limit is 10m -> deskhand task cancel abcdef"),
        (task("started", 661), AROUND, {"timeout": 3600.0}, None),
        (task("started", 100), AROUND, {"timeout": 30.0}, "its limit is 30s"),
        (task("started", 10), IDLE, {}, None),
        (task("started", 61), IDLE, {}, "nothing runs -> restart the daemon"),
        (task("started", 1), replace(IDLE, daemon=False), {}, "its attempt was cut off -> deskhand run"),
        (task("ready", 59), IDLE, {}, None),
        (task("ready", 7300), IDLE, {}, "it could go on for 2h, and nothing keeps it -> deskhand doctor"),
        (task("received", 61), IDLE, {}, "nothing keeps it"),
        (task("approved", 61), IDLE, {}, "nothing keeps it"),
        (task("ready", 7200), replace(IDLE, paused="all"), {}, None),
        (task("ready", 7200), replace(IDLE, paused="intake"), {}, "nothing keeps it"),
        (task("ready", 7200), replace(IDLE, daemon=False), {}, "no daemon runs -> deskhand run"),
        (task("ready", 7200), replace(IDLE, running={"a", "b"}), {}, None),
        (task("ready", 7200), replace(IDLE, running={"a"}), {}, "nothing keeps it"),
        (task("ready", 7200), IDLE, {"held": True}, None),
        (task("retry", 7200, next_at=NOW + 5), IDLE, {}, None),
        (task("retry", 7200, next_at=NOW - 59), IDLE, {}, None),
        (task("retry", 7200, next_at=NOW - 90), IDLE, {}, "for 90s, and nothing keeps it"),
        (task("parked", 1, reason="no recipe"), IDLE, {}, "no recipe -> put that right, then: deskhand task retry"),
        (task("blocked", 9 * DAY, reason="waits for 'a'"), IDLE, {}, None),
        (task("blocked", 1, reason="waits for 'a'"), IDLE, {"hopeless": True}, "waits for 'a' -> drop or retry"),
        (task("waiting", 3 * DAY, expires=NOW + 4 * DAY), IDLE, {}, None),
        (
            task("waiting", 4 * DAY, expires=NOW + 3 * DAY),
            IDLE,
            {},
            "answered for 4d; it expires in 3d -> deskhand app",
        ),
        (task("waiting", 3.4 * DAY), IDLE, {}, None),
        (task("waiting", 3.6 * DAY), IDLE, {}, "nobody has answered for 4d -> "),
        (task("in_doubt", 1, reason="cut off"), IDLE, {}, "cut off -> deskhand approve abcdef (run it again)"),
        (task("completed", 119, undelivered=True), IDLE, {}, None),
        (task("completed", 121, undelivered=True), IDLE, {}, "its results cannot be delivered -> put that right"),
        (
            task("completed", 121, undelivered=True),
            replace(IDLE, undeliverable={KEY: "the disk is full"}),
            {},
            "cannot be delivered: the disk is full",
        ),
        (task("completed", 121, undelivered=True), replace(IDLE, daemon=False), {}, "no daemon runs -> deskhand run"),
        (task("ready", 1), replace(IDLE, unplaced={KEY}), {}, "cannot be moved where they belong -> deskhand doctor"),
    ],
)
def test_what_is_stuck(one: Task, around: Around, more: dict[str, Any], said: str | None) -> None:
    found = why(one, around, **more)
    assert (found is None) if said is None else (found is not None and said in found), found


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_what_is_over_is_not_stuck(state: State) -> None:
    assert why(task(state, 99 * DAY)) is None


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (119, "119s"), (120, "2m"), (7200, "2h"), (3 * DAY, "3d")])
def test_lengths_of_time(seconds: float, text: str) -> None:
    assert about(seconds) == text
