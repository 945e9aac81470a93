"""Throw-away desks for measuring: the recipes that are measured, quick drops, and the daemon from outside."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.support.desk import Bench, recipe

NOTHING = "nothing"
"""Recipe without a process: the input is the result."""
PROCESS = "process"
"""Recipe that starts a process, /bin/true."""
KIB = b"0123456789abcdef" * 64


@contextmanager
def throw_away(settings: str = "") -> Iterator[Bench]:
    """A fresh desk in a temporary folder, with nothing of this user's, removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="deskhand-bench-") as folder:
        state = Path(folder, "state")
        state.mkdir()
        before = os.environ.get("XDG_STATE_HOME")
        os.environ["XDG_STATE_HOME"] = str(state)
        bench = Bench(Path(folder).resolve() / "desk")
        try:
            prepare(bench, settings)
            yield bench
        finally:
            bench.close()
            if before is None:
                del os.environ["XDG_STATE_HOME"]
            else:
                os.environ["XDG_STATE_HOME"] = before


def prepare(bench: Bench, settings: str = "") -> None:
    """Make the desk, with *settings* as its configuration and the two recipes that do nothing."""
    bench.environment["XDG_STATE_HOME"] = os.environ["XDG_STATE_HOME"]
    bench.ok("init", bench.root)
    if settings:
        bench.desk.config.write_text(f"schema: 1\n{settings}")
    bench.recipe(NOTHING, recipe(NOTHING, "keep"))
    bench.recipe(PROCESS, recipe(PROCESS, "command", argv=["true"]))
    for name in (NOTHING, PROCESS):
        (bench.desk.inbox / name).mkdir(exist_ok=True)


def outside(bench: Bench) -> Path:
    """A folder beside the desk, on the same filesystem."""
    folder = bench.root.parent / "outside"
    folder.mkdir(exist_ok=True)
    return folder


def drop(bench: Bench, name: str, route: str = "", data: bytes = KIB) -> float:
    """Move a finished file in; the moment just before the rename (``perf_counter`` seconds)."""
    source = outside(bench) / name
    source.write_bytes(data)
    target = bench.desk.inbox / route / name
    started = time.perf_counter()
    source.rename(target)
    return started


def drop_many(bench: Bench, count: int, route: str) -> float:
    """Move *count* different finished files in as fast as possible; the moment just before the first one."""
    sources = [outside(bench) / f"many-{number:05d}.txt" for number in range(count)]
    for number, source in enumerate(sources):
        source.write_bytes(b"%d\n" % number)
    inbox = bench.desk.inbox / route
    started = time.perf_counter()
    for source in sources:
        source.rename(inbox / source.name)
    return started


def processor_seconds(pid: int) -> float:
    """Processor time that a process and its children, the living and the collected ones, have used."""
    total = 0.0
    top = psutil.Process(pid)
    for process in (top, *top.children(recursive=True)):
        times = process.cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
    return total
