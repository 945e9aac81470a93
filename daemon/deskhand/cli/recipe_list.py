"""``deskhand recipe list``: the recipes, and whether they may run."""

from __future__ import annotations

import click

from deskhand.cli import show
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame


@click.command("list", cls=Verb)
@json_option
@pass_frame
def recipe_list(frame: Frame, as_json: bool) -> None:
    """List the recipes and whether they may run.

    Blessed ones with their newest version; drafts; and files among the blessed ones that the log does not know, which
    never run.
    """
    from deskhand.cli.catalogue import newest, recipes

    found = recipes(frame)
    current = found.current
    drafts = sorted(path.stem for path in (frame.desk.recipes / "drafts").glob("*.yaml"))
    data = []
    for identifier, pin in newest(found).items():
        recipe, problem = current.get(identifier), current.unavailable.get(identifier)
        data.append(
            {
                "id": identifier,
                "version": pin.version,
                "runs": recipe is not None,
                "problem": problem,
                "kind": None if recipe is None else recipe.kind,
                "approval": None if recipe is None else recipe.approval.mode,
                "purpose": None if recipe is None else recipe.purpose,
            }
        )
    strangers = [show.path(item.path, below=frame.desk.root) for item in current.unblessed]
    if as_json:
        show.emit_json({"recipes": data, "drafts": drafts, "unblessed": strangers})
        return
    rows = [
        (
            str(item["id"]),
            str(item["version"]),
            str(item["kind"] or "-"),
            str(item["approval"] or "-"),
            show.text(str(item["purpose"]))
            if item["runs"]
            else click.style(f"must not run: {item['problem']}", fg="red"),
        )
        for item in data
    ]
    click.echo(show.table(rows, ("RECIPE", "VERSION", "KIND", "APPROVAL", "PURPOSE")) if rows else "no blessed recipe")
    if drafts:
        click.echo(f"drafts: {', '.join(map(show.text, drafts))}")
    for path in strangers:
        click.echo(f"never runs, because the audit log has no record of it: {path}")
