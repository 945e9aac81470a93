"""The settle rules as arithmetic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.core.settings import Intake
from deskhand.core.settle import (
    Candidate,
    Ignore,
    Kind,
    Observation,
    Refuse,
    Stalled,
    Take,
    Wait,
    downloading,
    judge,
    observed,
    refused_by_writer,
    restless,
)

RULES = Intake()


def seen(size: int = 5, kind: Kind = Kind.FILE, *, mtime: int = 1, ino: int = 7, entries: int = 0) -> Observation:
    return Observation(kind, 1, ino, size, mtime, mtime, entries, 0)


def test_a_copied_file_waits_for_quiet_time_and_is_then_taken() -> None:
    first = observed(None, seen(), 10.0)
    assert judge(first, RULES, 10.0) == Wait(10.2)
    assert isinstance(judge(observed(first, seen(), 10.19), RULES, 10.19), Wait)
    assert isinstance(judge(observed(first, seen(), 10.2), RULES, 10.2), Take)


def test_any_change_starts_the_quiet_time_again() -> None:
    first = observed(None, seen(), 10.0)
    for change in (seen(size=6), seen(mtime=2)):
        assert judge(observed(first, change, 10.5), RULES, 10.5) == Wait(10.7)


def test_another_file_under_the_name_begins_anew() -> None:
    old = observed(None, seen(), 10.0, moved_in=True)
    new = observed(old, seen(ino=8), 11.0)
    assert new.first_seen == 11.0
    assert not new.moved_in


def test_what_was_moved_in_is_taken_at_once_unless_somebody_writes() -> None:
    moved = observed(None, seen(), 10.0, moved_in=True)
    assert judge(moved, RULES, 10.0) == Take()
    busy = refused_by_writer(moved, 10.0)
    assert judge(busy, RULES, 10.0) == Wait(10.2)
    assert judge(busy, RULES, 10.2) == Take()


def test_looks_at_a_writer_become_rarer_but_never_end() -> None:
    busy = observed(None, seen(), 0.0)
    now = 0.0
    pauses = []
    for _ in range(40):
        busy = refused_by_writer(busy, now)
        verdict = judge(busy, RULES, now)
        assert isinstance(verdict, Wait)
        pauses.append(verdict.until - now)
        now = verdict.until
    assert pauses == sorted(pauses)
    assert pauses[-1] == 2.0


def test_f19_an_empty_file_waits_longer_and_never_while_its_download_runs() -> None:
    empty = observed(None, seen(size=0), 10.0)
    assert judge(empty, RULES, 10.3) == Wait(20.0)
    assert judge(empty, RULES, 20.0) == Take()
    beside = Candidate(seen(size=0), 10.0, 10.0, awaits_download=True)
    assert judge(beside, RULES, 100.0) == Wait(float("inf"))
    assert isinstance(judge(beside, RULES, 700.0), Stalled)


def test_a_folder_waits_for_its_tree_even_when_moved_in() -> None:
    folder = observed(None, seen(kind=Kind.FOLDER, entries=1), 10.0, moved_in=True)
    assert judge(folder, RULES, 10.0) == Wait(12.0)
    assert judge(folder, RULES, 12.0) == Take()


def test_an_empty_folder_is_left_alone_and_a_huge_one_refused() -> None:
    assert isinstance(judge(observed(None, seen(kind=Kind.FOLDER), 0.0), RULES, 99.0), Ignore)
    huge = observed(None, seen(kind=Kind.FOLDER, entries=RULES.max_files + 1), 0.0)
    assert isinstance(judge(huge, RULES, 0.0), Refuse)


def test_f27_too_large_is_refused_at_first_sight() -> None:
    verdict = judge(observed(None, seen(size=RULES.max_size + 1), 0.0), RULES, 0.0)
    assert isinstance(verdict, Refuse)
    assert "intake.max_size" in verdict.reason


def test_links_are_taken_at_once_and_special_files_refused() -> None:
    assert judge(observed(None, seen(kind=Kind.LINK), 0.0), RULES, 0.0) == Take()
    assert isinstance(judge(observed(None, seen(kind=Kind.SPECIAL), 0.0), RULES, 0.0), Refuse)


def test_stalled_is_said_after_the_limit_and_is_not_final() -> None:
    slow = observed(None, seen(size=1), 0.0)
    slow = observed(slow, seen(size=2), 700.0)
    assert judge(slow, RULES, 700.0) == Stalled(700.2)
    assert judge(slow, RULES, 700.2) == Take()


def test_a_change_seen_while_taking_forgets_that_it_was_moved_in() -> None:
    again = restless(observed(None, seen(), 5.0, moved_in=True), 6.0)
    assert judge(again, RULES, 6.0) == Wait(6.2)


@pytest.mark.parametrize(
    ("name", "beside", "expected"),
    [
        ("a.pdf", {"a.pdf.part"}, True),
        ("a.pdf", {"a.Xy12Z.pdf.part"}, True),
        ("a.pdf", {"a.pdf.crdownload"}, True),
        ("a.pdf", {"b.pdf.part"}, False),
        ("a.pdf", {"a.pdf"}, False),
        ("a.pdf", set(), False),
        ("README", {"README.part"}, True),
    ],
)
def test_f12_a_placeholder_waits_for_its_own_download_only(name: str, beside: set[str], expected: bool) -> None:
    assert downloading(name, beside) is expected


@given(
    times=st.lists(st.floats(0, 5, allow_nan=False), min_size=1, max_size=30).map(sorted),
    sizes=st.lists(st.integers(1, 3), min_size=30, max_size=30),
    mtime=st.sampled_from([0, -1, 2**62]),
)
def test_f14_nothing_is_taken_before_it_was_quiet_whatever_its_time_says(
    times: list[float], sizes: list[int], mtime: int
) -> None:
    candidate: Candidate | None = None
    last: tuple[int, float] | None = None
    for now, size in zip(times, sizes, strict=False):
        candidate = observed(candidate, seen(size=size, mtime=mtime), now)
        if last is None or last[0] != size:
            last = (size, now)
        quiet = now - last[1] >= RULES.settle
        assert (judge(candidate, RULES, now) == Take()) == (last[1] + RULES.settle <= now), quiet
