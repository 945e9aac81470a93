"""Which backups are kept, against an oracle that goes rule by rule, and what is never given up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.core.retention import Backup, Keep, Within, chosen, parse_within, plan

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
DAY = 86_400.0


def backups(*ages: float, **more: object) -> list[Backup]:
    """Verified ones, so many days old."""
    fields = {"bytes": 1000, "entries": 10, "verified": True, **more}
    return [Backup(f"b{age:g}", NOW - age * DAY, **fields) for age in ages]  # type: ignore[arg-type]


def given_up(found: list[Backup], keep: Keep, now: float = NOW) -> list[str]:
    """Names of what would be deleted."""
    return [fate.name for fate in plan(found, keep, now).given_up]


def test_the_default_keeps_a_month_and_three() -> None:
    keep = Keep(last=3, within=Within(days=30))
    assert given_up(backups(0, 1, 29, 31, 40), keep) == ["b31", "b40"]
    assert given_up(backups(100, 140, 180, 200), keep) == ["b200"]


def test_one_of_each_day_week_month_and_the_oldest_while_there_is_room() -> None:
    found = backups(0, 0.1, 1, 1.1, 2, 9)
    assert given_up(found, Keep(daily=2)) == ["b0.1", "b1.1", "b2", "b9"]
    assert given_up(found, Keep(daily=9)) == ["b0.1", "b1.1"]
    assert given_up(backups(0, 0.1, 0.2), Keep(daily=2)) == ["b0.1"], "the oldest is kept while a rule has room"
    assert given_up(found, Keep(daily=-1)) == ["b0.1", "b1.1"]
    assert given_up(found, Keep(within_weekly=Within(days=30))) == ["b0.1", "b1", "b1.1", "b2"]


def test_reasons_are_named() -> None:
    fates = plan(backups(0, 40), Keep(last=1, daily=1, within=Within(days=1)), NOW).fates
    assert fates[0].reasons == ("keep-last", "keep-within", "keep-daily")
    assert (fates[1].keep, fates[1].reasons) == (False, ("no rule keeps it",))


def test_no_rule_keeps_everything() -> None:
    assert given_up(backups(0, 1, 400), Keep()) == []


@pytest.mark.parametrize("verified", [None, False])
def test_what_is_not_verified_is_neither_deleted_nor_counted(verified: bool | None) -> None:
    found = [*backups(0, 1, verified=verified), *backups(2, 3)]
    assert given_up(found, Keep(last=1)) == ["b3"], "b2 is the newest that is known to be good"


def test_kinds_do_not_replace_each_other() -> None:
    found = [*backups(0, 1), *backups(5, 6, group="full")]
    assert given_up(found, Keep(last=1)) == ["b1", "b6"]


@pytest.mark.parametrize(("size", "entries"), [(499, 10), (1000, 4), (0, 0)])
def test_a_sudden_shrink_suspends(size: int, entries: int) -> None:
    found = [*backups(0, bytes=size, entries=entries), *backups(1, 2, 3, 40)]
    decided = plan(found, Keep(last=1), NOW)
    assert decided.given_up == () and decided.suspended is not None and "were usual" in decided.suspended
    assert any("suspended" in fate.reasons[0] for fate in decided.fates)


def test_a_little_smaller_is_fine() -> None:
    assert given_up([*backups(0, bytes=501, entries=5), *backups(1, 2, 3, 40)], Keep(last=1)) == [
        "b1",
        "b2",
        "b3",
        "b40",
    ]


def test_a_clock_that_cannot_be_trusted_suspends() -> None:
    found = backups(1, 2, 40)
    assert plan(found, Keep(last=1), NOW, clock_unconfirmed=True).given_up == ()
    assert plan(found, Keep(last=1), NOW - 3 * DAY).given_up == ()
    assert "future" in str(plan(found, Keep(last=1), NOW - 3 * DAY).suspended)
    assert len(plan(found, Keep(last=1), NOW).given_up) == 2


# -- the oracle ------------------------------------------------------------------------------------------------------

PERIODS = {"hourly": "%Y-%m-%d %H", "daily": "%Y-%m-%d", "weekly": "%G %V", "monthly": "%Y-%m", "yearly": "%Y"}
counts = st.integers(-1, 4)
spans = st.none() | st.builds(
    Within, years=st.integers(0, 2), months=st.integers(0, 14), days=st.integers(0, 40), hours=st.integers(0, 40)
).filter(lambda span: span != Within())
policies = st.builds(
    Keep,
    **dict.fromkeys(("last", *PERIODS), counts),
    **dict.fromkeys(("within", *(f"within_{each}" for each in PERIODS)), spans),
)
moments = st.lists(
    st.integers(0, 3 * 365 * 24 * 4).map(lambda quarters: NOW - quarters * 900.0), unique=True, max_size=40
)


def kept(times: list[datetime], keep: Keep) -> set[datetime]:
    """What restic's manual says, set by set; *times*: newest first."""
    found: set[datetime] = set()
    for name, period in {"last": "%Y-%m-%d %H:%M:%S", **PERIODS}.items():
        first: dict[str, datetime] = {}
        for time in times:
            first.setdefault(time.strftime(period), time)
        count, newest = getattr(keep, name), list(first.values())
        found.update(newest if count == -1 else newest[:count])
        if times and (count == -1 or count > len(newest)):
            found.add(times[-1])
        span = keep.within if name == "last" else getattr(keep, f"within_{name}")
        if span is not None and times:
            found.update(time for time in newest if time > earlier(times[0], span))
    return found


