"""Durations and sizes as people write them: ``200ms 10s 10m 2h 7d`` and ``512KiB 10MB 2GiB``.

A bare number is seconds, or bytes.  One number and one unit, nothing else: no ``1h30m``, no ``10M`` that might mean
either of two things.  The annotated types mark a setting as one or the other, so that the readers of YAML and the
generated documentation agree without a list of names.
"""

from __future__ import annotations

import re
from typing import Annotated

from msgspec import Meta

MAX_SECONDS = 3650 * 86400.0
"""The longest duration: ten years, so that now plus any of them is a date."""
Seconds = Annotated[float, Meta(ge=0, le=MAX_SECONDS, extra={"unit": "seconds"})]
"""A duration; 0 or more."""
PositiveSeconds = Annotated[float, Meta(gt=0, le=MAX_SECONDS, extra={"unit": "seconds"})]
"""A duration that must not be 0."""
Bytes = Annotated[int, Meta(ge=0, extra={"unit": "bytes"})]
"""A size; 0 or more."""
PositiveBytes = Annotated[int, Meta(gt=0, extra={"unit": "bytes"})]
"""A size that must not be 0."""

DURATIONS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
"""Unit -> seconds."""
SIZES = {
    "B": 1,
    "kB": 1000,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "TB": 1000**4,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
    "TiB": 1024**4,
}
"""Unit -> bytes."""
_QUANTITY = re.compile(r"(\d{1,15}(?:\.\d{1,9})?) ?([A-Za-z]*)\Z", re.ASCII)


def _split(text: str, examples: str) -> tuple[str, str]:
    found = _QUANTITY.match(text)
    if found is None:
        raise ValueError(f"is not a number with a unit such as {examples}")
    return found[1], found[2]


def parse_duration(text: str) -> float:
    """Seconds in ``"10m"`` or ``"1.5"``; ValueError says what is wrong, as the end of a sentence."""
    number, unit = _split(text, "200ms, 10s, 10m, 2h or 7d")
    if unit and unit not in DURATIONS:
        raise ValueError(f"has the unknown unit {unit!r}; write ms, s, m, h or d")
    value = float(number) * DURATIONS[unit or "s"]
    return round(value, 9)


def parse_size(text: str) -> int:
    """Bytes in ``"2GiB"`` or ``"4096"``; ValueError says what is wrong, as the end of a sentence."""
    number, unit = _split(text, "512KiB, 10MB or 2GiB")
    if unit and unit not in SIZES:
        known = next((name for name in SIZES if name.lower() in (unit.lower(), unit.lower() + "b")), None)
        hint = f"did you mean {known} or {known[0].upper()}iB?" if known else "write kB, MB, GB or KiB, MiB, GiB"
        raise ValueError(f"has the unknown unit {unit!r}; {hint}")
    factor = SIZES[unit or "B"]
    whole, _, fraction = number.partition(".")
    scaled, scale = int(whole + fraction) * factor, int("1" + "0" * len(fraction))
    size, rest = divmod(scaled, scale)
    if rest:
        raise ValueError("is not a whole number of bytes")
    return size


def show_duration(seconds: float) -> str:
    """The shortest form that :func:`parse_duration` reads back as the same value."""
    for unit in ("d", "h", "m", "s", "ms"):
        count = seconds / DURATIONS[unit]
        if count >= 1 and count == int(count) and parse_duration(f"{int(count)}{unit}") == seconds:
            return f"{int(count)}{unit}"
    return f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"


def show_size(size: int) -> str:
    """The shortest form that :func:`parse_size` reads back as the same value."""
    for unit in ("TiB", "GiB", "MiB", "KiB", "TB", "GB", "MB"):
        if size and size % SIZES[unit] == 0:
            return f"{size // SIZES[unit]}{unit}"
    return f"{size}"
