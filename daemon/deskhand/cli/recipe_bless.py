"""``deskhand recipe bless``: make a draft the next version that may run."""

from __future__ import annotations

import click

from deskhand.cli import show
from deskhand.cli.complete import draft
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame


@click.command("bless", cls=Verb)
@draft("recipe_id", metavar="ID")
@click.option("--reason", metavar="TEXT", help="Why; it goes on record.")
@json_option
@pass_frame
def recipe_bless(frame: Frame, recipe_id: str, reason: str | None, as_json: bool) -> None:
    """Make a draft the next version that may run.

    The version's files are put in place read-only, and their hashes, the code's included, go on record.  Tasks that
    were taken before keep the version they were taken with.
    """
    import msgspec

    from deskhand.cli.catalogue import recipes
    from deskhand.host.client import request

    found = recipes(frame)
    blessing = found.prepare_blessing(recipe_id)
    found.place(blessing)
    arguments = {
        "recipe": msgspec.to_builtins(blessing.pin),
        "purpose": blessing.recipe.purpose,
        "reason": reason,
        "previous": blessing.previous,
    }
    request(frame.desk, "bless", {name: value for name, value in arguments.items() if value is not None})
    path = found.paths.version(blessing.pin.id, blessing.pin.version)
    if as_json:
        show.emit_json({"recipe": blessing.pin, "previous": blessing.previous, "path": show.path(path)})
        return
    click.echo(f"{blessing.pin.id} version {blessing.pin.version} may run: {show.path(path, below=frame.desk.root)}")
    if blessing.recipe.selectable:
        click.echo(f"  use it:  deskhand drop FILE --recipe {recipe_id}   or drop into watch_inbox/{recipe_id}/")
