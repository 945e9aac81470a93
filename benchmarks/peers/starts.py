"""A start on a big backlog: how soon it takes work, and how fast it works while the heap is still high."""

from __future__ import annotations

import time
from dataclasses import dataclass

from peers.contender import Contender

TIMEOUT = 600.0
WINDOW = 5.0
"""Seconds over which the speed after the first task is taken."""


@dataclass(frozen=True)
class Start:
    """One start."""

    first: float
    """Seconds from starting the processes (with the server, if there is one) until the first task was done."""
    rate: float
    """Tasks per second from then on, over :data:`WINDOW` or until all were done."""


def cold(contender: Contender, waiting: int) -> Start:
    """Fill its queue with *waiting* tasks (nothing needs to be durable for that), start everything, and look."""
    contender.filling = True
    contender.enqueue(0, waiting)
    contender.down()
    contender.filling = False
    begun = time.monotonic()
    contender.start()
    at = contender.wait(1, TIMEOUT)
    seen = contender.done()
    look = time.monotonic()
    done = seen
    while (lasted := time.monotonic() - look) < WINDOW and done < waiting:
        time.sleep(0.05)
        done = contender.done() if waiting <= 20_000 or lasted + 0.1 > WINDOW else done
    lasted = time.monotonic() - look
    contender.kill()
    return Start(at - begun, (done - seen) / lasted)
