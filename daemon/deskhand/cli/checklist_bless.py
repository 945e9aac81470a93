"""``deskhand checklist bless``: let the programs of a checklist run."""

from __future__ import annotations

import click

from deskhand.cli import show
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame
from deskhand.errors import ConfigError


@click.command("bless", cls=Verb)
@click.argument("name", metavar="NAME")
@click.option("--retire", is_flag=True, help="Take the blessing back: it is scheduled no more.")
@click.option("--reason", metavar="TEXT", help="Why; it goes on record.")
@json_option
@pass_frame
def checklist_bless(frame: Frame, name: str, retire: bool, reason: str | None, as_json: bool) -> None:
    """Let a checklist be scheduled and its programs run.

    Exactly as its file is now.  Whoever can write into the vault can change a checklist; its programs do not run again
    before somebody has read and blessed it anew.
    """
    from deskhand.core.checklist import Program
    from deskhand.core.checklist_file import read
    from deskhand.core.strict_yaml import lines
    from deskhand.host.client import request
    from deskhand.store.checklist_files import read_one

    said = {"reason": reason} if reason else {}
    if retire:
        request(frame.desk, "checklist_bless", {"checklist": name, **said})
        if as_json:
            show.emit_json({"checklist": name, "sha256": None, "programs": []})
        else:
            click.echo(f"{name} is retired: it is scheduled no more, and its programs do not run")
        return
    reading = read(read_one(frame.desk, name), name)
    checklist = reading.checklist
    if checklist is None:
        path = frame.desk.vault / "checklists" / f"{name}.yaml"
        cause = lines(reading.violations, path.name)
        raise ConfigError("blessing a checklist", cause, path=path, hint="correct it, then bless it again")
    request(frame.desk, "checklist_bless", {"checklist": name, "sha256": checklist.sha256, **said})
    programs = [step.what.argv for step in checklist.steps if isinstance(step.what, Program)]
    if as_json:
        show.emit_json({"checklist": name, "sha256": checklist.sha256, "programs": programs})
        return
    click.echo(f"{name} is blessed with {show.count(len(checklist.steps), 'step')}, and may run:")
    for argv in programs:
        click.echo(f"  {show.text(' '.join(argv))}")
    if not programs:
        click.echo("  no programs")
