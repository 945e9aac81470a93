"""A provider's bill: read by its headings, understood whole or refused with the line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.core import bill
from deskhand.core.money import Spending
from deskhand.core.record import Record


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Date,Cost\n2026-11-20,1.25\n2026-11-20,0.5\n2026-11-21,0\n", {"2026-11-20": 1.75, "2026-11-21": 0.0}),
        (
            "\ufeffmodel,usage_date,amount_usd\nm,2026-11-20T10:00:00Z,$1,234.50\n".replace("1,234", '"$1,234')
            .replace('$"$', '"$')
            .replace(".50", '.50"'),
            {"2026-11-20": 1234.5},
        ),
        ('Day,Total\n\n2026-11-20,"1,25 EUR"\n', {"2026-11-20": 1.25}),
    ],
)
def test_days_add_up(text: str, found: dict[str, float]) -> None:
    assert bill.days(text, None, None) == found


def test_columns_can_be_named() -> None:
    text = "When,Paid,Cost\n2026-11-20,3,9\n"
    assert bill.days(text, "when", "PAID") == {"2026-11-20": 3.0}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no column is recognised as the date; there are: none"),
        ("Date,Tokens\n", "no column is recognised as the amount"),
        ("Date,Cost\n", "it has no rows"),
        ("Date,Cost\n2026-11-20\n", "line 2: it has 1 columns"),
        ("Date,Cost\n2026-11-20,1\nyesterday,1\n", "line 3"),
        ("Date,Cost\n2026-11-20,free\n", "line 2: 'free' is no amount"),
    ],
)
def test_what_is_not_understood_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why.replace("(", r"\(")):
        bill.days(text, None, None)


@given(st.text(max_size=200))
def test_any_text_is_a_bill_or_refused(text: str) -> None:
    try:
        found = bill.days(text, None, None)
    except ValueError:
        return
    assert found


def test_the_greater_of_bill_and_log_counts() -> None:
    spending = Spending()
    at = 1_795_219_200.0
    fields = {"task": "a", "recipe": {"id": "r"}, "reserved": 0.5}
    spending.take(Record("", 1, at, "task.started", fields, "", 0))
    day = next(iter(spending.days))
    spending.take(Record("", 2, at, "cost.billed", {"day": day, "amount": 2.0}, "", 0))
    assert spending.spent(day) == 2.5, "billed so far, and what is reserved"
    spending.take(Record("", 3, at, "cost.billed", {"day": day, "amount": 0.1}, "", 0))
    assert spending.spent(day) == 0.6
