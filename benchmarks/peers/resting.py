"""What contenders cost while nothing happens, all of them side by side over the same seconds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from peers.contender import Contender

TIMEOUT = 60.0
SETTLE = 3.0
"""Seconds that what a start leaves to do may take."""


@dataclass(frozen=True)
class Rest:
    """An idle contender."""

    core: float
    """Percent of one core."""
    memory: float
    """Resident memory of all its processes, MiB; shared pages count in each."""
    processes: int


def watch(contenders: Sequence[Contender], seconds: float) -> list[Rest]:
    """Start all (they are prepared), let each do one task, and look at them over *seconds*."""
    for contender in contenders:
        contender.start()
        contender.enqueue(0, 1)
        contender.wait(1, TIMEOUT)
    time.sleep(SETTLE)
    before, begun = [contender.processor() for contender in contenders], time.monotonic()
    time.sleep(seconds)
    lasted = time.monotonic() - begun
    found = []
    for contender, used in zip(contenders, before, strict=True):
        processes = contender.processes()
        memory = sum(process.memory_info().rss for process in processes) / 2**20
        found.append(Rest(100 * (contender.processor() - used) / lasted, memory, len(processes)))
    for contender in contenders:
        contender.stop()
    return found
