"""``deskhand help``: the help of a verb, in the words that are at hand."""

from __future__ import annotations

import click

from deskhand.cli.frame import Verb


@click.command("help", cls=Verb)
@click.argument("verbs", nargs=-1, metavar="[VERB]...")
@click.pass_context
def help(ctx: click.Context, verbs: tuple[str, ...]) -> None:
    """Show the help of a verb.

    `deskhand help task show` is `deskhand task show --help`.
    """
    current = ctx.find_root()
    for name in verbs:
        command = current.command
        if not isinstance(command, click.Group):
            raise click.UsageError(f"{current.command_path} has no verbs of its own", ctx)
        found = command.resolve_command(current, [name])[1]
        assert found is not None, "resolve_command raises instead"
        current = click.Context(found, info_name=name, parent=current, max_content_width=100)
    click.echo(current.get_help())
