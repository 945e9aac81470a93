"""Spreads, tallies, bands, and Prometheus' text, all without a disk."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.core import spread
from deskhand.core.metric import METRICS, Standing
from deskhand.core.prometheus import LIMITS, exposition
from deskhand.core.record import timestamp
from deskhand.core.tally import Fold, Moments, Tally

SECONDS = st.floats(1e-6, 1e7)


@given(st.lists(SECONDS, min_size=1, max_size=60), st.floats(0.01, 1.0))
def test_a_quantile_is_off_by_five_percent_at_most(values: list[float], share: float) -> None:
    bands: dict[int, int] = {}
    for value in values:
        spread.add(bands, value)
    exact = sorted(values)[max(1, math.ceil(share * len(values))) - 1]
    found = spread.quantile(bands, share)
    assert found == pytest.approx(exact, rel=0.051)


@given(st.lists(SECONDS, max_size=30), st.lists(SECONDS, max_size=30))
def test_two_spreads_add_up(left: list[float], right: list[float]) -> None:
    one: dict[int, int] = {}
    two: dict[int, int] = {}
    both: dict[int, int] = {}
    for value in left:
        spread.add(one, value)
    for value in right:
        spread.add(two, value)
    for value in left + right:
        spread.add(both, value)
    spread.merge(one, two)
    assert one == both


def test_nothing_has_no_quantile() -> None:
    assert spread.quantile({}, 0.5) is None


def folded(*records: tuple[float, str, dict[str, Any]]) -> tuple[Tally, dict[str, Moments]]:
    tally, tasks = Tally(), dict[str, Moments]()
    fold = Fold(lambda moment, key: (tally,), tasks)
    for moment, kind, fields in records:
        fold.take(json.dumps({"prev": "0" * 64, "seq": 1, "ts": timestamp(moment), "type": kind, **fields}).encode())
    return tally, tasks


def story(key: str, *steps: tuple[float, str, dict[str, Any]]) -> list[tuple[float, str, dict[str, Any]]]:
    return [(moment, f"task.{kind}", {"task": key, **fields}) for moment, kind, fields in steps]


def test_a_task_counts_from_received_to_its_end() -> None:
    used = {
        "cost": {"amount": 0.25, "currency": "USD"},
        "attempt": 1,
        "cpu_s": 0.5,
        "duration_s": 2.0,
        "memory_bytes": 1000,
        "output_bytes": 7,
    }
    tally, tasks = folded(
        *story(
            "a",
            (100.0, "received", {"input_bytes": 3}),
            (100.5, "waiting", {}),
            (110.5, "approved", {"via": "rename"}),
            (111.0, "started", {"attempt": 1}),
            (113.0, "retry", used),
            (114.0, "started", {"attempt": 2}),
            (116.0, "completed", {**used, "attempt": 2, "memory_bytes": 500}),
        )
    )
    assert not tasks
    assert tally.counts == {
        "received": 1,
        "waiting": 1,
        "approved": 1,
        "yes": 1,
        "started": 2,
        "retry": 1,
        "completed": 1,
        "attempts": 2,
        "attempts_failed": 1,
        "measured": 2,
        "priced": 2,
    }
    assert tally.sums == {"input_bytes": 3, "cpu_s": 1.0, "run_s": 4.0, "cost": 0.5, "output_bytes": 14}
    assert tally.peaks == {"memory_bytes": 1000}
    took = {name: spread.quantile(bands, 0.5) for name, bands in tally.spreads.items()}
    assert took == pytest.approx({"cycle": 16.0, "answer": 10.0, "queue": 11.0, "run": 2.0}, rel=0.05)


def test_what_says_nothing_about_an_attempt_is_not_one() -> None:
    tally, tasks = folded(
        *story("a", (1.0, "received", {}), (2.0, "started", {}), (3.0, "retry", {"attempt": 1, "via": "drain"})),
        *story("b", (1.0, "received", {}), (2.0, "started", {}), (3.0, "retry", {"attempt": 1, "via": "unready"})),
        *story("c", (1.0, "received", {}), (2.0, "in_doubt", {}), (3.0, "retry", {"attempt": 1, "via": "answer"})),
        *story("d", (1.0, "received", {}), (2.0, "in_doubt", {}), (3.0, "rejected", {"via": "rename"})),
    )
    assert "attempts" not in tally.counts
    assert "no" not in tally.counts, "it was no question whether it may run"
    assert set(tasks) == {"a", "b", "c"}


def test_an_answer_and_an_expiry() -> None:
    tally, _ = folded(
        *story("a", (1.0, "received", {}), (2.0, "waiting", {}), (3.0, "rejected", {})),
        *story("b", (1.0, "received", {}), (2.0, "waiting", {}), (9.0, "expired", {})),
        *story("c", (1.0, "received", {}), (2.0, "waiting", {}), (4.0, "cancelled", {})),
    )
    assert tally.counts["no"] == tally.counts["unanswered"] == 1
    assert METRICS["approval_rate"].value(tally) == 0.0


def test_a_clock_that_was_set_back_makes_nothing_negative() -> None:
    tally, _ = folded(*story("a", (100.0, "received", {}), (50.0, "completed", {})))
    assert METRICS["cycle_time"].value(tally) == pytest.approx(0.0, abs=1e-5)


def test_a_task_from_before_the_log_counts_where_it_ends() -> None:
    tally, tasks = folded(*story("a", (5.0, "completed", {"attempt": 1})))
    assert tally.counts == {"completed": 1, "attempts": 1}
    assert not tasks


def test_other_records_are_counted_or_passed_over() -> None:
    tally, _ = folded((1.0, "daemon.started", {}), (2.0, "log.heartbeat", {}), (3.0, "drop.refused", {"bytes": 1}))
    assert tally.counts == {"starts": 1, "refused": 1}


@pytest.mark.parametrize(
    ("name", "value", "standing"),
    [
        ("success", 100.0, Standing.OK),
        ("success", 85.0, Standing.OK),
        ("success", 84.9, Standing.WARN),
        ("success", 70.0, Standing.WARN),
        ("success", 69.9, Standing.ALERT),
        ("success", None, Standing.UNKNOWN),
        ("error_rate", 5.0, Standing.OK),
        ("error_rate", 5.1, Standing.WARN),
        ("error_rate", 10.1, Standing.ALERT),
        ("cycle_time", 4 * 3600.0, Standing.OK),
        ("cycle_time", 7 * 3600.0, Standing.ALERT),
        ("approval_rate", 74.0, Standing.ALERT),
        ("received", 3.0, Standing.NONE),
        ("run_time", None, Standing.NONE),
    ],
)
def test_a_value_is_judged_by_its_band(name: str, value: float | None, standing: Standing) -> None:
    assert METRICS[name].judge(value) is standing


def test_without_data_nothing_is_good() -> None:
    judged = {name: metric.judge(metric.value(Tally())) for name, metric in METRICS.items()}
    assert Standing.OK not in judged.values()
    assert {name for name, metric in METRICS.items() if metric.band} <= {
        name for name, standing in judged.items() if standing is Standing.UNKNOWN
    }


@given(st.dictionaries(st.sampled_from(["cycle", "run"]), st.lists(SECONDS, max_size=20)))
def test_buckets_of_a_histogram_grow_and_end_at_the_count(values: dict[str, list[float]]) -> None:
    tally = Tally()
    for name, some in values.items():
        for value in some:
            tally.took(name, value)
    text = exposition(tally, {"ready": 2}, 'a "desk"\\\n', "1", up=True)
    shown = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert shown['deskhand_build_info{desk="a \\"desk\\"\\\\\\n",version="1"}'] == "1"
    assert shown['deskhand_tasks{state="ready"}'] == "2"
    for name, metric in (("cycle", "cycle_seconds"), ("run", "attempt_seconds")):
        buckets = [int(shown[f'deskhand_{metric}_bucket{{le="{limit:g}"}}']) for limit in LIMITS]
        assert buckets == sorted(buckets)
        total = len(values.get(name, []))
        assert buckets[-1] <= total == int(shown[f"deskhand_{metric}_count"])
        assert int(shown[f'deskhand_{metric}_bucket{{le="+Inf"}}']) == total
        assert float(shown[f"deskhand_{metric}_sum"]) == pytest.approx(sum(values.get(name, [])), rel=0.06)


def test_whether_a_daemon_answers_is_left_out_when_it_is_not_known() -> None:
    assert "deskhand_up" not in exposition(Tally(), {}, "d", "1", up=None)
    assert "deskhand_up 0\n" in exposition(Tally(), {}, "d", "1", up=False)
