"""Making a report: its facts, its text, its pictures, and where they go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, Literal

import msgspec

from deskhand.cli.frame import Frame
from deskhand.cli.status_facts import gather
from deskhand.cli.times import span
from deskhand.core.calendar import Stretch, day_named, last_day, stretch
from deskhand.engine.reporting import Reporter
from deskhand.errors import StoreError, UsageError
from deskhand.host.client import daemon_alive
from deskhand.operations import report_failure, report_performance, report_period, report_sla
from deskhand.store.files import Files

_LENGTHS: Mapping[str, Literal["day", "week", "month"]] = {
    "daily": "day",
    "weekly": "week",
    "monthly": "month",
    "performance": "week",
    "sla": "month",
}


@dataclass(frozen=True)
class Made:
    """A report that is ready to be written."""

    name: str
    """Of its file, without suffix."""
    text: str
    data: dict[str, Any]
    """Its facts, for programs."""
    pictures: Mapping[str, str]
    """File name -> SVG."""

    def write(self, frame: Frame, output: Path | None) -> Path:
        """Write it with its pictures beside it; where it is.  StoreError when the disk refuses."""
        path = output or frame.desk.vault / "_deskhand" / "reports" / f"{self.name}.md"
        files = Files()
        try:
            if output is None:
                for folder in (path.parent.parent, path.parent):
                    files.make_folder(folder, mode=0o755)
            for name, picture in self.pictures.items():
                files.write_atomic(path.with_name(name), picture.encode(), mode=0o644, sync=False)
            files.write_atomic(path, self.text.encode("utf-8", "backslashreplace"), mode=0o644, sync=False)
        except OSError as error:
            raise StoreError("writing a report", error.strerror or str(error), path=path) from error
        return path


def make(frame: Frame, kind: str, task_id: str | None, date: str, target: float) -> Made:
    """Gather and render.  UsageError for a date that is none or a task that did not fail."""
    if task_id is not None:
        return failure(frame, task_id)
    reporter, zone = _reporter(frame)
    if kind == "handoff":
        facts = reporter.period(last_day(frame.now), "Hand-over", tuple(_standing(frame)))
        return _with_pictures(f"{datetime.fromtimestamp(frame.now, zone):%Y-%m-%d-%H%M}-handoff", facts, zone)
    when = _stretch(frame, kind, date)
    name = f"{when.title.replace(' ', '-')}-{kind}"
    match kind:
        case "sla":
            sla = reporter.sla(when, f"Service level {when.title}", target)
            return Made(name, report_sla.render(sla, zone), _data(sla), {})
        case "performance":
            ran = reporter.performance(when, f"Performance, {when.title}")
            return Made(name, report_performance.render(ran, zone), _data(ran), {})
        case _:
            return _with_pictures(name, reporter.period(when, f"{kind.capitalize()} report, {when.title}"), zone)


def failure(frame: Frame, task_id: str) -> Made:
    """About one failed task.  UsageError when it did not fail."""
    reporter, zone = _reporter(frame)
    view = frame.look()
    key = frame.key(task_id, view)
    found = reporter.failure(key, view)
    if found is None:
        raise UsageError("looking at a failure", f"{view.identifier(key)} did not fail", hint="deskhand tasks")
    return Made(f"failure-{found.id}", report_failure.render(found, zone), _data(found), {})


def _reporter(frame: Frame) -> tuple[Reporter, tzinfo]:
    zone = datetime.fromtimestamp(frame.now).astimezone().tzinfo
    assert zone is not None, "the machine has a zone"
    return Reporter(frame.desk, frame.settings.name, frame.now, zone, alive=daemon_alive(frame.desk)), zone


def _with_pictures(name: str, facts: report_period.Facts, zone: tzinfo) -> Made:
    drawn = report_period.charts(facts)
    names = {title: f"{name}-{number}.svg" for number, title in enumerate(drawn, 1)}
    pictures = {names[title]: picture for title, picture in drawn.items()}
    return Made(name, report_period.render(facts, names, zone), _data(facts), pictures)


def _standing(frame: Frame) -> Iterator[str]:
    """How the desk stands now, in sentences."""
    facts = gather(frame)
    daemon = facts["daemon"]
    since = f" for {span(frame.now - daemon['since'])}" if daemon["since"] else ""
    yield {"running": f"a daemon runs{since}", "stopped": "no daemon runs"}.get(
        daemon["state"], "a process holds the desk and does not answer"
    )
    if facts["paused"] not in (None, "no"):
        yield f"it is paused ({facts['paused']}): deskhand resume goes on"
    states = ", ".join(f"{count} {state}" for state, count in facts["states"].items())
    yield f"unfinished: {states or 'nothing'}"
    yield from (f"problem: {text}" for text in facts["problems"])
    yield from (f"still being written: {name}" for name in facts["stalled"] or ())


def _stretch(frame: Frame, kind: str, date: str) -> Stretch:
    today = datetime.fromtimestamp(frame.now).astimezone().date()
    try:
        day = day_named(date, today)
    except ValueError as error:
        hint = "write today, yesterday, 2026-11-20 or 2026-11"
        raise UsageError("deskhand report", f"{date!r} is no date", hint=hint) from error
    found = stretch(day, _LENGTHS[kind], None)
    if found.since > frame.now:
        raise UsageError("deskhand report", f"{found.title} is not here yet")
    return found


def _data(facts: msgspec.Struct) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.to_builtins(facts, str_keys=True)
    return data
