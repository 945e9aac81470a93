"""What the campaigns share: the seed, how many points of a campaign are tried, and what was tried in the end.

``DESKHAND_FAULT_SEED`` repeats a sample, ``DESKHAND_FAULT_POINTS`` sets its size: a number, or ``all`` for every point
there is.  Without them a run draws a seed of its own (0 where CI is set) and tries as many as its time allows.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

SEED = int(
    os.environ.get("DESKHAND_FAULT_SEED") or (0 if os.environ.get("CI") else random.SystemRandom().randrange(10**6))
)
_POINTS = os.environ.get("DESKHAND_FAULT_POINTS", "")
WHOLE = _POINTS == "all"
"""Every point is tried."""
TRIED: dict[str, str] = {}
"""Campaign -> what was tried, in the order in which they ended; printed when the run is over."""


def count(usual: int) -> int:
    """How many points are wanted, *usual* when nobody said."""
    return int(_POINTS) if _POINTS and not WHOLE else usual


def patience(usual: float) -> float:
    """Seconds that a campaign may take: *usual* for as many points as usual."""
    return usual if not _POINTS else 12 * 3600.0


def sample(points: Sequence[T], usual: int, salt: str = "") -> list[T]:
    """All of *points*, or as many as are wanted, in order; *salt*: of the dice."""
    wanted = count(usual)
    if WHOLE or wanted >= len(points):
        return list(points)
    chosen = random.Random(f"{SEED} {salt}").sample(range(len(points)), wanted)
    return [points[number] for number in sorted(chosen)]


def again(test: str) -> str:
    """The command line that repeats a campaign; *test*: a file, perhaps with a test's name behind `::`."""
    points = f" DESKHAND_FAULT_POINTS={_POINTS}" if _POINTS else ""
    return f"again: DESKHAND_FAULT_SEED={SEED}{points} .venv/bin/pytest -m faults 'tests/faults/{test}'"


def tried(campaign: str, said: str) -> None:
    """Remember how many points were tried; said once more when the run is over."""
    TRIED[campaign] = said
    print(f"{campaign}: {said}")
