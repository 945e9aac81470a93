"""Checklists are read whole or not at all, with everything that is wrong at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.core.checklist import Check, Checklist, Manual, Program
from deskhand.core.checklist_file import read
from deskhand.core.comparison import condition
from deskhand.core.fact import FACTS, Fact, shown
from deskhand.engine.checklist_runs import judged
from deskhand.engine.cron import Cron
from deskhand.engine.zone import zone_named
from deskhand.store.checklist_files import starter_checklists

STARTER = Path(__file__).parents[2] / "daemon/deskhand/starter/vault/checklists"
DOCS = Path(__file__).parents[2] / "docs/checklists.md"
HEAD = "schema: 1\ntitle: T\npurpose: P\n"


def good(text: str) -> Checklist:
    reading = read((HEAD + text).encode(), "mine")
    assert reading.violations == ()
    assert reading.checklist is not None
    return reading.checklist


def wrong(text: str, head: str = HEAD) -> list[str]:
    reading = read((head + text).encode(), "mine")
    assert reading.checklist is None
    return [violation.at("mine.yaml") for violation in reading.violations]


def test_the_example_in_the_documentation_is_right() -> None:
    example = DOCS.read_text().split("```yaml\n")[1].split("```")[0]
    checklist = read(example.encode(), "morning").checklist
    assert checklist is not None
    assert (checklist.schedule, checklist.zone, checklist.grace) == ("0 9 * * 1-5", "Europe/Berlin", 4 * 3600.0)
    disk, audit, approvals = checklist.steps
    assert isinstance(disk.what, Check) and disk.what.warn is not None
    assert (disk.what.good.value, disk.what.warn.value) == (10**9, 5 * 10**9)
    assert disk.on_fail.drop is not None and disk.on_fail.drop.recipe == "note"
    assert audit.what == Program(("deskhand", "audit", "verify")) and audit.expect.output == "ok"
    assert isinstance(approvals.what, Manual) and approvals.condition == condition("approvals.waiting > 0")


def test_every_metric_is_documented() -> None:
    text = DOCS.read_text()
    assert [name for name, fact in FACTS.items() if f"| `{name}` | {fact.unit} | {fact.meaning} |" not in text] == []


def test_everything_wrong_is_said_at_once() -> None:
    assert wrong(
        "schedule: daily\nsteps:\n"
        "  - {id: A, manual: x}\n"
        "  - {id: b, run: [ls], check: {metric: m, operator: '<', value: 1}}\n"
        "  - {id: c, needs: [d], check: {metric: tasks.park, operator: '<', value: 1}}\n"
        "  - {id: c, run: [ls], due: 1h, expect: {output: '('}}\n"
        "  - {id: e, condition: 'a > 1', manual: x}\n"
        "  - {id: f, if: maybe, manual: x}\n"
        "  - {id: g, check: {metric: watcher.mode, operator: '<', value: events}}\n"
        "  - {id: h, check: {metric: disk.free_bytes, operator: '<', value: 1 parsec}}\n"
    ) == [
        "mine.yaml:4:11: schedule: must be five cron fields: minute, hour, day, month, weekday, as in '15 0 * * *'",
        "mine.yaml:10:13: steps[4].condition: no such key",
    ]


def test_what_steps_mean_is_checked_too() -> None:
    found = wrong(
        "steps:\n"
        "  - {id: A, manual: x}\n"
        "  - {id: b, run: [ls], check: {metric: m, operator: '<', value: 1}}\n"
        "  - {id: c, needs: [d], check: {metric: tasks.park, operator: '<', value: 1}}\n"
        "  - {id: c, run: [ls], due: 1h, expect: {output: '('}}\n"
        "  - {id: f, if: maybe, manual: x}\n"
        "  - {id: g, check: {metric: watcher.mode, operator: '<', value: events}}\n"
        "  - {id: h, check: {metric: disk.free_bytes, operator: '<', value: 1 parsec}}\n"
        "  - {id: i, run: []}\n"
    )
    paths = [line.split(": ")[1] for line in found]
    assert paths == [
        *("steps[0].id", "steps[1]", "steps[2].needs[0]", "steps[2].check.value", "steps[3].id", "steps[3].due"),
        *("steps[3].expect.output", "steps[4].if", "steps[5].check.value", "steps[6].check.value", "steps[7].run"),
    ]


@pytest.mark.parametrize("head", ["title: T\npurpose: P\n", "schema: 2\ntitle: T\npurpose: P\n", "schema: 1\n"])
def test_schema_title_and_purpose_are_required(head: str) -> None:
    assert wrong("steps:\n  - {id: a, manual: x}\n", head)


def test_a_name_is_plain() -> None:
    assert read((HEAD + "steps:\n  - {id: a, manual: x}\n").encode(), "My list").checklist is None


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_a_checklist_or_violations(data: bytes) -> None:
    for prefix in (b"", HEAD.encode(), HEAD.encode() + b"steps:\n  - "):
        reading = read(prefix + data, "mine")
        assert (reading.checklist is None) == bool(reading.violations)


@pytest.mark.parametrize("path", sorted(STARTER.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_ones_are_right_and_their_times_come(path: Path) -> None:
    reading = read(path.read_bytes(), path.stem)
    assert reading.violations == () and reading.checklist is not None
    assert starter_checklists()[path.stem] == reading.checklist.sha256
    if reading.checklist.schedule is not None:
        assert next(Cron(reading.checklist.schedule, zone_named("Europe/Berlin")).after(1.8e9)) > 1.8e9


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [
        ("disk.free_bytes > 1GB", 10**9, False),
        ("disk.free_bytes >= 1GB", 10**9, True),
        ("tasks.oldest_pending_s < 1h", 3599.0, True),
        ("disk.free_percent > 5 %", 5.5, True),
        ("clock.confirmed == true", True, True),
        ("watcher.mode != events", "scan only", True),
    ],
)
def test_comparisons_know_units(text: str, value: float | bool | str, holds: bool) -> None:
    assert condition(text).holds(value) is holds


def test_unknown_is_its_own_state_with_its_reason() -> None:
    check = Check(condition("backup.verified_age_s < 1d"))
    assert judged(check, Fact(unknown="never made")).state == "unknown"
    assert judged(check, Fact(90_000.0)).reason == "backup.verified_age_s is 25h, not < 1d"
    assert judged(Check(check.good, condition("backup.verified_age_s < 1h")), Fact(7200.0)).state == "warn"


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("tasks.parked", 3, "3"),
        ("disk.free_bytes", 12_345_678_901, "12.3GB"),
        ("disk.free_percent", 12.345, "12.3 %"),
        ("clock.confirmed", False, "false"),
        ("scheduler.lag_s", 0.25, "0.25s"),
        ("desk.paused", "no", "no"),
    ],
)
def test_values_are_shown_as_people_read_them(metric: str, value: float | bool | str, text: str) -> None:
    assert shown(metric, value) == text
