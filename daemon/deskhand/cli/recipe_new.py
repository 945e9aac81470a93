"""``deskhand recipe new``: a draft with every section filled in, from flags or from questions on a terminal."""

from __future__ import annotations

import shlex
from typing import Any

import click

from deskhand.cli import show
from deskhand.cli.frame import Frame, Verb, interactive, json_option, pass_frame
from deskhand.errors import UsageError

KINDS = ("command", "python", "note", "keep")
_SECTIONS = ("purpose", "environment", "inputs", "outputs", "safety", "observability")


@click.command("new", cls=Verb)
@click.argument("recipe_id", metavar="ID")
@click.option("--kind", type=click.Choice(KINDS), help="What it does: a program, a function, a note, or keep the file.")
@click.option("--command", metavar="WORDS", help="kind command: the program and its arguments; {input} is the file.")
@click.option("--function", metavar="NAME", help="kind python: the function (default: run).")
@click.option("--match", "names", multiple=True, metavar="GLOB", help="Names it takes without being named.")
@click.option("--approval", metavar="RULE", help="required (the default), never, or a rule such as 'bytes > 10MiB'.")
@click.option("--deliver", metavar="PATH", help="Where results go, such as outbox/{name}.")
@click.option("--idempotent/--not-idempotent", default=None, help="Whether a run that was cut off may be repeated.")
@click.option("--timeout", metavar="TIME", help="How long an attempt may take, such as 10m.")
@click.option("--purpose", metavar="TEXT", help="What happens to a drop, in one sentence.")
@click.option("--environment", metavar="TEXT", help="What has to be there for it to work.")
@click.option("--inputs", metavar="TEXT", help="What it accepts.")
@click.option("--outputs", metavar="TEXT", help="What it makes and where that goes.")
@click.option("--safety", metavar="TEXT", help="What could go wrong and what prevents it.")
@click.option("--observability", metavar="TEXT", help="How to see that it worked.")
@json_option
@pass_frame
def recipe_new(frame: Frame, /, recipe_id: str, as_json: bool, **given: Any) -> None:
    """Write a draft with every section filled in.

    On a terminal it asks for what no flag says.  The draft is in vault/recipes/drafts/; it runs only after
    `deskhand recipe bless ID`.
    """
    from deskhand.core.recipe_draft import Answers
    from deskhand.core.recipe_file import is_recipe_id
    from deskhand.store.files import Files
    from deskhand.store.recipes import Recipes

    if not is_recipe_id(recipe_id):
        raise UsageError("deskhand recipe new", f"{recipe_id!r} is no name of a recipe", hint="use a-z, 0-9 and '-'")
    if interactive() and not as_json and given["kind"] is None:
        given = {**given, **_asked(given)}
    said = {name: value for name, value in given.items() if value not in (None, (), "")}
    if (command := said.pop("command", None)) is not None:
        said["argv"] = _words(str(command))
        said.setdefault("kind", "command")
    answers = Answers(id=recipe_id, **said)
    path = Recipes(Files(), frame.desk).new(answers)
    if as_json:
        show.emit_json({"id": recipe_id, "path": show.path(path)})
        return
    click.echo(f"a draft: {show.path(path, below=frame.desk.root)}")
    click.echo(f"  change it, then:  deskhand recipe check {recipe_id}  and  deskhand recipe bless {recipe_id}")


def _words(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError("deskhand recipe new", f"--command: {str(error).lower()}") from error


def _asked(given: dict[str, Any]) -> dict[str, Any]:
    """Ask for the most important things; what is left empty gets a sensible text that can be changed in the file."""
    found: dict[str, Any] = {}
    kind = click.prompt("kind", type=click.Choice(KINDS), default="note")
    found["kind"] = kind
    if kind == "command" and given["command"] is None:
        found["command"] = click.prompt("program and arguments ({input} is the file)", default="file --brief {input}")
    for name in _SECTIONS:
        if given[name] is None:
            found[name] = click.prompt(name, default="", show_default=False)
    if given["approval"] is None:
        found["approval"] = click.prompt("approval (required, never, or a rule)", default="required")
    if given["deliver"] is None:
        found["deliver"] = click.prompt("results go to (empty: nowhere else)", default="", show_default=False)
    return found
