"""Prometheus' own tool reads what `deskhand metrics` writes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.desk import Bench

pytestmark = pytest.mark.acceptance


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "desk")
    bench.ok("init", bench.root)
    yield bench
    bench.close()


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_finds_nothing_wrong(bench: Bench) -> None:
    bench.start()
    (bench.desk.inbox / "archive").mkdir()
    for number in range(5):
        bench.move_in(f"{number}.txt", b"milk\n", "watch_inbox/archive")
        bench.wait_for(f"queue/completed/*-{number}-*.task.json")
    text = bench.ok("metrics", "--format", "prometheus")
    assert "deskhand_received_total 5\n" in text and "deskhand_up 1\n" in text
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    wrong = text.replace("# TYPE deskhand_up gauge", "# TYPE deskhand_up counter")
    checked = subprocess.run(["promtool", "check", "metrics"], input=wrong, capture_output=True, text=True, timeout=60)
    assert checked.returncode != 0, "it would not notice"
