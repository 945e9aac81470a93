"""The checklists of a desk, as the files and the log say, for the verbs that read them."""

from __future__ import annotations

import os
from typing import Any

from deskhand.cli.frame import Frame
from deskhand.core.routine import OpenRun, Routine, missed
from deskhand.engine.view import View
from deskhand.operations.checklist_note import standing
from deskhand.store.checklist_files import ChecklistFiles, Found
from deskhand.store.files import Files


def found(frame: Frame) -> dict[str, Found]:
    """Every checklist in the vault, by name."""
    files = ChecklistFiles(Files(), frame.desk, frame.desk.root / frame.settings.schedules.holidays)
    return dict(files.look())


def listed(frame: Frame, view: View | None = None) -> list[dict[str, Any]]:
    """One entry for each checklist that is in the vault or was blessed; times are epoch seconds."""
    routine, files = (view or frame.look()).book.routine, found(frame)
    return [entry(frame, name, files.get(name), routine) for name in sorted({*files, *routine.blessed})]


def entry(frame: Frame, name: str, file: Found | None, routine: Routine) -> dict[str, Any]:
    """What is known about one checklist."""
    checklist = None if file is None else file.checklist
    last = routine.finished.get(name)
    trust = trusted(file, routine, name)
    return {
        "name": name,
        "title": None if checklist is None else checklist.title,
        "schedule": None if checklist is None else checklist.schedule,
        "blessed": trust,
        "problems": ["its file is gone"] if file is None else list(file.problems),
        "steps": None if checklist is None else [step.id for step in checklist.steps],
        "next": next_time(frame, file, trust),
        "missed": missed(routine, name),
        "last": None if last is None else {"run": last.run_id, "state": last.state, "at": last.at, "note": last.note},
        "open": [opened(run) for run in routine.runs.values() if run.checklist == name],
    }


def trusted(file: Found | None, routine: Routine, name: str) -> str:
    """`yes`, `no`, or `changed` since it was blessed."""
    known = routine.blessed.get(name)
    if known is None:
        return "no"
    return "yes" if file is not None and file.sha256 == known.sha256 else "changed"


def next_time(frame: Frame, file: Found | None, trust: str) -> float | None:
    """Epoch seconds of its next scheduled time; None when there is none."""
    from deskhand.engine.cron import Cron
    from deskhand.engine.zone import desk_zone, zone_named

    if file is None or file.checklist is None or file.checklist.schedule is None or trust == "no":
        return None
    checklist = file.checklist
    zone = desk_zone(frame.settings, os.environ) if checklist.zone is None else zone_named(checklist.zone)
    return next(Cron(checklist.schedule or "", zone).after(frame.now), None)


def opened(run: OpenRun) -> dict[str, Any]:
    """A run that is not finished."""
    return {
        "run": run.run_id,
        "since": run.at,
        "state": standing(run),
        "note": run.note,
        "steps": {step: {"state": each.state, "reason": each.reason} for step, each in run.steps.items()},
    }
