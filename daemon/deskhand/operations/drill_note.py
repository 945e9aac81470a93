"""The note about the last recovery drill, ``vault/_deskhand/drill.md``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from deskhand.core.record import timestamp

# What is shown comes as plain data, so that nothing here depends on how a drill is made.


class Line(Protocol):
    """One backup that was restored."""

    @property
    def name(self) -> str: ...
    @property
    def ok(self) -> bool: ...
    @property
    def seconds(self) -> float: ...
    @property
    def records(self) -> int: ...
    @property
    def unfinished(self) -> int: ...
    @property
    def canary(self) -> str | None: ...
    @property
    def reason(self) -> str | None: ...


class Harm(Protocol):
    """One copy that was damaged on purpose."""

    @property
    def what(self) -> str: ...
    @property
    def found(self) -> bool: ...


class Facts(Protocol):
    """What a drill found out."""

    @property
    def ok(self) -> bool: ...
    @property
    def began(self) -> float: ...
    @property
    def place(self) -> str: ...
    @property
    def rpo_s(self) -> float | None: ...
    @property
    def rto_s(self) -> float | None: ...
    @property
    def reason(self) -> str | None: ...


def render(facts: Facts, backups: tuple[Line, ...], damaged: tuple[Harm, ...]) -> str:
    """The note as Markdown."""
    return "\n".join(_lines(facts, backups, damaged)) + "\n"


def _lines(facts: Facts, backups: tuple[Line, ...], damaged: tuple[Harm, ...]) -> Iterator[str]:
    yield "# Recovery drill"
    yield ""
    yield f"{'Passed' if facts.ok else '**FAILED**'} on {timestamp(facts.began)[:16].replace('T', ' ')} UTC."
    if facts.reason is not None:
        yield f"What is wrong: {facts.reason}"
    yield ""
    yield f"- Backups were read from: {facts.place}"
    yield f"- What would be lost if the desk broke now (RPO): {_span(facts.rpo_s)}"
    yield f"- Until the newest backup was a verified desk again (RTO): {_span(facts.rto_s)}"
    yield ""
    if backups:
        yield "| Backup | Result | Seconds | Records | Unfinished | A task found again |"
        yield "|---|---|---|---|---|---|"
        for one in backups:
            result = "restored, verified, opened" if one.ok else f"FAILED: {one.reason}".replace("|", "\\|")
            found = one.canary or ("none to look for" if one.ok else "unknown")
            yield f"| {one.name} | {result} | {one.seconds:.2f} | {one.records} | {one.unfinished} | {found} |"
        yield ""
    for harm in damaged:
        yield f"- A copy with {harm.what}: {'noticed' if harm.found else '**NOT noticed**'}"
    if not damaged:
        yield "- No copy was damaged on purpose: there was no good one."
    yield ""
    yield "Each was unpacked into a folder that is gone again. Every byte, the audit log's chain, and the folders"
    yield "against the log were verified; then a second engine opened it, recovered it and was closed. It started no"
    yield "handler, sent nothing and took no drop."


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    if seconds < 120:
        return f"{seconds:.2f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86400:.1f} days"
