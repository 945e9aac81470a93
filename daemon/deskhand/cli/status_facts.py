"""What ``deskhand status`` says, as plain data: from the log, from the living daemon, and from the disk."""

from __future__ import annotations

import os
import shutil
from typing import Any

import msgspec

from deskhand.cli import show
from deskhand.cli.checklist_facts import listed
from deskhand.cli.frame import Frame
from deskhand.cli.questions import as_data as question_data
from deskhand.cli.questions import waiting
from deskhand.cli.task_facts import as_data as task_data
from deskhand.core.state import State
from deskhand.core.task import Task
from deskhand.engine.ledger import counts
from deskhand.engine.view import View
from deskhand.errors import DeskhandError
from deskhand.host.client import daemon_alive, request
from deskhand.store.desk import Desk
from deskhand.store.lock import holder

DAY = 86_400.0
LOW_DISK = 200 * 1000 * 1000
"""Bytes free below which the disk is named as a problem."""
BAD = (State.FAILED, State.QUARANTINED, State.LOST)
HELD_UP = (State.PARKED, State.BLOCKED)


def gather(frame: Frame) -> dict[str, Any]:
    """How the desk stands; times are epoch seconds.

    ``daemon.state`` is ``running``, ``silent`` (something holds the desk and does not answer) or ``stopped``.  What
    only a living daemon knows is None without one.
    """
    now = frame.now
    view = frame.look()
    daemon = _daemon(frame.desk, view)
    held_up, undelivered = _newest(view, HELD_UP), _newest(view, (State.COMPLETED,))
    free = shutil.disk_usage(frame.desk.queue if frame.desk.queue.exists() else frame.desk.root).free
    checklists = listed(frame, view)
    bad = sorted(view.ended_since(now - DAY, BAD), key=_since, reverse=True)
    return {
        "desk": show.path(frame.desk.root),
        "has_log": view.has_log,
        "daemon": daemon,
        "paused": daemon.pop("paused"),
        "health": daemon.pop("health"),
        "incidents": [msgspec.to_builtins(incident) for incident in view.book.condition.incidents.values()],
        "states": counts(view.unfinished),
        "completed_24h": view.count_ended(now - DAY, State.COMPLETED)
        - sum(task.since >= now - DAY for task in undelivered),
        "submitted": view.submitted(),
        "waiting": [question_data(question) for question in waiting(view)],
        "held_up": [task_data(view, task) for task in held_up],
        "undelivered": [task_data(view, task) for task in undelivered],
        "failed_24h": [task_data(view, task) for task in bad],
        "stalled": daemon.pop("stalled"),
        "checklists": checklists,
        "maintenance": _maintenance(frame, now),
        "disk_free_bytes": free,
        "problems": [*_problems(daemon, free, view), *_about_checklists(checklists)],
    }


def _maintenance(frame: Frame, now: float) -> dict[str, Any] | None:
    """The maintenance window that is open, with its end; None when there is none."""
    if not frame.settings.maintenance:
        return None
    from deskhand.engine.maintenance import Maintenance
    from deskhand.engine.zone import desk_zone

    found = Maintenance(frame.settings.maintenance, desk_zone(frame.settings, os.environ)).at(now)
    return None if found is None else {"name": found.name, "reason": found.reason, "until": found.until}


def _about_checklists(checklists: list[dict[str, Any]]) -> list[str]:
    found = []
    for each in checklists:
        name = each["name"]
        if each["problems"]:
            found.append(f"checklist {name} cannot be used: {each['problems'][0]}")
        elif each["blessed"] != "yes":
            what = "is not blessed" if each["blessed"] == "no" else "was changed since it was blessed"
            found.append(f"checklist {name} {what}: read it, then deskhand checklist bless {name}")
        if each["missed"] is not None:
            found.append(f"checklist {name} was missed: deskhand checklist history {name}")
        elif each["last"] is not None and each["last"]["state"] not in ("ok", "warn") and not each["open"]:
            found.append(f"checklist {name} came out as {each['last']['state']}: deskhand checklist history {name}")
    return found


def _newest(view: View, states: tuple[State, ...]) -> list[Task]:
    """Unfinished or undelivered tasks in these states, newest arrival first."""
    return sorted(view.unfinished.having(states), key=lambda task: (task.received, task.first_seq), reverse=True)


def _since(task: Task) -> float:
    return task.since


def _daemon(desk: Desk, view: View) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "state": "stopped",
        "pid": None,
        "version": None,
        "since": None if view.daemon is None else view.daemon.ts,
        "watching": None,
        "running": None,
        "clock_unconfirmed": view.book.clock_unconfirmed,
        "stuck": None,
        "paused": view.book.paused,
        "stalled": None,
        "health": None,
    }
    if view.daemon is not None and view.daemon.type == "daemon.started":
        facts.update(pid=view.daemon.fields.get("pid"), version=view.daemon.fields.get("version"))
    if not daemon_alive(desk):
        known = holder(desk.lock)
        silent = known is not None and desk.socket.exists() and process_exists(known.pid)
        return {**facts, "state": "silent" if silent else "stopped", "pid": known.pid if silent and known else None}
    try:
        said = request(desk, "status", timeout=5.0, need_daemon=True)
    except DeskhandError:
        return {**facts, "state": "silent"}
    names = ("watching", "running", "clock_unconfirmed", "stuck", "paused", "stalled", "health")
    return {**facts, "state": "running", **{name: said.get(name) for name in names}}


def process_exists(pid: int) -> bool:
    """Whether there is a process with this number; it may be another one than the one that was meant."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _problems(daemon: dict[str, Any], free: int, view: View) -> list[str]:
    found = []
    if not view.has_log:
        found.append("the desk has no audit log yet; it begins with the first `deskhand run`")
    if daemon["state"] == "silent":
        found.append("a process holds the desk and does not answer: deskhand doctor")
    if not view.desk.inbox.is_dir():
        found.append("watch_inbox is not there: nothing is taken from it until it is renamed back or made again")
    if daemon["stuck"]:
        found.append("the audit log cannot be written, so everything waits: make room, see deskhand doctor")
    if daemon["watching"] not in (None, "events"):
        found.append(f"folders are looked at every scan_interval only ({daemon['watching']}): deskhand doctor")
    if daemon["clock_unconfirmed"]:
        found.append("the clock jumped by more than a day; nothing expires until `deskhand resume`")
    if free < LOW_DISK:
        found.append(f"only {show.size(free)} are free on the desk's disk")
    return found
