"""What runs cost: reserved before an attempt begins, settled when it is over, never forgotten in between.

Amounts are in the desk's one currency, rounded to millionths of it.  What an attempt really cost is known only when its
handler says so; when it does not, or nobody can say how the run ended, the reservation stays spent.  Days are UTC days,
as providers bill them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct, field

from deskhand.core.record import Record, timestamp
from deskhand.core.settings import Amount, CostLimits

PLACES = 6
"""Decimals that are kept."""
OVER = "over the limit: "
"""How the reason of a task begins that was parked for its cost."""
LEVELS = (50, 75, 90, 100)
"""Percent of the day's limit at which somebody is told."""
UNREADY = "unready"
"""How a retry says that the attempt did not begin, so nothing was spent."""
DAYS_KEPT = 3
"""Days that are remembered for limits."""
FILE_MAX = 64 * 1024
"""Bytes of what a handler says about its cost."""


class Price(Struct, frozen=True, forbid_unknown_fields=True):
    """`cost:` of a recipe whose attempts cost something."""

    reserve: Amount
    """The most that an attempt may cost, in the desk's currency; reserved before it begins."""
    category: str = "other"
    """What it is spent on, such as `llm` or `sms`."""


class Cost(Struct, frozen=True, omit_defaults=True):
    """What one attempt cost."""

    amount: Amount
    currency: str
    category: str
    known: bool = True
    """False: nobody said; it is what was reserved."""
    problem: str | None = None
    """Why it is not known."""
    usage: dict[str, float | str] = field(default_factory=dict)
    """What the handler says about it, such as `model` or `input_tokens`."""


class _Said(Struct, frozen=True):
    amount: Amount
    currency: str | None = None
    category: str | None = None
    usage: dict[str, float | str] = field(default_factory=dict)


def said(data: bytes | None, price: Price, currency: str) -> Cost:
    """What a handler's cost file says; what was reserved, and why, when it does not say.

    The file is JSON: `{"amount": 0.012, "currency": "USD", "category": "llm", "usage": {"model": "m", "tokens": 900}}`;
    all but the amount may be left out.
    """
    problem = None
    if data is None:
        problem = "the handler did not say what it cost"
    elif len(data) > FILE_MAX:
        problem = "what the handler says about its cost is too long"
    else:
        try:
            found = msgspec.json.decode(data, type=_Said)
        except (msgspec.MsgspecError, RecursionError) as error:
            problem = f"what the handler says about its cost is not understood: {error}"
        else:
            if found.currency in (None, currency):
                usage = {name[:40]: _short(value) for name, value in list(found.usage.items())[:20]}
                category = (found.category or price.category)[:40]
                return Cost(round(found.amount, PLACES), currency, category, usage=usage)
            problem = f"the handler counts in another currency than {currency}"
    return Cost(round(price.reserve, PLACES), currency, price.category, known=False, problem=problem)


def _short(value: float | str) -> float | str:
    return value[:80] if isinstance(value, str) else value


class Reservation(Struct, frozen=True):
    """What is held back for an attempt that is not over."""

    day: str
    recipe: str
    amount: float


class Spending(Struct):
    """What was spent and is reserved, by day and recipe; a part of what the log says."""

    days: dict[str, dict[str, float]] = field(default_factory=dict)
    """`YYYY-MM-DD` -> recipe id -> amount, reservations included; the last three days with any."""
    open: dict[str, Reservation] = field(default_factory=dict)
    """Task key -> its reservation."""
    billed: dict[str, float] = field(default_factory=dict)
    """Day -> what a provider billed for it; the greater of this and ours counts."""
    told: dict[str, int] = field(default_factory=dict)
    """Day -> the highest level that somebody was told of."""

    def take(self, record: Record) -> None:
        """Fold a record in; most have nothing to do with money."""
        fields = record.fields
        if record.type == "cost.level":
            self.told[str(fields["day"])] = int(fields["percent"])
            return
        if record.type == "cost.billed":
            self.billed[str(fields["day"])] = float(fields["amount"])
            self._forget_old()
            return
        key = fields.get("task")
        if record.type == "task.started" and "reserved" in fields:
            day, recipe = day_of(record.ts), str(fields["recipe"]["id"])
            self.open[str(key)] = Reservation(day, recipe, fields["reserved"])
            self._add(day, recipe, fields["reserved"])
        elif key in self.open and record.type.startswith("task."):
            held = self.open.pop(str(key))
            if "cost" in fields:
                self._add(held.day, held.recipe, fields["cost"]["amount"] - held.amount)
            elif fields.get("via") == UNREADY:
                self._add(held.day, held.recipe, -held.amount)

    def _add(self, day: str, recipe: str, amount: float) -> None:
        of_day = self.days.setdefault(day, {})
        of_day[recipe] = round(of_day.get(recipe, 0.0) + amount, PLACES)
        self._forget_old()

    def _forget_old(self) -> None:
        tables: tuple[dict[str, Any], ...] = (self.days, self.told, self.billed)
        for table in tables:
            for old in sorted(table)[:-DAYS_KEPT]:
                del table[old]

    def spent(self, day: str, recipe: str | None = None) -> float:
        """Spent and reserved on a day, by one recipe or by all."""
        of_day = self.days.get(day, {})
        if recipe is not None:
            return round(of_day.get(recipe, 0.0), PLACES)
        total = sum(of_day.values())
        if day in self.billed:
            held = sum(one.amount for one in self.open.values() if one.day == day)
            total = max(total, self.billed[day] + held)
        return round(total, PLACES)


