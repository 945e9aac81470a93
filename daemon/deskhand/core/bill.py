"""A provider's bill as CSV: what it says about each day.

The columns are named or recognised by their headings.  Rows of one day add up; nothing that cannot be understood is
passed over.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from datetime import date

from deskhand.core.money import PLACES

DATES = ("date", "day", "usage_date", "usage date", "timestamp", "start_time", "time")
AMOUNTS = ("cost", "amount", "total", "total_cost", "price", "cost_usd", "amount_usd", "cost (usd)", "amount_value")
ROWS_MAX = 1_000_000
_MONEY = re.compile(r"[^0-9.,+-]")


def days(text: str, date_column: str | None, amount_column: str | None) -> dict[str, float]:
    """`YYYY-MM-DD` -> amount.  ValueError with the line when something is not understood."""
    rows = csv.reader(text.lstrip("\ufeff").splitlines())
    heads = [head.strip() for head in next(rows, [])]
    when = _column(heads, date_column, DATES, "the date")
    much = _column(heads, amount_column, AMOUNTS, "the amount")
    found: dict[str, float] = {}
    for number, row in enumerate(rows, 2):
        if number > ROWS_MAX:
            raise ValueError(f"it has more than {ROWS_MAX} lines")
        if not any(cell.strip() for cell in row):
            continue
        if max(when, much) >= len(row):
            raise ValueError(f"line {number}: it has {len(row)} columns, the heading has {len(heads)}")
        try:
            day = f"{date.fromisoformat(row[when].strip()[:10])}"
            amount = _amount(row[much])
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
        found[day] = round(found.get(day, 0.0) + amount, PLACES)
    if not found:
        raise ValueError("it has no rows")
    return found


def _column(heads: Sequence[str], wanted: str | None, known: Sequence[str], what: str) -> int:
    names = [head.lower() for head in heads]
    for name in (wanted.lower(),) if wanted else known:
        if name in names:
            return names.index(name)
    missing = f"there is no column {wanted!r}" if wanted else f"no column is recognised as {what}"
    raise ValueError(f"{missing}; there are: {', '.join(heads) or 'none'}")


def _amount(text: str) -> float:
    plain = _MONEY.sub("", text)
    if "," in plain and "." not in plain and len(plain.rpartition(",")[2]) <= 2:
        plain = plain.replace(",", ".")
    try:
        return float(plain.replace(",", ""))
    except ValueError:
        raise ValueError(f"{text!r} is no amount") from None
