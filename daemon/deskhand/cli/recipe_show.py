"""``deskhand recipe show``: a recipe exactly as it was blessed."""

from __future__ import annotations

import click

from deskhand.cli import show
from deskhand.cli.complete import recipe
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame


@click.command("show", cls=Verb)
@recipe("name", metavar="ID[@VERSION]")
@click.option("--code", is_flag=True, help="The snapshot of the code instead.")
@json_option
@pass_frame
def recipe_show(frame: Frame, name: str, code: bool, as_json: bool) -> None:
    """Show a recipe as it was blessed.

    The newest version, or the one that is named (note@1).  Exit code 4 when the file is no longer what was blessed.
    """
    import msgspec

    from deskhand.cli.catalogue import pin_named, recipes
    from deskhand.core.names import visible

    found = recipes(frame)
    pin = pin_named(found, name)
    blessed = found.get(pin)
    if as_json:
        show.emit_json(
            {"recipe": msgspec.to_builtins(blessed), "path": show.path(found.paths.version(pin.id, pin.version))}
        )
        return
    data = found.code(pin) if code else found.paths.version(pin.id, pin.version).read_bytes()
    for line in data.decode("utf-8", "backslashreplace").splitlines():
        click.echo(visible(line))
