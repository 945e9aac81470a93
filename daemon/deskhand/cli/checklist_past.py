"""Finished runs of checklists, read from the audit log."""

from __future__ import annotations

from typing import Any

from deskhand.cli.frame import Frame
from deskhand.store import audit_read


def past(frame: Frame, name: str | None = None, since: float | None = None) -> list[dict[str, Any]]:
    """Every finished run, and every scheduled time that was missed or skipped, oldest first."""
    steps: dict[str, dict[str, dict[str, Any]]] = {}
    found: list[dict[str, Any]] = []
    for line in audit_read.lines(frame.desk.audit, audit_read.Filter(since=since)):
        record = line.record
        if record is None or not record.type.startswith(("checklist.", "schedule.")):
            continue
        fields = record.fields
        match record.type:
            case "checklist.step":
                steps.setdefault(fields["run_id"], {})[fields["step"]] = _step(fields["state"], fields.get("reason"))
            case "checklist.signed":
                state = "ok" if fields["answer"] == "yes" else "fail"
                steps.setdefault(fields["run_id"], {})[fields["step"]] = _step(state, fields.get("reason"))
            case "checklist.finished":
                known = {"checklist": fields["checklist"], "run": fields["run_id"], "at": record.ts}
                found.append(
                    {**known, "state": fields["state"], "steps": steps.pop(fields["run_id"], {}), "reason": None}
                )
            case "schedule.handled" if fields["result"] in ("missed", "skipped"):
                kind, _, checklist = fields["schedule"].partition(":")
                if kind == "checklist":
                    known = {"checklist": checklist, "run": None, "at": fields["occurrence"]}
                    found.append({**known, "state": fields["result"], "steps": {}, "reason": fields.get("reason")})
            case _:
                pass
    return [each for each in found if name in (None, each["checklist"])]


def _step(state: str, reason: str | None) -> dict[str, Any]:
    return {"state": state, "reason": reason}
