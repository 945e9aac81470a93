"""The metrics of a desk: what each is, how it comes from a tally, and what is normal.

A metric without data is unknown (None), never a good value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType

from msgspec import Struct

from deskhand.core import spread
from deskhand.core.tally import Tally


class Standing(StrEnum):
    """How a value compares with its band."""

    OK = "ok"
    """As it should be."""
    WARN = "warn"
    """Out of the normal range."""
    ALERT = "alert"
    """Beyond the alert threshold."""
    UNKNOWN = "unknown"
    """There is nothing to judge."""
    NONE = "-"
    """It has no band: it is shown, not judged."""


class Band(Struct, frozen=True):
    """What is normal and what is alarming, in the metric's unit."""

    normal: float
    alert: float
    action: str
    """What to do, one sentence."""

    @property
    def high_is_good(self) -> bool:
        """Whether values above `normal` are the good ones."""
        return self.normal > self.alert

    def judge(self, value: float | None) -> Standing:
        """The standing of a value; the thresholds themselves are still on their better side."""
        if value is None:
            return Standing.UNKNOWN
        sign = 1 if self.high_is_good else -1
        if sign * value < sign * self.alert:
            return Standing.ALERT
        return Standing.OK if sign * value >= sign * self.normal else Standing.WARN


class Metric(Struct, frozen=True):
    """One of them."""

    name: str
    unit: str
    """`%`, `s`, `B`, `cost` (in the desk's currency) or empty for a count."""
    help: str
    value: Callable[[Tally], float | None]
    band: Band | None = None

    def judge(self, value: float | None) -> Standing:
        """The standing of a value."""
        return Standing.NONE if self.band is None else self.band.judge(value)


def _share(part: str, *whole: str) -> Callable[[Tally], float | None]:
    """Percent that *part* is of all of *whole*."""

    def value(tally: Tally) -> float | None:
        total = sum(tally.counts.get(name, 0) for name in whole)
        return 100.0 * tally.counts.get(part, 0) / total if total else None

    return value


def _quantile(name: str, share: float) -> Callable[[Tally], float | None]:
    return lambda tally: spread.quantile(tally.spreads.get(name, {}), share)


def _number(name: str) -> Callable[[Tally], float | None]:
    return lambda tally: float(tally.counts.get(name, 0))


def _each(name: str, of: str) -> Callable[[Tally], float | None]:
    """A sum divided by a count."""

    def value(tally: Tally) -> float | None:
        number = tally.counts.get(of, 0)
        return tally.sums.get(name, 0.0) / number if number else None

    return value


def _peak(name: str) -> Callable[[Tally], float | None]:
    return lambda tally: tally.peaks.get(name)


_SUCCESS = Band(85.0, 70.0, "look at what failed: deskhand tasks --state failed, deskhand task failure ID")
_CYCLE = Band(4 * 3600.0, 6 * 3600.0, "see what waits, and for whom: deskhand status")
_APPROVALS = Band(90.0, 75.0, "see what is refused and why: deskhand tasks --state rejected")
_COST = Band(10.0, 20.0, "see what it goes to: deskhand cost --breakdown model")
_ERRORS = Band(5.0, 10.0, "read the output of attempts that failed: deskhand task log ID")

METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            Metric(
                "success",
                "%",
                "completed tasks among those whose work came to an end (completed, failed, quarantined, lost)",
                _share("completed", "completed", "failed", "quarantined", "lost"),
                _SUCCESS,
            ),
            Metric("cycle_time", "s", "from received until completed, median", _quantile("cycle", 0.5), _CYCLE),
            Metric("cycle_time_p95", "s", "from received until completed, 95 of 100", _quantile("cycle", 0.95)),
            Metric("cost_per_run", "cost", "cost of an attempt that has a price, mean", _each("cost", "priced"), _COST),
            Metric(
                "approval_rate",
                "%",
                "questions answered with yes among those that were answered or expired",
                _share("yes", "yes", "no", "unanswered"),
                _APPROVALS,
            ),
            Metric(
                "error_rate",
                "%",
                "attempts that failed among those that ended",
                _share("attempts_failed", "attempts"),
                _ERRORS,
            ),
            Metric("received", "", "tasks received", _number("received")),
            Metric("completed", "", "tasks completed", _number("completed")),
            Metric("failed", "", "tasks that failed", _number("failed")),
            Metric("in_doubt", "", "runs that were cut off and put to a person", _number("in_doubt")),
            Metric("refused", "", "drops that were refused", _number("refused")),
            Metric("starts", "", "starts of the daemon", _number("starts")),
            Metric("queue_time_p95", "s", "from received until the first attempt, 95 of 100", _quantile("queue", 0.95)),
            Metric("answer_time", "s", "from asked until answered, median", _quantile("answer", 0.5)),
            Metric("run_time", "s", "one attempt, median", _quantile("run", 0.5)),
            Metric("run_time_p95", "s", "one attempt, 95 of 100", _quantile("run", 0.95)),
            Metric("cpu_per_attempt", "s", "processor time of an attempt, mean", _each("cpu_s", "measured")),
            Metric(
                "memory_peak", "B", "most memory that an attempt used", lambda tally: tally.peaks.get("memory_bytes")
            ),
        )
    }
)
"""Name -> metric, in the order in which they are shown."""
