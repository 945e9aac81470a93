"""The chain: every change to a run of lines is seen, and the right line is named."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from deskhand.core.chain import START, Link, claim, explain, follow, link_of
from deskhand.core.record import Draft, Stamp, decode, encode, line_hash
from deskhand.core.task_story import TaskStories


def run(count: int, link: Link = START, word: str = "") -> list[bytes]:
    """*count* heartbeat lines that continue *link*."""
    lines = []
    for number in range(count):
        draft = Draft("desk.paused", {"reason": f"{word}{number}"})
        line = encode(draft, Stamp(link.hash, link.seq + 1, 0.0, "r", number, "s" * 22))
        link = link_of(line, link.seq + 1)
        lines.append(line)
    return lines


LINES = run(8)


def test_a_good_run_ends_at_the_hash_of_its_last_line() -> None:
    assert follow(START, LINES) == (Link(8, line_hash(LINES[-1])), 8)
    assert follow(START, []) == (START, 0)


def test_a_piece_without_its_line_feed_never_counts_even_when_the_next_one_builds_on_it() -> None:
    first = LINES[0][:-1]
    second = LINES[1].replace(line_hash(LINES[0]).encode(), line_hash(first).encode())
    assert follow(START, [first, second]) == (START, 0)


@given(st.integers(0, 8))
def test_a_run_can_be_checked_in_pieces(cut: int) -> None:
    link, first = follow(START, LINES[:cut])
    end, rest = follow(link, LINES[cut:])
    assert (first + rest, end) == (8, follow(START, LINES)[0])


@given(st.integers(0, 7), st.data())
def test_a_changed_byte_breaks_the_chain_there_and_is_named(index: int, data: st.DataObject) -> None:
    line = LINES[index]
    at = data.draw(st.integers(0, len(line) - 1))
    changed = line[:at] + bytes([line[at] ^ data.draw(st.integers(1, 255))]) + line[at + 1 :]
    lines = [*LINES[:index], changed, *LINES[index + 1 :]]
    link, good = follow(START, lines)
    if good == 8:
        assert index == 7 and link.hash != line_hash(LINES[-1])
        return
    assert good in (index, index + 1)
    after = lines[good + 1] if good < 7 else None
    says = None if after is None else claim(after)
    vouched = line_hash(LINES[-1]) if after is None else says and says.prev
    fault = explain(link, lines[good], vouched)
    assert good - fault.before == index
    assert fault.reason


@given(st.permutations(range(8)))
def test_no_other_order_is_accepted(order: list[int]) -> None:
    assume(order != list(range(8)))
    _, good = follow(START, [LINES[index] for index in order])
    assert good == next(place for place, index in enumerate(order) if place != index)


@pytest.mark.parametrize(
    ("lines", "good", "words"),
    [
        (LINES[:3] + LINES[4:], 3, "record 4 is missing before this line"),
        (LINES[:3] + LINES[6:], 3, "records 4 to 6 are missing"),
        (LINES[1:], 0, "record 1 is missing"),
        ([*LINES[:3], LINES[2], *LINES[3:]], 3, "record 3 stands where 4 should: duplicated or moved"),
        ([*LINES[:3], b"garbage\n"], 3, "does not begin"),
        ([*LINES[:3], LINES[3][:-1]], 3, "incomplete"),
        ([*LINES[:3], *run(2, Link(3, "f" * 64))], 3, "its prev is ffff"),
        ([*LINES[:3], LINES[3].replace(b'"seq":4', b'"seq":9')], 3, "its seq is 9, but 4 comes next"),
    ],
)
def test_what_broke_the_chain_is_said(lines: list[bytes], good: int, words: str) -> None:
    link, count = follow(START, lines)
    assert count == good
    assert words in explain(link, lines[good], None).reason


@given(st.binary(max_size=120))
def test_a_claim_is_never_made_up(data: bytes) -> None:
    assert claim(data) is None or data.startswith(b'{"prev":"')
    assert claim(LINES[4]) == (line_hash(LINES[3]), 5)


# -- the tasks in it -------------------------------------------------------------------------------------------------

KEY = "20260101-000000-abcdef"


def story(*moves: tuple[str, object, object, object, object]) -> list[str | None]:
    """What is said of each (type, tn, tprev, from, to), given sequence numbers from 1."""
    stories = TaskStories(1)
    said = []
    for seq, (kind, tn, tprev, origin, to) in enumerate(moves, 1):
        fields = {"task": KEY, "tn": tn, "tprev": tprev, "from": origin, "to": to}
        deliver = {"deliver": True} if kind == "task.completed" else {}
        line = encode(Draft(kind, {**fields, **deliver}), Stamp("0" * 64, seq, 0.0, "r", 0, "s" * 22))
        said.append(stories.feed(decode(line)))
    return said


GOOD_START = (("task.received", 1, None, None, "received"), ("task.ready", 2, 1, "received", "ready"))
GOOD_END = (
    ("task.started", 3, 2, "ready", "started"),
    ("task.completed", 4, 3, "started", "completed"),
    ("task.delivered", 5, 4, "completed", "completed"),
)


def test_a_whole_history_is_accepted() -> None:
    assert story(*GOOD_START, *GOOD_END) == [None] * 5


@pytest.mark.parametrize(
    ("move", "words"),
    [
        (("task.started", 4, 2, "ready", "started"), "tn 4 and tprev 2 should be 3 and 2"),
        (("task.started", 3, 1, "ready", "started"), "should be 3 and 2"),
        (("task.started", 3, 2, "retry", "started"), "from is retry, but the task was ready"),
        (("task.completed", 3, 2, "ready", "completed"), "no legal move"),
        (("task.started", 3, 2, "ready", "completed"), "cannot lead to"),
        (("task.delivered", 3, 2, "ready", "completed"), "no legal move"),
        (("task.started", 3, 2, "ready", "flying"), "to is no state"),
        (("task.received", 1, None, None, "received"), "should be 3 and 2"),
    ],
)
def test_a_record_that_does_not_follow_is_named(move: tuple[str, object, object, object, object], words: str) -> None:
    said = story(*GOOD_START, move)
    assert said[:2] == [None, None]
    assert words in str(said[2])


def test_nothing_follows_the_end_and_nothing_begins_in_the_middle() -> None:
    again = ("task.started", 6, 5, "completed", "started")
    assert "no unfinished task" in str(story(*GOOD_START, *GOOD_END, again)[-1])
    assert "a task begins as received" in str(story(("task.ready", 1, None, None, "ready"))[0])
    assert "no unfinished task" in str(story(("task.ready", 2, 1, "received", "ready"))[0])


def test_a_task_from_an_archived_day_is_taken_up_where_it_stands() -> None:
    stories = TaskStories(100)
    fields = {"task": KEY, "tn": 5, "tprev": 42, "from": "ready", "to": "started"}
    line = encode(Draft("task.started", fields), Stamp("0" * 64, 100, 0.0, "r", 0, "s" * 22))
    assert stories.feed(decode(line)) is None
    assert stories.unfinished == 1
