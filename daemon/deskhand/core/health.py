"""How a desk is: checks, each with a verdict of its own, and the worst of them as the whole.

Unknown is never ok.  It ranks between degraded and down: what nobody knows may be down, so it weighs more than a
drawback that is known, and less than what was tried and does not work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from msgspec import Struct


class Verdict(StrEnum):
    """How a check came out, best first."""

    OK = "ok"
    """It was looked at and is as it should be."""
    DEGRADED = "degraded"
    """It works with a drawback, or will not for long."""
    UNKNOWN = "unknown"
    """It could not be found out, or there is nothing yet to judge by."""
    DOWN = "down"
    """It was looked at and does not work."""


_RANK = {verdict: rank for rank, verdict in enumerate(Verdict)}


class Check(Struct, frozen=True):
    """What one check found."""

    name: str
    verdict: Verdict
    reason: str
    """What was found, without names and paths: it may go on record."""
    fix: str | None = None
    """What to do about it; None when nothing has to be done."""
    latency_ms: float | None = None
    """Milliseconds that looking took (for `daemon`, `watcher` and `canary`: that the answer took); None: not timed."""
    detail: str | None = None
    """The names and paths that belong to the reason, for whoever looks."""

    @property
    def sentence(self) -> str:
        """The reason with its detail."""
        return self.reason if self.detail is None else f"{self.reason}: {self.detail}"


class Change(Struct, frozen=True):
    """A check that came out otherwise than before."""

    check: str
    before: Verdict
    after: Verdict
    reason: str


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict of the whole; unknown when nothing was looked at."""
    return max(verdicts, key=_RANK.__getitem__, default=Verdict.UNKNOWN)


def worst_of(name: str, checks: Iterable[Check]) -> Check:
    """Several findings as one check: the worst verdict, with every reason that is not ok, the worst first."""
    found = sorted(checks, key=lambda check: _RANK[check.verdict], reverse=True)
    said = [check for check in found if check.verdict is not Verdict.OK] or found
    fixes = dict.fromkeys(check.fix for check in said if check.fix is not None)
    reason = "; ".join(dict.fromkeys(check.reason for check in said)) or "nothing was looked at"
    detail = "; ".join(check.detail for check in said if check.detail is not None)
    return Check(name, worst(check.verdict for check in found), reason, "; ".join(fixes) or None, detail=detail or None)


def changes(before: Mapping[str, Verdict], checks: Iterable[Check]) -> list[Change]:
    """What has to go on record: *before* is how each check came out last.

    A check that was never looked at was unknown.  That it is ok from the first look on is no news.
    """
    found = []
    for check in checks:
        known = before.get(check.name)
        was = Verdict.UNKNOWN if known is None else known
        if check.verdict is not was and not (known is None and check.verdict is Verdict.OK):
            found.append(Change(check.name, was, check.verdict, check.reason))
    return found
