"""What a dropped text may say about itself, and that hostile ones are quarantined, never a crash or a run."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.core import front_matter
from deskhand.core.front_matter import NOTHING
from deskhand.core.task import Options


def text(block: str) -> bytes:
    return f"---\n{block}\n---\nThe letter.\n".encode()


def options(block: str) -> Options:
    found = front_matter.read(text(block))
    assert found.problem is None
    assert found.options is not None
    return found.options


def problem(raw: bytes) -> str:
    found = front_matter.read(raw)
    assert found.options is None
    assert found.problem is not None
    return found.problem


def test_every_option() -> None:
    block = """title: 2026-11-20
deskhand:
  recipe: hand-over
  params: {amount: 12.50, text: yes}
  key: letters
  after: [scans, 42]
  not_before: 2026-11-24T08:00
  priority: -5
  approval: required"""
    assert options(block) == Options(
        recipe="hand-over",
        params={"amount": "12.50", "text": "yes"},
        key="letters",
        after=("scans", "42"),
        not_before=datetime(2026, 11, 24, 8, tzinfo=UTC).timestamp(),
        priority=-5,
        approval="required",
    )


def test_an_empty_wish_is_one() -> None:
    assert options("deskhand:") == Options()
    assert options("deskhand: {}") == Options()
    assert options("{deskhand: {key: a}}").key == "a"
    assert options("deskhand: {after: one}").after == ("one",)


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-11-24", datetime(2026, 11, 24, tzinfo=UTC)),
        ("2026-11-24 08:00", datetime(2026, 11, 24, 8, tzinfo=UTC)),
        ("2026-11-24T08:00:30Z", datetime(2026, 11, 24, 8, 0, 30, tzinfo=UTC)),
        ("2026-11-24 08:00+01:00", datetime(2026, 11, 24, 7, tzinfo=UTC)),
    ],
)
def test_not_before(written: str, moment: datetime) -> None:
    assert options(f"deskhand: {{not_before: '{written}'}}").not_before == moment.timestamp()


def test_not_before_in_the_zone_of_the_desk() -> None:
    zone = timezone(timedelta(hours=2))
    found = front_matter.read(text("deskhand:\n  not_before: 2026-11-24 08:00"), zone=zone).options
    assert found is not None
    assert found.not_before == datetime(2026, 11, 24, 6, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"Just a note.\n",
        b"--- not a fence\ndeskhand: {}\n---\n",
        b"\n---\ndeskhand: {recipe: x}\n---\n",
        b"---\ntitle: x\n---\ndeskhand: in the text\n",
        b"---\ntitle: &a [*a, *b]\ntitle: .nan\n---\n",
        b"---\n{{title}}\n---\n",
        b"---\nno end",
        b"---\nother:\n  deskhand: {recipe: x}\n---\n",
        "---\ntitle: x\n---\n".encode("utf-16"),
        b"---\ntitle: \xff\n---\n",
        b"\x89PNG\r\n\x1a\n\0\0",
    ],
)
def test_what_is_none_of_our_business(raw: bytes) -> None:
    assert front_matter.read(raw) == NOTHING


def test_byte_order_mark_and_windows_newlines_are_fine() -> None:
    raw = b"\xef\xbb\xbf---\r\ndeskhand:\r\n  recipe: note\r\n---\r\nx\r\n"
    assert front_matter.read(raw).options == Options(recipe="note")


def test_what_follows_the_block_is_not_judged() -> None:
    assert front_matter.read(b"---\ndeskhand: {key: a}\n---\n\xff\xfe caf\xe9 \0").problem is not None, "binary"
    assert front_matter.read(b"---\ndeskhand: {key: a}\n---\ncaf\xe9\n").options == Options(key="a")
    long = b"---\ndeskhand: {key: a}\n---\n" + "é".encode() * 40_000
    assert front_matter.read(long[:65536]).options == Options(key="a"), "a character cut in two"


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ("deskhand: [a]", "must be a mapping"),
        ("deskhand: yes", "must be a mapping"),
        ("deskhand:\n  recipes: x", "did you mean 'recipe'?"),
        ("deskhand:\n  approval: never", "must be required"),
        ("deskhand:\n  priority: 11", "from -10 to 10"),
        ("deskhand:\n  priority: .nan", "finite"),
        ("deskhand:\n  priority: high", "whole number"),
        ("deskhand:\n  not_before: tomorrow", "must be a date"),
        ("deskhand:\n  not_before: 12", "must be a date"),
        ("deskhand:\n  not_before: 0001-01-01T00:00+23:59", "from the year 1970"),
        ("deskhand:\n  not_before: 9999-12-31T23:59-23:59", "to the year 9000"),
        ("deskhand:\n  params: [a]", "must be a mapping"),
        ("deskhand:\n  params: {a: [b]}", "single value"),
        ("deskhand:\n  params: {a: true}", "params: must be text"),
        ("deskhand:\n  key: ''", "1 to 200"),
        ("deskhand:\n  after: [{a: b}]", "must be a key"),
        ("deskhand:\n  after: [" + "a, " * 101 + "]", "more than 100"),
        ("deskhand: {}\ndeskhand: {}", "twice"),
        ("deskhand:\n  key: a\n  key: b", "twice"),
        ("deskhand: &a {key: *a}", "anchors"),
        ("deskhand: {key: !!python/object/apply:os.system [x]}", "tags"),
        ("title: .nan\ndeskhand: {}", "finite"),
        ("deskhand: " + "[" * 100_000, "no end"),
        ("deskhand: " + "[" * 1000, "deeper than 20"),
        ("deskhand:\n  params: {" + ", ".join(f"a{n}: b" for n in range(101)) + "}", "more than 100"),
    ],
)
def test_f33_what_is_wrong_is_a_problem(block: str, words: str) -> None:
    started = time.perf_counter()
    assert words in problem(text(block))
    assert time.perf_counter() - started < 2


def test_problems_keep_values_and_keys_to_themselves() -> None:
    block = (
        "secret_key: &a 1\ndeskhand:\n  secret_key: secret\n  priority: secret\n  params: secret\n  after: {secret: 1}"
    )
    for line in range(len(block.splitlines())):
        shorter = "\n".join(text for number, text in enumerate(block.splitlines()) if number in (1, line))
        if line != 1:
            assert "secret" not in (front_matter.read(text(shorter)).problem or "-")
    assert "secret" not in problem(text(block))
    assert "priority: must be a whole number" in problem(text(block))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_f33_other_encodings_are_a_problem(encoding: str) -> None:
    assert "UTF-8" in problem("---\ndeskhand: {approval: required}\n---\n".encode(encoding))


def test_f33_no_utf8_and_no_end_are_problems() -> None:
    assert "UTF-8" in problem(b"---\ndeskhand: {key: caf\xe9}\n---\n")
    assert "no end" in problem(b"---\ndeskhand: {key: a}\n")


def test_lines_are_those_of_the_file() -> None:
    assert "line 3: no such key; did you mean 'key'?" in problem(b"---\ndeskhand:\n  keyy: a\n---\n")


@pytest.mark.parametrize(("name", "does"), [("a.MD", True), ("a.txt", True), ("a.markdown", True), ("a.pdf", False)])
def test_which_names_have_front_matter(name: str, does: bool) -> None:
    assert front_matter.applies(name) is does


@given(st.binary(max_size=100), st.sampled_from([b"", b"---\n", b"---\ndeskhand:\n  ", b"---\ndeskhand: {"]))
def test_f33_any_bytes_have_an_answer(raw: bytes, start: bytes) -> None:
    found = front_matter.read(start + raw + b"\n---\n")
    assert found.options is None or found.problem is None
