"""``deskhand doctor``: try everything that deskhand needs, and say what to do about what does not work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from deskhand.cli import show
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame
from deskhand.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from deskhand.cli.probe import Result

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red", "unknown": "magenta"}


@click.command("doctor", cls=Verb)
@json_option
@pass_frame
def doctor(frame: Frame, as_json: bool) -> int:
    """Check that everything deskhand needs is there and works.

    Each check says ok, warn, fail or unknown (it could not be found out), and what to do.  Exit code 1 when one
    fails.  It changes nothing; files that it tries things with are removed again.
    """
    from deskhand.cli.probe import Verdict

    results = list(_results(frame))
    failed = any(result.verdict is Verdict.FAIL for result in results)
    if as_json:
        show.emit_json({"ok": not failed, "checks": results})
    else:
        width = max(len(result.name) for result in results)
        for result in results:
            click.echo("\n".join(_lines(result, width)))
    return ExitCode.FAILED if failed else ExitCode.OK


def _lines(result: Result, width: int) -> Iterator[str]:
    word = click.style(result.verdict.ljust(7), fg=_COLOURS[result.verdict])
    first, *more = result.text.split("\n")
    yield f"{word}  {result.name.ljust(width)}  {show.text(first)}"
    indent = " " * (7 + 2 + width + 2)
    for line in more:
        yield f"{indent}{show.text(line)}"
    if result.fix and result.verdict != "ok":
        yield f"{indent}-> {show.text(result.fix)}"


def _results(frame: Frame) -> Iterator[Result]:
    from deskhand.cli import probes_machine as machine
    from deskhand.cli.probe import fail, ok, run

    yield from run("python", machine.python)
    yield from run("packages", machine.packages)
    yield from run("documents", machine.documents)
    yield from run("notices", machine.notices)
    yield from run("watching", machine.inotify)
    try:
        yield ok("desk", show.path(frame.desk.root))
    except ConfigError as error:
        yield fail("desk", error.sentence, error.hint)
        return
    try:
        yield ok(
            "configuration", f"{show.count(len(frame.settings.inboxes), 'inbox', 'inboxes')}; deskhand.yaml is right"
        )
    except ConfigError as error:
        yield fail("configuration", error.cause, "correct these lines, then: deskhand config check")
        return
    yield from _of_desk(frame)


def _of_desk(frame: Frame) -> Iterator[Result]:
    from deskhand.cli.probe import run
    from deskhand.cli.probes_desk import DeskProbes
    from deskhand.cli.probes_log import LogProbes

    desk, log = DeskProbes(frame), LogProbes(frame)
    yield from run("folders", desk.folders)
    yield from run("inboxes", desk.inboxes)
    yield from run("filesystem", desk.disk)
    yield from run("leases", desk.leases)
    yield from run("daemon", desk.daemon)
    yield from run("audit log", log.head)
    yield from run("copy", log.last_actor)
    yield from run("recipes", log.recipes)
    yield from run("clock", log.clock)
    yield from run("leftovers", desk.leftovers)
