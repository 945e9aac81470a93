"""Times as people write and read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.cli.times import ago, future, local, past, span, when
from deskhand.errors import UsageError

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC).timestamp()
ZONE = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 ms"),
        (0.0124, "12 ms"),
        (0.9999, "1.0 s"),
        (4.24, "4.2 s"),
        (59.4, "59 s"),
        (59.9, "1 min"),
        (3599.0, "1 h"),
        (7500.0, "2 h 5 min"),
        (86_399.0, "1 d"),
        (604_799.9, "7 d"),
        (90_000.0, "1 d 1 h"),
        (12 * 86_400.0, "12 d"),
    ],
)
def test_span(seconds: float, text: str) -> None:
    assert span(seconds) == text


@given(st.floats(0, 1e10))
def test_span_never_says_sixty_minutes_or_nothing(seconds: float) -> None:
    text = span(seconds)
    assert re.fullmatch(r"\d+ ms|\d+(\.\d)? s|\d+ (min|d)|\d+ d \d+ h|\d+ h( \d+ min)?", text)
    assert not re.search(r"\b(60 s|60 min|24 h|0 min|0 h)\b", text)


def test_ago_and_when() -> None:
    assert (ago(NOW - 300, NOW), ago(NOW + 7200, NOW), ago(NOW, NOW)) == ("5 min ago", "in 2 h", "now")
    assert when(NOW - 300, NOW, ZONE) == "2026-11-20 13:55:00 (5 min ago)"
    assert local(NOW, ZONE, seconds=False) == "2026-11-20 14:00"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2h", NOW - 7200),
        ("90m", NOW - 5400),
        ("2026-11-19", NOW - 86_400 - 14 * 3600),
        ("2026-11-20 08:00", NOW - 6 * 3600),
        ("2026-11-20T08:00Z", NOW - 4 * 3600),
    ],
)
def test_past(text: str, moment: float) -> None:
    assert past(text, NOW, ZONE) == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2h", NOW + 7200),
        ("+10m", NOW + 600),
        ("14:30", NOW + 1800),
        ("14:00", NOW + 86_400),
        ("08:00", NOW + 18 * 3600),
        ("2026-11-21", NOW + 10 * 3600),
    ],
)
def test_future(text: str, moment: float) -> None:
    assert future(text, NOW, ZONE) == moment


@pytest.mark.parametrize("text", ["", "soon", "25:00", "2026-13-01", "7 parsecs"])
def test_what_is_no_time_is_refused_with_a_hint(text: str) -> None:
    for read in (past, future):
        with pytest.raises(UsageError, match="is no time") as caught:
            read(text, NOW, ZONE)
        assert caught.value.hint
