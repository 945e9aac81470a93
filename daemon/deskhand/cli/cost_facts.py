"""What ``deskhand cost`` says and sets, as plain data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from deskhand.cli.frame import Frame
from deskhand.core import money
from deskhand.core.calendar import day_named
from deskhand.core.money import Entry
from deskhand.core.record import decode
from deskhand.core.settings import CostLimits
from deskhand.errors import StoreError, UsageError
from deskhand.host.client import request
from deskhand.store import audit_read
from deskhand.store.config_file import load, set_value
from deskhand.store.files import Files

DAY = 86_400.0


def gather(frame: Frame, date: str, days: int, breakdown: str) -> dict[str, Any]:
    """What runs cost on *days* UTC days up to *date*, added up by *breakdown*."""
    now = datetime.fromtimestamp(frame.now, UTC)
    try:
        last = day_named(date, now.date())
    except ValueError as error:
        raise UsageError("deskhand cost", f"{date!r} is no date", hint="today, yesterday or 2026-11-20") from error
    first = last - timedelta(days=days - 1)
    since = datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp()
    until = since + days * DAY
    found = [entry for entry in entries(frame, since) if since <= entry.at < until]
    groups: dict[str, list[Entry]] = {}
    for entry in found:
        groups.setdefault(_group(entry, breakdown), []).append(entry)
    rows = [
        {"name": name, **_summed(entries)}
        for name, entries in sorted(groups.items(), key=lambda group: -sum(entry.amount for entry in group[1]))
    ]
    day = money.day_of(frame.now)
    spending = frame.look().book.spending
    return {
        "currency": frame.settings.cost.currency,
        "since": since,
        "until": until,
        "breakdown": breakdown,
        "rows": rows,
        "total": _summed(found),
        "today": {"spent": spending.spent(day), "limit": frame.settings.cost.daily},
    }


def entries(frame: Frame, since: float) -> list[Entry]:
    """Attempts that ended since then; one that began a day earlier is among them."""
    try:
        lines = audit_read.since(frame.desk.audit, since - DAY)
        return list(money.entries(decode(raw) for raw in lines if b'"reserved":' in raw or b'"type":"task.' in raw))
    except (OSError, ValueError) as error:
        hint = "deskhand audit verify names what is wrong"
        raise StoreError("adding up costs", str(error), path=frame.desk.audit, hint=hint) from error


def _group(entry: Entry, breakdown: str) -> str:
    match breakdown:
        case "category":
            return entry.category
        case "day":
            return money.day_of(entry.at)
        case "model":
            return str(entry.usage.get("model", "not said"))
        case _:
            return entry.recipe


def _summed(entries: list[Entry]) -> dict[str, Any]:
    return {
        "runs": len(entries),
        "amount": round(sum(entry.amount for entry in entries), money.PLACES),
        "of_it_not_known": round(sum(entry.amount for entry in entries if not entry.known), money.PLACES),
        "running": sum(entry.running for entry in entries),
    }


def limits(frame: Frame) -> dict[str, Any]:
    """The limits as deskhand.yaml has them now."""
    found = _limits(frame)
    return {**msgspec.to_builtins(found), "per_recipe": found.of_recipes}


def set_limits(frame: Frame, daily: str | None, per_run: str | None, shares: Mapping[str, str | None]) -> None:
    """Write the limits that are given to deskhand.yaml, put that on record, and let a daemon hold to them at once.

    *daily*, *per_run*: as the file has it; None leaves one as it is.  *shares*: recipe id -> amount, None = no limit.
    """
    chosen = {"cost.daily": daily, "cost.per_run": per_run}
    if shares:
        merged = {entry.partition("=")[0]: entry.partition("=")[2] for entry in frame.settings.cost.per_recipe}
        merged |= {recipe: amount for recipe, amount in shares.items() if amount is not None}
        left = [f"{recipe}={amount}" for recipe, amount in merged.items() if shares.get(recipe, "") is not None]
        chosen["cost.per_recipe"] = f"[{', '.join(left)}]"
    changed = False
    for key, value in chosen.items():
        if value is not None:
            change = set_value(Files(), frame.desk, key, value)
            if change.before_sha256 != change.after_sha256:
                changed = True
                hashes = {"before_sha256": change.before_sha256, "after_sha256": change.after_sha256}
                request(frame.desk, "note", {"key": key, **hashes})
    if changed:
        request(frame.desk, "limits", msgspec.to_builtins(_limits(frame)))


def _limits(frame: Frame) -> CostLimits:
    """As deskhand.yaml has them now, not when the command began."""
    settings = load(frame.desk, os.environ).settings
    assert settings is not None, "load raises instead"
    return settings.cost
