"""The comparison with the peers still runs, with few tasks: every part, and every contender that is installed.

The script itself fails when a contender did not do exactly the tasks that it was given; figures of so few tasks mean
nothing and are not looked at.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FEW = "--rounds 1 --tasks 20 --samples 2 --seconds 1 --kills 1 --backlogs 20"
LIVE = re.compile(r"(\*\*[\d.]+\*\* \()?[\d,]+/s\)?")

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, pytest.mark.timeout(600)]


def compare(disk: Path, *only: str, more: str = "") -> dict[str, Any]:
    """What the script found: rows by contender, and its remarks."""
    command = [sys.executable, "benchmarks/side_by_side.py", "--json", "--disk", str(disk), "--only", *only]
    done = subprocess.run([*command, *FEW.split(), *more.split()], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    rows: dict[str, dict[str, str]] = {}
    for row in (*found["speed"], *found["behaviour"]):
        rows.setdefault(row["contender"], {}).update(row)
    return {"rows": rows, "remarks": found["remarks"]}


def test_the_desk_and_the_limit_in_every_part(tmp_path: Path) -> None:
    rows = compare(tmp_path, "deskhand", "limit")["rows"]
    found = {name.split(" (")[0]: row for name, row in rows.items()}  # in the best of its settings
    assert set(found) == {"deskhand", "limit, payloads one by one", "limit, payloads grouped"}
    for row in found.values():
        assert LIVE.fullmatch(row["no-op, live"]) and LIVE.fullmatch(row["`true`, live"]), row
        assert "-" not in (row["no-op p50 / p99 ms"], row["idle % of a core"], row["first of 20 s, then /s"]), row
    lost, twice, _ = found["deskhand"]["killed: lost / twice / asked"].split(" / ")
    assert (lost, twice) == ("0", "0")
    if shutil.which("strace"):
        assert "sync" in found["deskhand"]["syncs per task"]
        assert "syncfs" in found["limit, payloads grouped"]["syncs per task"]


@pytest.mark.parametrize("name", ["huey + SQLite, fsync (1 thread)", "huey + files", "huey + Redis", "watchdog script"])
def test_a_peer_does_what_it_is_given(name: str, tmp_path: Path) -> None:
    there(name)
    rows = compare(tmp_path, name, more="--parts speed")["rows"]
    assert len(rows) == 1
    assert [row for row in rows.values() if not LIVE.fullmatch(row["no-op, live"])] == []


@pytest.mark.parametrize("name", ["Celery + files", "Celery + Redis"])
def test_celery_takes_part(name: str, tmp_path: Path) -> None:
    """Only that it starts and runs a task: its filesystem broker reads half-written messages, and then it ends."""
    there(name)
    rows = compare(tmp_path, name, more="--parts rest")["rows"]
    assert [float(row["idle % of a core"]) for row in rows.values()] != []


def there(name: str) -> None:
    """Skip what this machine does not have."""
    if "Redis" in name and not shutil.which("redis-server"):
        pytest.skip("redis-server is not installed")
    if name != "watchdog script" and not (ROOT / ".venv-bench").is_dir():
        pytest.skip("the peers are not installed")


def test_who_is_missing_is_named(tmp_path: Path) -> None:
    """A machine without the peers gets the rest, and is told what was not measured."""
    bare = tmp_path / "clone"
    for part in ("benchmarks", "tests", "docs"):
        shutil.copytree(ROOT / part, bare / part, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "benchmarks/side_by_side.py", "--json", "--only", "huey", "limit", *FEW.split()]
    done = subprocess.run(
        [*command, "--parts", "rest", "--disk", str(tmp_path)], cwd=bare, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found["behaviour"]) == 2 and found["speed"] == []
    assert [remark for remark in found["remarks"] if remark.startswith("Not measured: huey + SQLite")]
