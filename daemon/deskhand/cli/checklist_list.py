"""``deskhand checklist list``: the checklists, when they run next, and what waits for people."""

from __future__ import annotations

from typing import Any

import click

from deskhand.cli import show
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame

_COLOURS = {"ok": "green", "warn": "yellow", "waiting": "yellow", "fail": "red", "missed": "red", "unknown": "red"}


@click.command("list", cls=Verb)
@json_option
@pass_frame
def checklist_list(frame: Frame, as_json: bool) -> None:
    """List the checklists, when they run next, and what waits for people.

    A checklist that is not blessed is not scheduled; in one that was changed since, programs do not run.
    """
    from deskhand.cli.checklist_facts import listed

    data = listed(frame)
    if as_json:
        show.emit_json({"checklists": data})
        return
    click.echo(show.table([_row(item) for item in data], ("CHECKLIST", "NEXT", "LAST", "BLESSED", "TITLE")))
    for item in data:
        for problem in item["problems"]:
            click.echo(f"{item['name']}: {show.text(problem)}")
        for run in item["open"]:
            for step, each in run["steps"].items():
                if each["state"] == "waiting":
                    step_name = f"{item['name']}/{step}"
                    how = show.text(each["reason"] or f"deskhand checklist sign {step_name}")
                    click.echo(f"waits: {step_name}: {how}")


def _row(item: dict[str, Any]) -> tuple[str, ...]:
    return (
        item["name"],
        "-" if item["next"] is None else _when(item["next"]),
        _last(item),
        item["blessed"],
        show.text(item["title"] or "cannot be read"),
    )


def _last(item: dict[str, Any]) -> str:
    if item["open"]:
        state, when = item["open"][-1]["state"], item["open"][-1]["since"]
    elif item["missed"] is not None:
        state, when = "missed", item["missed"]
    elif item["last"] is not None:
        state, when = item["last"]["state"], item["last"]["at"]
    else:
        return "never"
    return f"{click.style(state, fg=_COLOURS.get(state))} {_when(when)}"


def _when(epoch: float) -> str:
    from datetime import datetime

    return f"{datetime.fromtimestamp(epoch).astimezone():%a %Y-%m-%d %H:%M}"
