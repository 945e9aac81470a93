"""``deskhand init``: make a desk."""

from __future__ import annotations

from pathlib import Path

import click

from deskhand.cli import show
from deskhand.cli.frame import Verb, here, json_option


@click.command("init", cls=Verb)
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False), metavar="[DIR]")
@click.option("--adopt", is_flag=True, help="Go on with a desk that was copied, restored or moved to another machine.")
@json_option
def init(folder: Path | None, adopt: bool, as_json: bool) -> None:
    """Make a desk.

    In DIR (default: here); nothing that is there is overwritten.  --adopt is for a desk that is not the one that acted
    last: it puts on record that this one goes on.  It is paused then, and runs that must not be repeated blindly are
    put to a person.
    """
    from deskhand.engine.view import look
    from deskhand.host.found import init as make

    desk, written = make(Path(folder or "."), adopt=adopt)
    if as_json:
        show.emit_json({"desk": show.path(desk.root), "adopted": adopt, "written": list(written)})
        return
    click.echo(f"{'adopted' if adopt else 'a desk'}: {show.path(desk.root)} ({len(written)} files written)")
    if adopt:
        paused = look(desk).book.paused != "no"
        words = "it is paused; look around, and when everything is as it should be: deskhand resume"
        click.echo(words if paused else "this desk acted last anyway; nothing had to be adopted")
        return
    at_hand = desk.root == here().resolve()
    click.echo(f"  start it:   {'' if at_hand else f'cd {show.path(desk.root)} && '}deskhand run")
    click.echo("  then drop:  cp FILE watch_inbox/   and see: deskhand status")
