"""``deskhand drop``: hand files over; or say what would happen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deskhand.cli import show
from deskhand.cli.complete import offer_recipes
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame
from deskhand.cli.times import future
from deskhand.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from deskhand.core.task import Options

PRIORITY = click.IntRange(-10, 10)


@click.command("drop", cls=Verb)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--recipe", metavar="ID", help="The recipe; else the name decides.", shell_complete=offer_recipes)
@click.option(
    "--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter of the recipe; may be repeated."
)
@click.option("--key", metavar="NAME", help="Name by which other drops can wait for this one.")
@click.option("--after", multiple=True, metavar="KEY", help="Wait for the drop with this key, or a task's whole id.")
@click.option("--not-before", metavar="TIME", help="Start no sooner: 2h, 08:00, '2026-11-24 08:00'.")
@click.option("--priority", type=PRIORITY, metavar="N", help="-10 (last) to 10; it can only lower the recipe's.")
@click.option("--ask", is_flag=True, help="Ask a person first, even if the recipe would not.")
@click.option("--wait", is_flag=True, help="Wait until it is over, or waits for somebody.")
@click.option("--dry-run", is_flag=True, help="Say what would happen and why; change nothing.")
@json_option
@pass_frame
def drop(
    frame: Frame,
    files: tuple[Path, ...],
    recipe: str | None,
    params: tuple[str, ...],
    key: str | None,
    after: tuple[str, ...],
    not_before: str | None,
    priority: int | None,
    ask: bool,
    wait: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Hand files or folders over to the desk.

    Each FILE is copied durably and becomes one task; the original stays.  With --wait the exit code says how it went:
    0 completed, 1 failed (or rejected, cancelled, expired), 3 somebody has to do something first; 6 when no daemon
    runs.
    """
    from deskhand.core.task import Options

    if key is not None and len(files) > 1:
        raise UsageError("deskhand drop", "one --key cannot name several files", hint="drop them one by one")
    options = Options(
        recipe=recipe,
        params=_parameters(params),
        key=key,
        after=tuple(_dependency(frame, name) for name in after),
        not_before=None if not_before is None else future(not_before, frame.now),
        priority=priority,
        approval="required" if ask else None,
    )
    _check(options)
    for path in files:
        _require(path)
    if dry_run:
        return _plan(frame, files, options, as_json=as_json)
    return _submit(frame, files, options, wait=wait, as_json=as_json)


def _parameters(given: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise UsageError("deskhand drop", f"--param {text!r} is not NAME=VALUE")
        if name in found:
            raise UsageError("deskhand drop", f"--param {name} is given twice")
        found[name] = value
    return found


def _dependency(frame: Frame, text: str) -> str:
    """A key as it is, a whole id as it is, ``@last`` as the id of the newest task."""
    from deskhand.cli.ids import LAST

    if text != LAST:
        return text
    view = frame.look()
    key = frame.key(text, view)
    submitted = [identifier for identifier in view.submitted() if identifier.endswith(key[-6:])]
    return submitted[0] if submitted else view.identifier(key)


def _check(options: Options) -> None:
    from deskhand.core.options import check_options

    problems = check_options(options)
    if problems:
        said = "; ".join(f"--{problem.option.rstrip('s').replace('_', '-')} {problem.message}" for problem in problems)
        raise UsageError("deskhand drop", said)


def _require(path: Path) -> None:
    import os

    if not path.exists():
        cause = "the link leads nowhere" if os.path.lexists(path) else "there is no such file"
        raise UsageError("deskhand drop", cause, path=path)


def _plan(frame: Frame, files: Sequence[Path], options: Options, *, as_json: bool) -> int:
    from deskhand.cli.drop_plan import Planner, lines

    planner = Planner(frame)
    plans = [planner.plan(path.absolute(), options) for path in files]
    if as_json:
        show.emit_json({"dry_run": True, "plans": plans})
    else:
        for plan in plans:
            click.echo("\n".join(lines(plan)))
    return ExitCode.WAITING if any(plan["problem"] for plan in plans) else ExitCode.OK


def _submit(frame: Frame, files: Sequence[Path], options: Options, *, wait: bool, as_json: bool) -> int:
    from deskhand.cli.submitting import exit_code, need_daemon, new_suffix, outcome, ring
    from deskhand.core.names import key_of
    from deskhand.store.drop_file import submit
    from deskhand.store.files import Files

    if wait:
        need_daemon(frame, "deskhand drop")
    limit = frame.settings.intake.max_size
    done: list[dict[str, Any]] = []
    for path in files:
        # The id is made from the name as the person sees it, not from what a link leads to.
        source = path.absolute()
        identifier = submit(Files(), frame.desk, source, options, now=frame.now, suffix=new_suffix(), limit=limit)
        done.append({"id": identifier, "key": key_of(identifier), "file": show.path(path)})
        if not as_json:
            click.echo(identifier)
    alive = ring(frame)
    if not alive and not as_json:
        click.echo("no daemon runs: it is taken at the next `deskhand run`", err=True)
    codes = [ExitCode.OK]
    if wait:
        for entry in done:
            entry.update(outcome(frame, entry["id"], entry["key"]))
            codes.append(exit_code(str(entry["state"])))
            if not as_json:
                reason = f": {show.text(entry['reason'])}" if entry.get("reason") else ""
                click.echo(f"{entry['id']}: {show.state(str(entry['state']))}{reason}")
    if as_json:
        show.emit_json({"drops": done, "daemon": alive})
    # Of several, a failure says more than a question.
    return ExitCode.FAILED if ExitCode.FAILED in codes else max(codes)
