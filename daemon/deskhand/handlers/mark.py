"""The mark of a desk and a run that a process cannot take off: a hard resource limit that limits nothing.

A hard limit is inherited through every fork and exec, whatever session or environment a program gives itself, and only
a privileged process can raise it again.  RLIMIT_RTTIME (processor time without a blocking call, for real-time
scheduling only) is set to more than 36,000 years; its low bits say whose process it is.

Standard library only: the spawner runs without ``site``.  Linux only; elsewhere nothing is marked and nothing found.
"""

from __future__ import annotations

import resource
import sys

_SIGN = 1 << 60
"""Microseconds; what is above it and below twice as much is a mark."""
_RUN_BITS = 24
_DESK_BITS = 36


def mark(log_id: str, run: str) -> int:
    """The limit of every process of the daemon run *run* on the desk whose audit log is *log_id*."""
    return _SIGN | _digest(log_id) % (1 << _DESK_BITS) << _RUN_BITS | _digest(run) % (1 << _RUN_BITS)


def same_desk(limit: int, log_id: str) -> bool:
    """Whether *limit* marks a process of that desk, of whichever run."""
    return limit >> _RUN_BITS == mark(log_id, "") >> _RUN_BITS


def put_on(log_id: str, run: str) -> None:
    """Mark this process and all it starts from now on, unless its own limit is too low for that."""
    if sys.platform != "linux":
        return
    wanted = mark(log_id, run)
    _, ceiling = resource.getrlimit(resource.RLIMIT_RTTIME)
    if ceiling == resource.RLIM_INFINITY or ceiling >= wanted:
        resource.setrlimit(resource.RLIMIT_RTTIME, (wanted, wanted))


def read(pid: int) -> int:
    """The limit of another process; 0 when it carries none or cannot be asked."""
    if sys.platform != "linux":
        return 0
    try:
        _, hard = resource.prlimit(pid, resource.RLIMIT_RTTIME)
    except OSError:
        return 0
    return hard if hard >> 60 == 1 else 0


def _digest(text: str) -> int:
    """FNV-1a, 64 bits: hashlib would double the size of the spawner.  https://datatracker.ietf.org/doc/draft-eastlake-fnv/"""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % (1 << 64)
    return value ^ value >> 32
