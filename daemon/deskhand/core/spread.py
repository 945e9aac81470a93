"""How values are spread, in little room and without keeping them: counted in bands that grow by a tenth.

A band's index is ``ceil(log(value) / log(1.1))``, so a quantile is off by 5 % at most, however many values there were;
spreads of two hours add up to that of both.  The idea is DDSketch's (Masson, Rim, Lee: VLDB 2019, section 2).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, MutableMapping

GROWTH = 1.1
"""How much wider each band is than the one below it."""
LEAST = 1e-6
"""What is smaller counts as this: a microsecond, when the values are seconds."""
_LOG = math.log(GROWTH)

Spread = Mapping[int, int]
"""Band -> how many values fell into it."""


def add(spread: MutableMapping[int, int], value: float) -> None:
    """Count one value (not negative)."""
    band = math.ceil(math.log(max(value, LEAST)) / _LOG)
    spread[band] = spread.get(band, 0) + 1


def merge(into: MutableMapping[int, int], other: Spread) -> None:
    """Count everything that *other* has counted."""
    for band, number in other.items():
        into[band] = into.get(band, 0) + number


def quantile(spread: Spread, share: float) -> float | None:
    """The value that *share* (0 to 1) of all do not exceed; None when there is none."""
    total = sum(spread.values())
    if not total:
        return None
    left = max(1, math.ceil(share * total))
    for band in sorted(spread):
        left -= spread[band]
        if left <= 0:
            return 2 * GROWTH**band / (1 + GROWTH)
    raise AssertionError("more values than were counted")


def at_most(spread: Spread, limit: float) -> int:
    """How many values are no greater than *limit*, to the nearest band."""
    last = math.floor(math.log(max(limit, LEAST)) / _LOG + 1e-9)
    return sum(number for band, number in spread.items() if band <= last)
