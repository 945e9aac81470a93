"""Throughput and latency of one contender in one round.

Start-up is left out for everybody in the same way: a start with *n* waiting tasks is compared with a start with one,
so a backlog's throughput is ``(n - 1) / (T(n) - T(1))``.  Live: the consumer has done a task before, then tasks are
handed in as fast as that goes; the clock runs from before the first to after the last is done.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field

from peers.contender import Contender

TIMEOUT = 300.0
ONE_TIMEOUT = 30.0
SETTLE = 0.5
"""Seconds after a flood before latency is measured."""


@dataclass
class Times:
    """What was measured, one entry per round; latencies are those of all rounds.  Seconds."""

    first: list[float] = field(default_factory=list)
    """From starting the consumer until the one waiting task was done."""
    backlog: list[float] = field(default_factory=list)
    live: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    """Processor time of the consumer (and its server) per live task."""
    latency: list[float] = field(default_factory=list)


def measure(contender: Contender, times: Times, tasks: int, samples: int) -> None:
    """One round; *contender* is prepared and new.  AssertionError when a task was lost or done twice.

    What it has managed before it fails counts.
    """
    contender.enqueue(0, 1)
    first = _start(contender, 1)
    contender.enqueue(1, tasks)
    backlog = _start(contender, 1 + tasks)
    assert contender.done() == 1 + tasks, f"{contender.done()} of {1 + tasks} tasks of a backlog"
    times.first.append(first)
    times.backlog.append(backlog)
    contender.start()
    contender.enqueue(1 + tasks, 1)
    contender.wait(2 + tasks, TIMEOUT)
    used = contender.processor()
    begun = contender.enqueue(2 + tasks, tasks)
    live = contender.wait(2 + 2 * tasks, TIMEOUT) - begun
    used = contender.processor() - used
    total = 2 + 2 * tasks
    time.sleep(SETTLE)
    latency = []
    pause = random.Random(tasks)  # the same for everybody
    for number in range(total, total + samples):
        time.sleep(pause.uniform(0.01, 0.06))  # polls are met at any point of their interval
        latency.append(contender.one(number, ONE_TIMEOUT))
    contender.stop()
    assert contender.done() == total + samples, f"{contender.done()} of {total + samples} tasks"
    times.live.append(live)
    times.processor.append(used / tasks)
    times.latency += latency


def _start(contender: Contender, total: int) -> float:
    begun = time.monotonic()
    contender.start()
    taken = contender.wait(total, TIMEOUT) - begun
    contender.stop()
    return taken
