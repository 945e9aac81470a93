"""A person's file of days on which schedules that respect it do not run.

schema: 1
days:
  2026-12-25: Christmas Day
  2027-01-01: New Year
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType

from msgspec import Struct, field

from deskhand.core import strict_yaml as y
from deskhand.core.shape import MISSING, Shaper


class Holidays(Struct, frozen=True):
    """*days*: date -> its name.  With *violations* the file is wrong, and no day counts as a holiday."""

    days: Mapping[date, str] = field(default_factory=lambda: MappingProxyType({}))
    violations: tuple[y.Violation, ...] = ()


class _File(Struct, frozen=True):
    schema: int
    days: dict[str, str]


def read(data: bytes) -> Holidays:
    """Read the file.  Never raises for any bytes."""
    document = y.read(data)
    if document.root is None:
        return Holidays(violations=document.violations)
    shaper = Shaper()
    found = shaper.fields(document.root, _File)
    days: dict[date, str] = {}
    if found is not MISSING:
        if "schema" in found and found["schema"] != 1:
            shaper.wrong(y.locate(document.root, "schema"), "schema", "must be 1")
        for text, name in found.get("days", {}).items():
            try:
                days[date.fromisoformat(text)] = name
            except ValueError:
                where = f"days.{text}"
                shaper.wrong(y.locate(document.root, where), where, "must be a date, as in 2026-12-25")
    violations = tuple(sorted({*document.violations, *shaper.violations}))
    return Holidays(violations=violations) if violations else Holidays(MappingProxyType(days))
