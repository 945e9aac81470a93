"""Health with a real daemon: a canary that flies, a watcher that is tried, a daemon that hangs, a look at itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.desk import Bench

pytestmark = pytest.mark.acceptance


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "desk")
    bench.ok("init", bench.root)
    bench.ok("config", "set", "health.every", "1s")
    bench.ok("config", "set", "scan_interval", "1h")
    bench.start()
    yield bench
    bench.close()


def health(bench: Bench, *options: str) -> dict[str, Any]:
    done = bench.command("health", *options, "--json")
    checks = msgspec.json.decode(done.stdout)["checks"]
    return {check["name"]: check for check in checks}


def test_a_canary_goes_all_the_way_and_leaves_a_trace(bench: Bench) -> None:
    found = health(bench, "--post-recovery")
    assert {name for name, check in found.items() if check["verdict"] != "ok"} == {"backup", "drill"}
    assert found["canary"]["latency_ms"] < 5000
    assert found["daemon"]["latency_ms"] > 0 and found["watcher"]["latency_ms"] < 1000
    assert bench.found("queue/completed/*health_check*.task.json")
    bench.ok("pause")
    assert health(bench, "--canary")["canary"]["verdict"] == "unknown"


def test_a_daemon_that_hangs_is_down(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bench.daemon is not None
    os.kill(bench.daemon.pid, signal.SIGSTOP)
    try:
        found = health(bench)["daemon"]
    finally:
        os.kill(bench.daemon.pid, signal.SIGCONT)
    assert found["verdict"] == "down" and "does not answer" in found["reason"]


def test_the_daemon_notices_by_itself_and_says_so(bench: Bench) -> None:
    bench.root.joinpath("watch_inbox").chmod(0o777)
    record = bench.until(lambda: bench.records("health.changed"), "the change is on record")[0]
    assert (record.fields["check"], record.fields["to"]) == ("permissions", "degraded")
    assert bench.json("status")["health"]["overall"] in ("degraded", "unknown")
    bench.until(lambda: "**permissions** degraded" in (bench.root / "vault/_deskhand/status.md").read_text(), "shown")
