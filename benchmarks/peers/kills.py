"""kill -9 in the middle of a drain, and another start: what is lost, what runs twice, what is asked."""

from __future__ import annotations

import time
from dataclasses import dataclass

from peers.contender import Contender

TIMEOUT = 300.0


@dataclass(frozen=True)
class Aftermath:
    """Of *tasks* handed in."""

    tasks: int
    lost: int
    """Never ran, and nobody is asked about them."""
    doubled: int
    """Ran to their end more than once."""
    asked: int
    """Were cut off, and wait for a person's word."""

    def __add__(self, other: Aftermath) -> Aftermath:
        return Aftermath(
            self.tasks + other.tasks, self.lost + other.lost, self.doubled + other.doubled, self.asked + other.asked
        )


def kill_and_restart(contender: Contender, tasks: int) -> Aftermath:
    """*contender* is prepared with tasks that leave a line each.  RuntimeError when it did not get half way."""
    names = {f"t{number:06d}" for number in range(tasks)}
    contender.enqueue(0, tasks)
    contender.start()
    end = time.monotonic() + TIMEOUT
    while contender.marks().total() < tasks // 2:
        if time.monotonic() > end:
            raise RuntimeError(f"{contender.marks().total()} of {tasks // 2} tasks before the kill")
        time.sleep(0.002)
    contender.kill()
    contender.start()
    found, since = contender.marks(), time.monotonic()
    while names - found.keys() - contender.asked() and time.monotonic() - since < contender.patience:
        time.sleep(0.05)
        now = contender.marks()
        if now != found:
            found, since = now, time.monotonic()
    contender.stop()
    found, asked = contender.marks(), contender.asked()
    assert found.keys() <= names, "a task ran that nobody handed in"
    lost = len(names - found.keys() - asked)
    return Aftermath(tasks, lost, sum(times > 1 for times in found.values()), len(asked))
