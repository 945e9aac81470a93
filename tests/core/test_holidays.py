"""The file of days on which nothing is scheduled."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from deskhand.core.holidays import read


def test_days_have_names() -> None:
    found = read(b"schema: 1\ndays:\n  2026-12-25: Christmas Day\n  2027-01-01: New Year\n")
    assert found.days == {date(2026, 12, 25): "Christmas Day", date(2027, 1, 1): "New Year"}


def test_a_wrong_file_has_no_days_and_says_why() -> None:
    found = read(b"schema: 2\ndays:\n  2026-13-25: never\n  2026-12-25: Christmas Day\n")
    assert found.days == {}
    assert [violation.path for violation in found.violations] == ["schema", "days.2026-13-25"]


@given(st.binary(max_size=200))
def test_any_bytes_are_days_or_violations(data: bytes) -> None:
    found = read(data)
    assert not found.days or not found.violations
