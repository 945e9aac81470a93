"""Money: what a handler says, what is reserved, what is refused, and that nothing is ever lost in between."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.core import money
from deskhand.core.money import Cost, Price, Spending
from deskhand.core.record import Record, timestamp
from deskhand.core.settings import CostLimits

NOW = 1_780_000_000.0
DAY = money.day_of(NOW)
PRICE = Price(0.05, "llm")


def record(kind: str, at: float = NOW, **fields: Any) -> Record:
    return Record("", 1, at, kind, fields, "run", 0)


def started(task: str, reserved: float, recipe: str = "letters", at: float = NOW) -> Record:
    return record("task.started", at, task=task, recipe={"id": recipe, "version": 1}, reserved=reserved)


def ended(task: str, amount: float | None, kind: str = "task.completed", at: float = NOW, **more: Any) -> Record:
    cost = {} if amount is None else {"cost": {"amount": amount, "currency": "USD", "category": "llm"}}
    return record(kind, at, task=task, **cost, **more)


def folded(*records: Record) -> Spending:
    spending = Spending()
    for each in records:
        spending.take(each)
    return spending


def test_what_a_handler_says_is_believed() -> None:
    told = {"amount": 0.0123456789, "currency": "USD", "category": "sms", "usage": {"model": "m", "tokens": 9}}
    found = money.said(json.dumps(told).encode(), PRICE, "USD")
    assert found == Cost(0.012346, "USD", "sms", usage={"model": "m", "tokens": 9})
    assert money.said(b'{"amount": 0}', PRICE, "USD") == Cost(0.0, "USD", "llm")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (None, "did not say"),
        (b"", "not understood"),
        (b'{"amount": -1}', "not understood"),
        (b'{"amount": "much"}', "not understood"),
        (b'{"amount": 1, "currency": "EUR"}', "another currency than USD"),
        (b"[" * 70_000, "too long"),
        (b"[" * 5_000, "not understood"),
    ],
)
def test_what_is_not_said_counts_with_what_was_reserved(data: bytes | None, why: str) -> None:
    found = money.said(data, PRICE, "USD")
    assert (found.amount, found.known) == (0.05, False)
    assert why in (found.problem or "")


@given(st.binary(max_size=300))
def test_no_bytes_are_too_odd(data: bytes) -> None:
    found = money.said(data, PRICE, "USD")
    assert found.known or found.amount == PRICE.reserve


def test_a_reservation_counts_until_it_is_settled() -> None:
    spending = folded(started("a", 0.05))
    assert spending.spent(DAY) == 0.05
    spending.take(ended("a", 0.01))
    assert (spending.spent(DAY), spending.open) == (0.01, {})


@pytest.mark.parametrize(
    ("end", "left"),
    [
        (ended("a", None, "task.in_doubt"), 0.05),
        (ended("a", None, "task.retry"), 0.05),
        (ended("a", None, "task.cancelled"), 0.05),
        (ended("a", None, "task.retry", via="unready"), 0.0),
        (ended("a", 0.09, "task.failed"), 0.09),
    ],
    ids=["in doubt", "cut off", "cancelled", "never began", "dearer"],
)
def test_what_nobody_can_tell_stays_spent(end: Record, left: float) -> None:
    assert folded(started("a", 0.05), end).spent(DAY) == left


def test_a_run_over_midnight_belongs_to_the_day_it_began() -> None:
    spending = folded(started("a", 0.05), ended("a", 0.02, at=NOW + 86_400))
    assert spending.spent(DAY) == 0.02
    assert spending.spent(money.day_of(NOW + 86_400)) == 0.0


def test_old_days_are_forgotten() -> None:
    spending = folded(*(started(str(n), 1.0, at=NOW + n * 86_400) for n in range(9)))
    assert len(spending.days) == money.DAYS_KEPT and spending.spent(DAY) == 0.0


RUNS = st.lists(st.tuples(st.floats(0, 10), st.one_of(st.none(), st.floats(0, 10))), max_size=12)


@given(RUNS)
def test_sums_agree_with_entries(runs: list[tuple[float, float | None]]) -> None:
    records = []
    for number, (reserve, cost) in enumerate(runs):
        records.append(started(str(number), round(reserve, 6), f"r{number % 3}"))
        records.append(ended(str(number), None if cost is None else round(cost, 6), "task.retry"))
    spending = folded(*records)
    entries = list(money.entries(records))
    assert spending.spent(DAY) == pytest.approx(sum(entry.amount for entry in entries))
    assert len(entries) == len(runs)
    assert [entry.known for entry in entries] == [cost is not None for _, cost in runs]


@given(RUNS, st.floats(0.1, 30))
def test_a_day_never_costs_more_than_its_limit_allows(runs: list[tuple[float, float | None]], limit: float) -> None:
    """As long as handlers do not spend more than they reserved."""
    limits, spending = CostLimits(daily=limit), Spending()
    for number, (reserve, cost) in enumerate(runs):
        price = Price(round(reserve, 6))
        if money.refusal(limits, spending, DAY, "r", price) is None:
            spending.take(started(str(number), price.reserve, "r"))
            if cost is not None:
                spending.take(ended(str(number), min(round(cost, 6), price.reserve)))
        assert spending.spent(DAY) <= limit + 1e-6


def test_each_limit_refuses_and_says_what_to_do() -> None:
    spending = folded(started("a", 1.0), started("b", 2.0, "other"))
    limits = CostLimits(daily=3.04, per_run=0.05, per_recipe=("letters=1.02",))

    def why(limits: CostLimits, price: Price | None = PRICE) -> str | None:
        return money.refusal(limits, spending, DAY, "letters", price)

    assert why(CostLimits()) is None and why(limits, None) is None
    daily = why(CostLimits(daily=3.04)) or ""
    assert daily.startswith(money.OVER) and "3.00 of 3.04 USD are spent or reserved today, 0.05 is needed" in daily
    assert daily.endswith("deskhand cost limits --daily 3.05")
    assert why(CostLimits(daily=3.05)) is None
    assert (why(limits) or "").endswith("--per-recipe letters=1.05") is False, "the day's own limit comes first"
    assert (why(CostLimits(per_recipe=("letters=1.02",))) or "").endswith("--per-recipe letters=1.05")
    assert "0.06 USD, 0.05 is allowed" in (why(limits, Price(0.06)) or "")


def test_a_level_is_told_once() -> None:
    limits, spending = CostLimits(daily=1.0), folded(started("a", 0.49))
    assert money.level(limits, spending, DAY) is None
    spending.take(started("b", 0.3))
    assert money.level(limits, spending, DAY) == 75
    spending.take(record("cost.level", day=DAY, percent=75))
    assert money.level(limits, spending, DAY) is None
    spending.take(started("c", 0.3))
    assert money.level(limits, spending, DAY) == 100
    assert money.level(CostLimits(), spending, DAY) is None


@pytest.mark.parametrize(
    ("amount", "text"), [(0.0, "0.00"), (1.5, "1.50"), (0.012346, "0.012346"), (10.0, "10.00"), (0.1, "0.10")]
)
def test_amounts_have_two_decimals_or_what_they_need(amount: float, text: str) -> None:
    assert money.shown(amount) == text


def test_a_run_that_is_not_over_is_shown_as_such() -> None:
    (entry,) = money.entries([started("a", 0.05)])
    assert (entry.running, entry.known, entry.amount) == (True, False, 0.05)


def test_times_are_utc_days() -> None:
    assert money.day_of(NOW) == timestamp(NOW)[:10]
