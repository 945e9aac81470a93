"""Durations and sizes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.core.units import parse_duration, parse_size, show_duration, show_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("200ms", 0.2), ("10s", 10), ("10m", 600), ("2h", 7200), ("7d", 604800), ("1.5 h", 5400), ("30", 30), ("0", 0)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [("2GiB", 2**31), ("512KiB", 524288), ("10MB", 10_000_000), ("1.5KiB", 1536), ("0", 0), ("4096", 4096), ("5 B", 5)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "-1s", "1h30m", "ten", "1e3s", "inf", "nan", "5w", "1M", "٣s", "1" * 40])
def test_durations_that_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "hint"), [("10M", "MB or MiB"), ("1.0001KiB", "whole"), ("-1", "number"), ("5s", "unit")]
)
def test_sizes_that_are_refused(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        parse_size(text)


@given(st.integers(0, 10**15))
def test_sizes_read_back(size: int) -> None:
    assert parse_size(show_size(size)) == size


@given(st.integers(0, 10**10).map(lambda ms: ms / 1000))
def test_durations_read_back(seconds: float) -> None:
    assert parse_duration(show_duration(seconds)) == seconds
