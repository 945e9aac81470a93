"""Row 9 with limits that are really used up: no inotify instance, and too few watches."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deskhand.core.state import State
from deskhand.host.client import request
from tests.support.fault_desk import FaultBench
from tests.support.namespace import SPACE, no_namespaces

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's"),
    pytest.mark.skipif(no_namespaces(), reason="no user namespaces here"),
]


def limit(name: str, number: int) -> str:
    return f"echo {number} > /proc/sys/user/max_inotify_{name}"


def watching(bench: FaultBench) -> str:
    return str(bench.json("status")["daemon"]["watching"])


def raise_limit(bench: FaultBench, name: str) -> None:
    """In the daemon's own namespace."""
    assert bench.daemon is not None
    line = ["nsenter", "--target", str(bench.daemon.pid), "--user", "--preserve-credentials"]
    done = subprocess.run([*line, "sh", "-c", limit(name, 1000)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def recovers(bench: FaultBench) -> None:
    """It tries again every so many ticks; every command is one."""

    def restored() -> bool:
        request(bench.desk, "scan", need_daemon=True, timeout=5.0)
        return bool(bench.records("watch.restored"))

    bench.until(restored, "it watches again")
    bench.until(lambda: watching(bench) == "events", "and says so")


@pytest.mark.parametrize("name", ["instances", "watches"])
def test_f9_with_none_left_it_scans_says_so_and_recovers(bench: FaultBench, name: str) -> None:
    bench.configure("scan_interval: 1s\n")
    bench.counting("job", "true")
    bench.drop("early.txt", route="job")
    bench.start(*SPACE, "sh", "-c", f'{limit(name, 0)}; exec "$@"', "sh")
    (told,) = bench.wait_records("watch.degraded")
    assert "max_user_watches or max_user_instances" in told.fields["reason"]
    assert watching(bench) == "scan only"
    assert any("scan_interval" in problem for problem in bench.json("status")["problems"])
    bench.wait_state("early.txt", State.COMPLETED)
    bench.drop("late.txt", route="job")
    bench.wait_state("late.txt", State.COMPLETED)
    assert len(bench.records("watch.degraded")) == 1, "said once"
    raise_limit(bench, name)
    recovers(bench)
    bench.stop_and_check()


def test_f9_a_limit_that_others_used_up(bench: FaultBench, tmp_path: Path) -> None:
    """Another program of the same user holds every instance that there may be, and ends."""
    greedy, held = tmp_path / "greedy.py", tmp_path / "held"
    greedy.write_text(GREEDY)
    bench.configure("scan_interval: 1s\n")
    first = f"{limit('instances', 5)}; {sys.executable} {greedy} {held} &"
    bench.start(*SPACE, "sh", "-c", f'{first} while ! [ -e {held} ]; do sleep 0.01; done; exec "$@"', "sh")
    try:
        bench.wait_records("watch.degraded")
        bench.drop("first.txt")
        bench.wait_state("first.txt", State.COMPLETED)
    finally:
        os.kill(int(held.read_text()), signal.SIGKILL)
    recovers(bench)
    bench.drop("second.txt")
    bench.wait_records("task.delivered", 2)
    bench.stop_and_check()


GREEDY = """
import ctypes, os, signal, sys
libc = ctypes.CDLL(None)
while libc.inotify_init() >= 0:
    pass
with open(sys.argv[1] + ".new", "w") as file:
    file.write(str(os.getpid()))
os.rename(sys.argv[1] + ".new", sys.argv[1])
signal.pause()
"""
