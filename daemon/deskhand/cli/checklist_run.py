"""``deskhand checklist run``: go through a checklist now."""

from __future__ import annotations

import threading
from typing import Any

import click

from deskhand.cli import show
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame
from deskhand.errors import ExitCode

PAUSE = 0.1
"""Seconds between two looks at how far it is."""


@click.command("run", cls=Verb)
@click.argument("name", metavar="NAME")
@click.option("--no-wait", is_flag=True, help="Begin it and return at once.")
@json_option
@pass_frame
def checklist_run(frame: Frame, name: str, no_wait: bool, as_json: bool) -> None:
    """Go through a checklist now.

    The daemon does it, and the command waits until nothing but questions to people is left.  An earlier run of the same
    checklist that only waits is ended.  Exit status 0: ok or warn; 3: somebody has to answer; 1: something failed, was
    missed or cannot be known.
    """
    from deskhand.host.client import request

    reply = request(frame.desk, "checklist_run", {"checklist": name}, need_daemon=True)
    run = {"run": reply["run_id"], "note": f"vault/_deskhand/checklists/{reply['note']}"}
    if no_wait:
        _say({**run, "state": "started", "steps": {}}, as_json=as_json)
        return
    found = {**run, **_settled(frame, name, reply["run_id"])}
    _say(found, as_json=as_json)
    code = {"ok": ExitCode.OK, "warn": ExitCode.OK, "waiting": ExitCode.WAITING}.get(found["state"], ExitCode.FAILED)
    click.get_current_context().exit(code)


def _settled(frame: Frame, name: str, run_id: str) -> dict[str, Any]:
    """The state and steps of the run, as soon as nothing but answers is missing."""
    from deskhand.cli.checklist_facts import opened
    from deskhand.cli.checklist_past import past
    from deskhand.host.client import request

    tick = threading.Event()
    while True:
        run = frame.look().book.routine.runs.get(run_id)
        if run is None:
            return next(each for each in past(frame, name) if each["run"] == run_id)
        about = opened(run)
        chores = request(frame.desk, "status", need_daemon=True).get("chores", ())
        if about["state"] != "started" and not any(each.startswith(f"checklist {name}/") for each in chores):
            return {"state": "waiting", "steps": about["steps"]}
        tick.wait(PAUSE)


def _say(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show.emit_json(found)
        return
    for step, each in found["steps"].items():
        reason = f": {show.text(each['reason'])}" if each.get("reason") else ""
        click.echo(f"{each['state']:8} {step}{reason}")
    click.echo(f"{found['state']}: {found['note']}")
