"""`deskhand metrics` on a desk with real tasks."""

from __future__ import annotations

from pathlib import Path

import pytest

from deskhand.cli.metrics_text import spark

from .conftest import Console, Shown


def test_every_metric_has_a_value_or_is_unknown(shown: Shown) -> None:
    data = shown.console.json("metrics", "--trend", "--days", "2")
    found = {one["name"]: one for one in data["metrics"]}
    assert found["received"]["value"] == 3 and found["completed"]["value"] == 1
    assert (found["success"]["value"], found["success"]["standing"]) == (100.0, "ok")
    assert (found["approval_rate"]["value"], found["approval_rate"]["standing"]) == (None, "unknown")
    assert 0 < found["cycle_time"]["value"] < 60
    assert len(found["received"]["trend"]) == 48
    assert found["received"]["trend"][-1] == 3 and found["received"]["trend"][0] is None


def test_the_table_is_for_people(shown: Shown) -> None:
    text = shown.console("metrics").output
    assert text.startswith("the last 1 d\n")
    (row,) = [line for line in text.splitlines() if line.startswith("success")]
    assert row.split() == ["success", "100.0", "%", ">", "85.0", "%", "<", "70.0", "%", "ok"]
    assert "unknown" in text


def test_what_is_out_of_its_band_says_what_to_do(console: Console) -> None:
    console.json("drop", str(_source(console, "a.txt")), "--recipe", "hand-over")
    console.work_off()
    identifier = console.json("tasks")["tasks"][0]["id"]
    console("reject", identifier, "--reason", "no")
    text = console("metrics").output
    assert "alert" in text and "approval_rate: see what is refused and why" in text


def _source(console: Console, name: str) -> Path:
    path = console.desk.root.parent / name
    path.write_text("x")
    return path


def test_prometheus_text_is_written_all_at_once(shown: Shown, tmp_path: Path) -> None:
    text = shown.console("metrics", "--format", "prometheus").output
    assert "deskhand_received_total 3\n" in text and "deskhand_up 0\n" in text
    assert 'deskhand_tasks{state="waiting"} 1\n' in text
    target = tmp_path / "deskhand.prom"
    assert shown.console("metrics", "--format", "prometheus", "--output", str(target)).output == ""
    assert target.read_text() == text and target.stat().st_mode & 0o777 == 0o644
    shown.console("metrics", "--format", "prometheus", "--json", code=2)


def test_a_log_that_is_damaged_is_named(console: Console) -> None:
    console.drop("notes.txt", b"milk\n")
    (log,) = console.desk.audit.glob("audit_*.jsonl")
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join([*lines[:3], b"x" * (len(lines[3]) - 1) + b"\n", *lines[4:]]))
    assert "deskhand audit verify" in console("metrics", code=1).stderr


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([None, 0.0, 1.0, 2.0], "·▁▅█"),
        ([3.0, 3.0], "██"),
        ([0.0, None], "▁·"),
        ([], ""),
    ],
)
def test_a_trend_is_a_line_of_blocks(values: list[float | None], shown: str) -> None:
    assert spark(values) == shown
