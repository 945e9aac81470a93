"""What the log says about scheduled work and checklists, folded up: part of the ledger's book and of its snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

STARTED = "started"
"""Of a step or an occurrence: it was begun, and how it ended is not on record."""


class Handled(Struct, frozen=True):
    """The last occurrence of a schedule that was handled."""

    occurrence: float
    """Epoch seconds."""
    result: str
    """`planned` (seen for the first time: everything before it is none of its business), `started`, `ok`, `failed`,
    `missed`, `skipped`, `cut_off`, `rebased` (the clock was set back: counted from there)."""
    at: float
    """Epoch seconds of the record."""
    late_s: float = 0.0
    reason: str | None = None


class Blessed(Struct, frozen=True):
    """The bytes of a checklist whose steps may run."""

    sha256: str
    at: float
    """Epoch seconds."""


class StepResult(Struct, frozen=True):
    """How a step of a run stands."""

    state: str
    """`started`, `ok`, `warn`, `fail`, `skipped`, `waiting`, `missed` or `unknown`."""
    reason: str | None = None
    at: float = 0.0
    """Epoch seconds."""


class OpenRun(Struct):
    """A run of a checklist that is not finished."""

    checklist: str
    run_id: str
    at: float
    """Epoch seconds of its beginning."""
    sha256: str
    """Of the checklist's file."""
    note: str
    """Name of its note in `vault/_deskhand/checklists/`."""
    occurrence: float | None = None
    """Epoch seconds of the scheduled time; None: somebody asked for it."""
    steps: dict[str, StepResult] = field(default_factory=dict)


class FinishedRun(Struct, frozen=True):
    """The last finished run of a checklist."""

    run_id: str
    state: str
    at: float
    """Epoch seconds."""
    note: str


class Routine(Struct):
    """See the module."""

    schedules: dict[str, Handled] = field(default_factory=dict)
    """Schedule -> its last handled occurrence."""
    blessed: dict[str, Blessed] = field(default_factory=dict)
    """Checklist -> the bytes whose steps may run."""
    runs: dict[str, OpenRun] = field(default_factory=dict)
    """Run id -> unfinished run, oldest first."""
    finished: dict[str, FinishedRun] = field(default_factory=dict)
    """Checklist -> its last finished run."""
    good: dict[str, float] = field(default_factory=dict)
    """`backup.verified`, `drill.finished` -> epoch seconds of the last that was good."""

    def take(self, kind: str, fields: Mapping[str, Any], ts: float) -> None:
        """Fold one record in; those about something else are ignored."""
        match kind:
            case "schedule.handled":
                late, reason = fields.get("late_s", 0.0), fields.get("reason")
                self._handled(fields["schedule"], Handled(fields["occurrence"], fields["result"], ts, late, reason))
            case "checklist.adopted":
                self.blessed.update({name: Blessed(digest, ts) for name, digest in fields["checklists"].items()})
            case "checklist.blessed" if fields.get("sha256") is None:
                self.blessed.pop(fields["checklist"], None)
                self.schedules.pop(schedule_of(fields["checklist"]), None)
            case "checklist.blessed":
                self.blessed[fields["checklist"]] = Blessed(fields["sha256"], ts)
            case "checklist.started":
                self._started(fields, ts)
            case "checklist.step" | "checklist.signed" | "checklist.finished":
                self._run(kind, fields, ts)
            case "backup.verified" | "drill.finished" if fields.get("ok") is True:
                self.good[kind] = ts
            case _:
                pass

    def _handled(self, schedule: str, handled: Handled) -> None:
        known = self.schedules.get(schedule)
        if known is None or handled.occurrence >= known.occurrence or handled.result == "rebased":
            self.schedules[schedule] = handled  # an older one that ends later changes nothing

    def _started(self, fields: Mapping[str, Any], ts: float) -> None:
        occurrence = fields.get("occurrence")
        name, run_id = fields["checklist"], fields["run_id"]
        self.runs[run_id] = OpenRun(name, run_id, ts, fields["sha256"], fields["note"], occurrence)
        if occurrence is not None:  # a crash right after this record must not begin the same occurrence again
            self._handled(schedule_of(name), Handled(occurrence, STARTED, ts, max(0.0, ts - occurrence)))

    def _run(self, kind: str, fields: Mapping[str, Any], ts: float) -> None:
        run = self.runs.get(fields["run_id"])
        if run is None:
            return
        match kind:
            case "checklist.step":
                run.steps[fields["step"]] = StepResult(fields["state"], fields.get("reason"), ts)
            case "checklist.signed":
                answer = fields["answer"]
                said = f"signed: {answer}" if fields.get("reason") is None else f"signed: {answer}, {fields['reason']}"
                run.steps[fields["step"]] = StepResult("ok" if answer == "yes" else "fail", said, ts)
            case _:
                del self.runs[run.run_id]
                self.finished[run.checklist] = FinishedRun(run.run_id, fields["state"], ts, run.note)


def schedule_of(checklist: str) -> str:
    """Name of a checklist's schedule."""
    return f"checklist:{checklist}"


def missed(routine: Routine, checklist: str) -> float | None:
    """Epoch seconds of the last scheduled time of a checklist when that was missed; None when it was not."""
    handled = routine.schedules.get(schedule_of(checklist))
    return handled.occurrence if handled is not None and handled.result == "missed" else None
