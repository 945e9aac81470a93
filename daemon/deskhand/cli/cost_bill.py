"""Comparing a bill with the log, and putting it on record."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from deskhand.cli.cost_facts import entries
from deskhand.cli.frame import Frame
from deskhand.core import bill, money
from deskhand.errors import StoreError, UsageError
from deskhand.host.client import request

MAX = 64 * 1024 * 1024
"""Bytes of a bill."""


def compare(
    frame: Frame, path: Path, date_column: str | None, amount_column: str | None, *, record: bool
) -> dict[str, Any]:
    """Each day of the bill, ours and theirs; with *record* that goes on record.  UsageError for what is no bill."""
    data = _read(path)
    try:
        billed = bill.days(data.decode("utf-8-sig"), date_column, amount_column)
    except (UnicodeDecodeError, ValueError) as error:
        hint = "name the columns: --date-column, --amount-column"
        raise UsageError("reading a bill", str(error), path=path, hint=hint) from error
    first = date.fromisoformat(min(billed))
    ours: dict[str, float] = {}
    for entry in entries(frame, datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp()):
        day = money.day_of(entry.at)
        ours[day] = round(ours.get(day, 0.0) + entry.amount, money.PLACES)
    currency, digest = frame.settings.cost.currency, hashlib.sha256(data).hexdigest()
    days = []
    for day, amount in sorted(billed.items()):
        own = ours.get(day, 0.0)
        days.append({"day": day, "ours": own, "billed": amount, "difference": round(amount - own, money.PLACES)})
        if record:
            request(frame.desk, "billed", {"day": day, "amount": amount, "currency": currency, "bill_sha256": digest})
    return {"currency": currency, "bill_sha256": digest, "days": days, "recorded": record}


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX + 1)
    except OSError as error:
        raise StoreError("reading a bill", error.strerror or str(error), path=path) from error
    if len(data) > MAX:
        raise UsageError("reading a bill", f"it is larger than {MAX} bytes", path=path)
    return data
