"""Metrics in Prometheus' text format, version 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/).

Counters count from the first record of the log that is known, so they only grow; times are in seconds, sizes in bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from deskhand.core import spread
from deskhand.core.tally import ENDS, Tally

LIMITS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)
"""Upper bounds of the buckets, in seconds."""
_COUNTERS = {
    "received": "Tasks received.",
    "attempts": "Attempts that ended.",
    "attempts_failed": "Attempts that failed.",
    "in_doubt": "Runs that were cut off and put to a person.",
    "refused": "Drops that were refused.",
    "starts": "Starts of the daemon.",
}
_SUMS = {
    "cpu_s": ("attempts_cpu_seconds", "Processor time of attempts."),
    "output_bytes": ("output_bytes", "Output."),
    "cost": ("cost", "In the desk's currency."),
}
_SPREADS = {
    "cycle": ("cycle_seconds", "From received until completed."),
    "run": ("attempt_seconds", "One attempt."),
    "answer": ("answer_seconds", "From asked until answered."),
}


def exposition(tally: Tally, states: Mapping[str, int], desk: str, version: str, up: bool | None) -> str:
    """The text.  *states*: unfinished tasks in each state; *up*: whether a daemon answers, None when unknown."""
    return "".join(f"{line}\n" for line in _lines(tally, states, desk, version, up))


def _lines(tally: Tally, states: Mapping[str, int], desk: str, version: str, up: bool | None) -> Iterator[str]:
    yield from _head("build_info", "gauge", "Which desk this is, and which deskhand.")
    yield f'deskhand_build_info{{desk="{_escaped(desk)}",version="{_escaped(version)}"}} 1'
    if up is not None:
        yield from _head("up", "gauge", "Whether a daemon answers.")
        yield f"deskhand_up {int(up)}"
    yield from _head("tasks", "gauge", "Unfinished tasks in each state.")
    for state, number in states.items():
        yield f'deskhand_tasks{{state="{state}"}} {number}'
    yield from _head("tasks_ended_total", "counter", "Tasks that came to an end.")
    for end in sorted(ENDS):
        yield f'deskhand_tasks_ended_total{{end="{end}"}} {tally.counts.get(end, 0)}'
    for name, text in _COUNTERS.items():
        yield from _head(f"{name}_total", "counter", text)
        yield f"deskhand_{name}_total {tally.counts.get(name, 0)}"
    for name, (shown, text) in _SUMS.items():
        yield from _head(f"{shown}_total", "counter", text)
        yield f"deskhand_{shown}_total {tally.sums.get(name, 0.0):.6g}"
    for name, (shown, text) in _SPREADS.items():
        yield from _histogram(shown, text, tally.spreads.get(name, {}))


def _histogram(name: str, text: str, bands: spread.Spread) -> Iterator[str]:
    yield from _head(name, "histogram", text)
    for limit in LIMITS:
        yield f'deskhand_{name}_bucket{{le="{limit:g}"}} {spread.at_most(bands, limit)}'
    total = sum(bands.values())
    yield f'deskhand_{name}_bucket{{le="+Inf"}} {total}'
    middle = 2 / (1 + spread.GROWTH)
    amount = sum(middle * spread.GROWTH**band * number for band, number in bands.items())
    yield f"deskhand_{name}_sum {amount:.6g}"
    yield f"deskhand_{name}_count {total}"


def _head(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP deskhand_{name} {text}"
    yield f"# TYPE deskhand_{name} {kind}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
