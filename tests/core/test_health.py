"""How checks make a whole, and which of their changes go on record."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.core.health import Change, Check, Verdict, changes, worst, worst_of

OK, DEGRADED, UNKNOWN, DOWN = Verdict.OK, Verdict.DEGRADED, Verdict.UNKNOWN, Verdict.DOWN
verdicts = st.sampled_from(Verdict)


@given(st.lists(verdicts, min_size=1))
def test_the_whole_is_ok_only_when_every_check_is(found: list[Verdict]) -> None:
    assert (worst(found) is OK) == all(verdict is OK for verdict in found)
    assert worst(found) in found


@pytest.mark.parametrize(
    ("found", "whole"),
    [([], UNKNOWN), ([OK, DEGRADED], DEGRADED), ([DEGRADED, UNKNOWN], UNKNOWN), ([UNKNOWN, DOWN, OK], DOWN)],
)
def test_the_order_of_the_verdicts(found: list[Verdict], whole: Verdict) -> None:
    assert worst(found) is whole


def test_several_findings_are_one_check_that_names_everything_that_is_not_ok() -> None:
    found = worst_of(
        "disk",
        [
            Check("", OK, "fine"),
            Check("", DEGRADED, "low", "make room", detail="logs"),
            Check("", DOWN, "full", "make room", detail="desk"),
        ],
    )
    assert found == Check("disk", DOWN, "full; low", "make room", detail="desk; logs")
    assert found.sentence == "full; low: desk; logs"
    assert worst_of("disk", [Check("", OK, "fine")]) == Check("disk", OK, "fine")
    assert worst_of("disk", []).verdict is UNKNOWN


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (None, OK, False),  # ok from the first look on is no news
        (None, UNKNOWN, False),
        (None, DOWN, True),
        (OK, OK, False),
        (OK, UNKNOWN, True),
        (UNKNOWN, OK, True),
        (DOWN, DEGRADED, True),
    ],
)
def test_changes_are_told_once(before: Verdict | None, after: Verdict, told: bool) -> None:
    known = {} if before is None else {"disk": before}
    expected = [Change("disk", before or UNKNOWN, after, "so")] if told else []
    assert changes(known, [Check("disk", after, "so")]) == expected
