"""How long to wait before the next attempt."""

from __future__ import annotations

from deskhand.core.recipe import Retry


def pause(retry: Retry, attempt: int, jitter: float) -> float:
    """Seconds after failed attempt number *attempt* (from 1): doubled each time, capped, plus up to a quarter.

    *jitter* is a random number in [0, 1), given by the caller: many tasks that failed together must not come back
    together.
    """
    base = min(retry.backoff * 2.0 ** (min(attempt, 64) - 1), retry.max_backoff)
    return base * (1.0 + 0.25 * jitter)
