"""What a task does, and the producer that hands tasks in on request; the same for every contender with a Python API."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

from marks import Changes, mark

MARKS = os.environ["BENCH_MARKS"]
"""The file that tasks leave a line in."""
LEAVE_A_LINE = 'echo "$1 0" >> "$2"'
PAYLOAD = "0123456789abcdef" * 64
"""1 KiB, as big as the files that are dropped on a desk."""


def run(name: str, kind: str) -> None:
    """One task: nothing or a process, then the mark; or a process that leaves the mark."""
    if kind == "line":
        subprocess.run(["sh", "-c", LEAVE_A_LINE, "sh", name, MARKS], check=True)
        return
    if kind == "true":
        subprocess.run(["true"], check=True)
    mark(MARKS, name)


def produce(enqueue: Callable[[str, str], object]) -> None:
    """Serve ``many FIRST COUNT`` and ``one NAME TIMEOUT`` on standard input; *enqueue* takes a name and a payload.

    Answers: the moments (monotonic seconds) before the first and after the last; the seconds until the mark.
    """
    os.close(os.open(MARKS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
    changes = Changes(MARKS)
    print("ready", flush=True)
    for line in sys.stdin:
        order, *rest = line.split()
        if order == "many":
            first, count = map(int, rest)
            begun = time.monotonic()
            for number in range(first, first + count):
                enqueue(f"t{number:06d}", PAYLOAD)
            print(begun, time.monotonic(), flush=True)
        else:
            changes.clear()
            begun = time.monotonic()
            enqueue(rest[0], PAYLOAD)
            print(changes.wait(float(rest[1])) - begun, flush=True)
