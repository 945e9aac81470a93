"""Lengths of time, sizes and counts in the sentences that operations write."""

from __future__ import annotations


def age(seconds: float) -> str:
    """``12 s``, ``5 min``, ``3 h``, ``12 d``: one unit, rounded down; under a second ``0 s``."""
    seconds = max(0.0, seconds)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def size(count: float) -> str:
    """``512 B``, ``1.5 kB``, ``2.0 GB``."""
    number = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def counted(number: int, one: str) -> str:
    """``1 task``, ``2 tasks``."""
    return f"{number} {one if number == 1 else one + 's'}"
