"""``deskhand status`` for people.  Pure: the facts of ``cli.status_facts`` in, lines out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from deskhand.cli import show
from deskhand.cli.times import ago, span
from deskhand.core.state import State

LISTED = 10
"""Entries of one list that are shown."""
_PAUSED = {"no": "", "intake": ", paused: it takes nothing new", "all": ", paused: it takes and starts nothing"}


def lines(facts: dict[str, Any], now: float) -> Iterator[str]:
    """The whole status, line by line."""
    yield f"{click.style('desk:', bold=True)}    {facts['desk']}"
    yield f"{click.style('daemon:', bold=True)}  {_daemon(facts, now)}"
    yield f"{click.style('tasks:', bold=True)}   {_tasks(facts)}"
    yield f"{click.style('disk:', bold=True)}    {show.size(facts['disk_free_bytes'])} free"
    if facts["maintenance"] is not None:
        window = facts["maintenance"]
        yield f"{click.style('window:', bold=True)}  {show.text(window['reason'])}, over {ago(window['until'], now)}"
    yield f"{click.style('health:', bold=True)}  {_health(facts['health'], now)}"
    for problem in facts["problems"]:
        yield f"{click.style('problem:', fg='red', bold=True)} {show.text(problem)}"
    yield from _listed("open incidents", facts["incidents"], _incident, now)
    yield from _listed("waits for you", facts["waiting"], _question, now)
    yield from _listed("asked by checklists", _asked(facts["checklists"]), lambda line, _: [line], now)
    yield from _listed("held up", facts["held_up"], _task, now)
    yield from _listed("not delivered yet", facts["undelivered"], _task, now)
    yield from _listed("failed in the last 24 h", facts["failed_24h"], _task, now)
    yield from _listed("still being written", facts["stalled"] or [], lambda name, _: [f"  {show.text(name)}"], now)
    yield from _listed("handed in, not yet taken", facts["submitted"], lambda name, _: [f"  {name}"], now)


def _daemon(facts: dict[str, Any], now: float) -> str:
    daemon = facts["daemon"]
    paused = _PAUSED.get(facts["paused"], f", paused: {facts['paused']}")
    match daemon["state"]:
        case "running":
            since = f" for {span(now - daemon['since'])}" if daemon["since"] else ""
            watching = f", watching: {daemon['watching']}" if daemon["watching"] else ""
            return f"runs{since} (pid {daemon['pid'] or 'unknown'}{watching}){paused}"
        case "silent":
            return f"a process (pid {daemon['pid'] or 'unknown'}) holds the desk and does not answer{paused}"
        case _:
            return f"not running{paused}; start it: deskhand run"


def _tasks(facts: dict[str, Any]) -> str:
    states: dict[str, int] = facts["states"]
    counted = [f"{states[state]} {show.state(state)}" for state in State if state in states]
    return ", ".join([*counted, f"{facts['completed_24h']} completed in the last 24 h"])


def _health(found: dict[str, Any] | None, now: float) -> str:
    if found is None:
        return "unknown while no daemon runs; `deskhand health` looks now"
    if found["looked"] is None:
        return "not looked at yet; `deskhand health` looks now"
    bad = ", ".join(f"{check['name']} {check['verdict']}" for check in found["checks"])
    seen = ago(found["looked"], now)
    return f"{show.verdict(found['overall'])}{f': {bad}' if bad else ''} ({seen}); see `deskhand health`"


def _incident(entry: dict[str, Any], now: float) -> list[str]:
    return [
        f"  {entry['severity']} {show.text(entry['title'])}  (open for {span(now - entry['opened'])}, {entry['id']})"
    ]


def _listed(title: str, entries: list[Any], block: Any, now: float) -> Iterator[str]:
    if not entries:
        return
    yield ""
    yield click.style(f"{title} ({len(entries)}):", bold=True)
    for entry in entries[:LISTED]:
        yield from block(entry, now)
    if len(entries) > LISTED:
        yield f"  and {len(entries) - LISTED} more"


def _asked(checklists: list[dict[str, Any]]) -> list[str]:
    """Steps that wait for somebody."""
    return [
        f"  {each['name']}/{step}   " + show.text(one["reason"] or f"deskhand checklist sign {each['name']}/{step}")
        for each in checklists
        for run in each["open"]
        for step, one in run["steps"].items()
        if one["state"] == "waiting"
    ]


def _question(entry: dict[str, Any], now: float) -> list[str]:
    short = entry["id"][-6:]
    expires = f", expires {ago(entry['expires'], now)}" if entry["expires"] else ""
    question = show.text(str(entry["question"] or entry["id"]))
    if entry["state"] == State.IN_DOUBT:
        answers = f"deskhand task retry {short} | approve {short} --happened | reject {short} --reason ..."
    else:
        answers = (
            f"deskhand approve {short} | reject {short} --reason ...   or rename queue/approvals/{entry['id']}.json"
        )
    return [f"  {question}  (asked {ago(entry['since'], now)}{expires})", f"    {answers}"]


def _task(entry: dict[str, Any], now: float) -> list[str]:
    reason = f": {show.text(entry['reason'])}" if entry["reason"] else ""
    return [f"  {entry['id']}  {show.state(entry['state'])} {ago(entry['since'], now)}{reason}"]