def refusal(limits: CostLimits, spending: Spending, day: str, recipe: str, price: Price | None) -> str | None:
    """Why an attempt may not begin, with what can be done; None when it may."""
    if price is None:
        return None
    unit, needed = limits.currency, price.reserve
    if limits.per_run is not None and needed > limits.per_run:
        text = f"a run of {recipe} reserves {shown(needed)} {unit}, {shown(limits.per_run)} is allowed"
        return f"{OVER}{text}; deskhand cost limits --per-run {shown(needed)} allows it"
    ceilings: list[tuple[float, float, str, str]] = []
    if limits.daily is not None:
        ceilings.append((limits.daily, spending.spent(day), "today", "--daily {}"))
    ceiling = limits.of_recipes.get(recipe)
    if ceiling is not None:
        own = f"--per-recipe {recipe}={{}}"
        ceilings.append((ceiling, spending.spent(day, recipe), f"today by {recipe}", own))
    for limit, spent, where, option in ceilings:
        total = round(spent + needed, PLACES)
        if total > limit:
            text = f"{shown(spent)} of {shown(limit)} {unit} are spent or reserved {where}, {shown(needed)} is needed"
            return f"{OVER}{text}; it starts tomorrow, or: deskhand cost limits {option.format(shown(total))}"
    return None


def level(limits: CostLimits, spending: Spending, day: str) -> int | None:
    """The level of the day's limit that was reached and nobody was told of; None when there is none."""
    if not limits.daily:
        return None
    share = 100.0 * spending.spent(day) / limits.daily
    reached = max((mark for mark in LEVELS if share >= mark), default=0)
    return reached if reached > spending.told.get(day, 0) else None


def day_of(moment: float) -> str:
    """The UTC day of epoch seconds, ``YYYY-MM-DD``."""
    return timestamp(moment)[:10]


def shown(amount: float) -> str:
    """An amount with at least two decimals and no needless ones."""
    text = f"{amount:.{PLACES}f}".rstrip("0")
    whole, _, rest = text.partition(".")
    return f"{whole}.{rest.ljust(2, '0')}"


class Entry(Struct, frozen=True):
    """What one attempt cost, or holds back."""

    at: float
    """Epoch seconds of its end; of its start while it runs."""
    task: str
    recipe: str
    amount: float
    category: str
    known: bool
    running: bool = False
    usage: Mapping[str, float | str] = {}


def entries(records: Iterable[Record]) -> Iterator[Entry]:
    """The attempts with a cost, in the order of their ends; those that still run at the end."""
    begun: dict[str, tuple[float, str, float]] = {}
    for record in records:
        fields: dict[str, Any] = record.fields
        key = fields.get("task")
        if not isinstance(key, str):
            continue
        if record.type == "task.started" and "reserved" in fields:
            begun[key] = (record.ts, str(fields["recipe"]["id"]), float(fields["reserved"]))
        elif key in begun and record.type.startswith("task."):
            _, recipe, amount = begun.pop(key)
            cost = fields.get("cost")
            if isinstance(cost, dict):
                found = msgspec.convert(cost, Cost)
                yield Entry(record.ts, key, recipe, found.amount, found.category, found.known, usage=found.usage)
            elif fields.get("via") != UNREADY:
                yield Entry(record.ts, key, recipe, amount, "unknown", known=False)
    for key, (at, recipe, amount) in begun.items():
        yield Entry(at, key, recipe, amount, "reserved", known=False, running=True)
