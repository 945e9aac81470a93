"""Checklists as an operator meets them: by the real clock, in the vault, from the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.desk import Bench

pytestmark = pytest.mark.acceptance
SOON = """schema: 1
title: Soon
purpose: Every minute.
schedule: "* * * * *"
steps:
  - {id: audit, run: [deskhand, audit, verify], expect: {output: ok}}
  - {id: queue, check: {metric: tasks.parked, operator: "==", value: 0}}
  - {id: seen, manual: "Did somebody look?", due: 1h}
  - {id: last, needs: [seen], check: {metric: watcher.mode, operator: "==", value: events}}
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A desk whose checklist comes every minute."""
    bench = Bench(tmp_path / "desk")
    bench.ok("init", bench.root)
    (bench.root / "vault/checklists/soon.yaml").write_text(SOON)
    yield bench
    bench.close()


def test_the_clock_begins_it_a_person_ticks_it_and_all_of_it_is_on_record(bench: Bench) -> None:
    assert "may run:\n  deskhand audit verify" in bench.ok("checklist", "bless", "soon")
    bench.start()
    bench.until(lambda: bench.records("checklist.started"), "the minute is over", timeout=75.0)
    note = bench.wait_for("vault/_deskhand/checklists/*-soon.md")
    bench.until(lambda: "- [ ] Did somebody look?" in note.read_text(), "it is asked")
    assert "soon/seen" in bench.ok("status")
    status = bench.root / "vault/_deskhand/status.md"
    bench.until(lambda: "Did somebody look?" in status.read_text(), "the status note asks it too")
    note.write_text(note.read_text().replace("- [ ] Did", "- [x] Did"))
    (finished,) = bench.until(lambda: bench.records("checklist.finished"), "it is signed", timeout=30.0)[:1]
    assert finished.fields["state"] == "ok"
    assert finished.fields["steps"] == {"audit": "ok", "queue": "ok", "seen": "ok", "last": "ok"}
    (handled,) = [one for one in bench.records("schedule.handled") if one.fields["schedule"] == "checklist:soon"][:1]
    assert handled.fields["late_s"] < 5.0 and handled.fields["occurrence"] % 60 == 0
    bench.until(lambda: "state: ok" in note.read_text(), "the note says so too")
    listed = {item["name"]: item for item in bench.json("checklist", "list")["checklists"]}
    assert listed["soon"]["blessed"] == "yes" and listed["morning"]["blessed"] == "yes"
    assert any(run["state"] == "ok" for run in bench.json("checklist", "history", "soon")["runs"])
    assert bench.stop() == 0
    assert bench.json("audit", "verify")["ok"] is True


def test_it_is_run_by_hand_signed_by_command_and_survives_a_kill(bench: Bench) -> None:
    (bench.root / "vault/checklists/soon.yaml").write_text(SOON.replace('schedule: "* * * * *"\n', ""))
    bench.ok("checklist", "bless", "soon")
    assert bench.command("checklist", "run", "soon").returncode == 6, "the daemon does it"
    bench.start()
    done = bench.command("checklist", "run", "soon")
    assert done.returncode == 3 and "waiting  seen" in done.stdout, done.stdout + done.stderr
    bench.kill()
    bench.start()
    bench.ok("checklist", "sign", "seen")
    bench.until(lambda: bench.records("checklist.finished"), "it goes on after the kill")
    assert [record.fields["step"] for record in bench.records("checklist.step")].count("audit") == 2, "begun and ended"
    assert bench.stop() == 0


@pytest.mark.parametrize("name", ["morning", "afternoon", "evening", "weekly", "monthly", "quarterly", "release"])
def test_the_shipped_ones_are_useful_as_they_are(bench: Bench, name: str) -> None:
    bench.start()
    done = bench.command("checklist", "run", name, "--json")

    said = json.loads(done.stdout)
    states = {step: each["state"] for step, each in said["steps"].items()}
    assert "fail" not in states.values(), said["steps"]
    unknown = {step for step, state in states.items() if state == "unknown"}
    assert unknown <= {"backup", "drill"}, "only what has never been done is unknown on a fresh desk"
    assert bench.stop() == 0
