"""Backups and drills that the daemon makes by itself, by the real clock."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.desk import Bench

pytestmark = pytest.mark.acceptance
EVERY_MINUTE = """
backup:
  daily: "* * * * *"
  full: null
  drill: "* * * * *"
"""


def test_the_daemon_makes_backups_and_drills_by_the_clock(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "desk")
    try:
        bench.ok("init", bench.root)
        with bench.desk.config.open("a") as settings:
            settings.write(EVERY_MINUTE)
        bench.start()
        bench.move_in("milk.txt", b"milk\n")
        bench.wait_for("queue/completed/*-milk-*.task.json")
        (made,) = bench.until(lambda: bench.records("backup.created"), "the minute is over", timeout=90.0)[:1]
        assert made.fields["verified"] is True and made.fields["actor"]["kind"] == "daemon"
        (held,) = bench.until(lambda: bench.records("drill.finished"), "the drill", timeout=30.0)[:1]
        assert held.fields["ok"] is True, held.fields
        assert {record.fields["schedule"] for record in bench.records("schedule.handled")} == {
            "backup:daily",
            "backup:drill",
        }
        assert bench.stop() == 0
        bench.ok("backup", "verify", "--all")
        assert bench.json("backup", "list")["backups"]
        bench.check()
    finally:
        bench.close()
