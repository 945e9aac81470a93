"""How often one task makes something durable: sync calls of producer, consumer and server, counted with strace."""

from __future__ import annotations

import re
import shutil
import time
from collections import Counter

from peers.contender import Contender

CALL = re.compile(r"^\d+ +(\w+)\(", re.MULTILINE)
TIMEOUT = 300.0
QUIET = 1.0
"""Seconds without a new call after which a drain's calls are all there."""


def available() -> bool:
    """Whether this machine can count."""
    return shutil.which("strace") is not None


def per_task(contender: Contender, tasks: int) -> dict[str, float]:
    """Name of the call -> calls per task of a live drain of *tasks*, start-up and the first task left out.

    *contender* is traced since it was prepared.
    """
    assert contender.trace
    contender.start()
    contender.enqueue(0, 1)
    contender.wait(1, TIMEOUT)
    before = _settled(contender)
    contender.enqueue(1, tasks)
    contender.wait(1 + tasks, TIMEOUT)
    after = _settled(contender)
    contender.stop()
    return {name: round((after[name] - before[name]) / tasks, 2) for name in after if after[name] > before[name]}


def _settled(contender: Contender) -> Counter[str]:
    found, since = _count(contender), time.monotonic()
    while time.monotonic() - since < QUIET:
        time.sleep(0.05)
        now = _count(contender)
        if now != found:
            found, since = now, time.monotonic()
    return found


def _count(contender: Contender) -> Counter[str]:
    found: Counter[str] = Counter()
    for path in contender.folder.glob("*.strace"):
        found.update(CALL.findall(path.read_text(errors="replace")))
    return found