def earlier(moment: datetime, span: Within) -> datetime:
    """The moment, months and years first, as a calendar counts them."""
    month = moment.month - 1 - span.months
    year = moment.year - span.years + month // 12
    first = moment.replace(year=year, month=month % 12 + 1, day=1)
    return first + timedelta(days=moment.day - 1 - span.days, hours=-span.hours)


@given(moments, policies)
def test_chosen_is_what_the_oracle_keeps(found: list[float], keep: Keep) -> None:
    newest_first = sorted(found, reverse=True)
    times = [datetime.fromtimestamp(moment, UTC) for moment in newest_first]
    mine = {time for time, reasons in zip(times, chosen(newest_first, keep), strict=True) if reasons}
    assert mine == kept(times, keep)


@given(moments, policies, st.lists(st.sampled_from([True, True, False, None]), min_size=40, max_size=40))
def test_nothing_goes_without_a_newer_verified_one(found: list[float], keep: Keep, said: list[bool | None]) -> None:
    every = [Backup(f"b{moment}", moment, 1000, 10, said[at]) for at, moment in enumerate(found)]
    decided = plan(every, keep, NOW)
    by_name = {one.name: one for one in every}
    assert {fate.name for fate in decided.fates} == set(by_name)
    for fate in decided.given_up:
        one = by_name[fate.name]
        assert one.verified
        assert any(
            other.verified and other.created > one.created and other not in gone(decided, by_name) for other in every
        )


def gone(decided: object, by_name: dict[str, Backup]) -> list[Backup]:
    """The backups that a plan gives up."""
    return [by_name[fate.name] for fate in decided.given_up]  # type: ignore[attr-defined]


# -- durations -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("30d", Within(days=30)),
        ("1y5m7d2h", Within(1, 5, 7, 2)),
        ("2h", Within(hours=2)),
        ("", None),
        ("3m", Within(months=3)),
    ],
)
def test_durations_are_read(text: str, span: Within | None) -> None:
    assert parse_within(text) == span


@pytest.mark.parametrize("text", ["30", "d", "1d2y", "0d", "1w", "-1d", "1.5d", " 1d", "1d\n", "١d"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\bmust\b"):
        parse_within(text)


def test_months_end_as_in_a_calendar() -> None:
    assert Within(months=1).before(datetime(2026, 3, 31, tzinfo=UTC)) == datetime(2026, 3, 3, tzinfo=UTC)
    assert Within(years=9999).before(datetime(2026, 3, 31, tzinfo=UTC)).year == 1
