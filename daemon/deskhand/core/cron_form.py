"""The form of a cron expression, judged without knowing the times it means."""

from __future__ import annotations

import re

_STEP = re.compile(r"[0-9A-Za-z*,/#?-]+\Z", re.ASCII)
_EVERY_HOUR = re.compile(r"\*(?:/1)?\Z")


def cron_problem(text: str, *, hourly: bool = False) -> str | None:
    """What is wrong with the form, as the end of a sentence; what the times mean is the engine's to know."""
    steps = text.split()
    if len(steps) != 5 or not all(_STEP.match(step) for step in steps):
        return "must be five cron fields: minute, hour, day, month, weekday, as in '15 0 * * *'"
    if hourly and not all(_EVERY_HOUR.match(step) for step in steps[1:]):
        return "must come at least hourly: all fields but the first are '*'"
    return None
