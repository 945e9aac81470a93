"""Reports: facts in, Markdown and pictures out."""

from __future__ import annotations

from datetime import UTC
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.core.tally import Tally
from deskhand.core.uptime import Uptime
from deskhand.operations import report_failure, report_performance, report_period, report_sla
from deskhand.operations.chart import Series, bars
from deskhand.operations.report_failure import Step
from deskhand.operations.report_period import Failure, Waiting

SVG = "{http://www.w3.org/2000/svg}"
FAILURE = Failure("ab12cd34", "note", "it <b>broke</b>", 3, 100.0, 200.0, "20260101-000000-a-aaaaaa")


def tally(**counts: int) -> Tally:
    return Tally(counts=counts)


def period(**more: object) -> report_period.Facts:
    facts: dict[str, object] = {
        "title": "Daily report, 1970-01-01",
        "desk": "desk",
        "since": 0.0,
        "until": 86_400.0,
        "whole": tally(received=3, completed=2, failed=1),
        "before": None,
        "labels": ("00:00", "12:00"),
        "parts": (None, tally(received=3, completed=2, failed=1)),
        "uptime": Uptime(up=3600.0, unknown=60.0, crashes=1),
        "failures": (FAILURE,),
        "waiting": (Waiting("20260101-000000-b-bbbbbb", "may it?", 82_800.0),),
        "held_up": (),
    }
    return report_period.Facts(**{**facts, **more})  # type: ignore[arg-type]


def test_a_period_says_what_was_done_and_what_waits() -> None:
    text = report_period.render(period(), {"Finished tasks": "x-1.svg"}, UTC)
    assert "3 tasks came in, 2 were completed. 1 failed, 3 of them in the same way" in text
    assert "1 wait for an answer, the oldest for 1.0 h" in text
    assert "Beyond the alert threshold: success." in text
    assert "| success | 66.7 % | unknown | > 85.0 % | **alert** |" in text
    assert "| 3 × | note | it \\<b\\>broke\\</b\\> | 1970-01-01 00:03 | `deskhand task failure aaaaaa` |" in text
    assert "![Finished tasks](x-1.svg)" in text
    assert "up 1.0 h · unknown 1.0 min" in text and "1 times it ended without a word" in text


def test_what_came_before_is_compared_only_when_it_is_known() -> None:
    assert "in the time before" not in report_period.render(period(), {}, UTC)
    known = period(before=tally(completed=7, received=7))
    assert "2 were completed (7 in the time before)" in report_period.render(known, {}, UTC)


def test_pictures_show_what_there_is() -> None:
    drawn = report_period.charts(period())
    assert list(drawn) == ["Finished tasks", "Received tasks"], "nothing is known of times and processors"
    assert report_period.charts(period(parts=(None, None))) == {}


@given(
    st.lists(st.tuples(st.text(max_size=8), st.none() | st.floats(0, 1e9)), max_size=40),
    st.text(max_size=20).filter(str.isprintable),
)
def test_a_picture_is_xml_and_its_bars_stay_inside(found: list[tuple[str, float | None]], title: str) -> None:
    labels = [label for label, _ in found if label.isprintable() or not label]
    values = tuple(value for label, value in found if label.isprintable() or not label)
    root = ElementTree.fromstring(bars(title, labels, (Series("a", "#111111", values), Series("b", "#222222", values))))
    for bar in root.iter(f"{SVG}rect"):
        if bar.find(f"{SVG}title") is not None:
            assert 33 <= float(bar.attrib["y"]) <= 195
            assert float(bar.attrib["y"]) + float(bar.attrib["height"]) <= 194.5


def test_bars_are_as_high_as_their_values() -> None:
    root = ElementTree.fromstring(bars("t", ["x", "y"], (Series("a", "#111111", (1.0, 4.0)),)))
    heights = [float(bar.attrib["height"]) for bar in root.iter(f"{SVG}rect") if len(bar)]
    assert heights == pytest.approx([40.0, 160.0])


def sla(uptime: Uptime, target: float = 99.5) -> str:
    return report_sla.render(report_sla.Facts("SLA", "desk", 0.0, 86_400.0, target, uptime, Tally()), UTC)


def test_availability_is_between_a_least_and_a_most() -> None:
    text = sla(Uptime(up=9900.0, unknown=100.0))
    assert "between 99.000 % and 100.000 %" in text and "**unknown**" in text
    assert "| error budget | 50 s |" in text
    assert "| of it used, at least | 0 ms (0 %) |" in text and "| of it used, at most | 1.7 min (200 %) |" in text
    assert "**met**" in sla(Uptime(up=9999.0, down=1.0))
    assert "**missed**" in sla(Uptime(up=9000.0, down=1000.0))


def test_no_data_is_not_a_hundred_percent() -> None:
    text = sla(Uptime(no_data=86_400.0))
    assert "Availability is unknown" in text and "100" not in text
    assert "| success | unknown |" in text


def test_performance_is_told_recipe_by_recipe() -> None:
    slow = Tally(counts={"attempts": 2, "measured": 2, "completed": 2}, sums={"run_s": 60.0, "cpu_s": 1.0})
    facts = report_performance.Facts("P", "desk", 0.0, 1.0, {"keep": tally(attempts=9), "slow": slow})
    rows = [line for line in report_performance.render(facts, UTC).splitlines() if line.startswith("| ")]
    assert rows[1].startswith("| slow | 2 | 1.0 min | 1.0 s | 100.0 % |")
    assert rows[2].startswith("| keep | 9 | unknown | unknown | – |")
    empty = report_performance.Facts("P", "desk", 0.0, 1.0, {})
    assert "No task ran in this time." in report_performance.render(empty, UTC)


def failure(output: str, size: int) -> str:
    steps = (Step(100.0, "received", ""), Step(160.0, "failed", "exit code 3"))
    return report_failure.render(
        report_failure.Facts("id", "a|b.txt", "failed", "r", "note version 1", 2, steps, output, size, FAILURE), UTC
    )


def test_a_failure_is_told_in_order_with_its_output() -> None:
    text = failure("one\ntwo\n", 8)
    assert "# Failure of a\\|b.txt" in text
    assert "| failed like this | 3 ×, first 1970-01-01 00:01, last 1970-01-01 00:03 |" in text
    assert "| 1970-01-01 00:02 | +1.0 min | failed | exit code 3 |" in text
    assert text.endswith("~~~text\none\ntwo\n~~~\n")
    assert "The last 8 of 9000 bytes:" in failure("one\ntwo\n", 9000)
    assert "Nothing, or it is gone." in failure("", 0)


def test_output_cannot_end_its_own_block() -> None:
    text = failure("before\n~~~~\nafter\n", 18)
    assert "\n~~~~~text\nbefore\n~~~~\nafter\n~~~~~\n" in text
