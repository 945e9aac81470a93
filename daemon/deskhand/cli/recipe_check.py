"""``deskhand recipe check``: everything that is wrong with drafts, at once."""

from __future__ import annotations

from pathlib import Path

import click

from deskhand.cli import show
from deskhand.cli.complete import draft
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame
from deskhand.errors import ConfigError, ExitCode, UsageError


@click.command("check", cls=Verb)
@draft("names", nargs=-1, metavar="[ID|FILE]...")
@json_option
@pass_frame
def recipe_check(frame: Frame, names: tuple[str, ...], as_json: bool) -> int:
    """Check drafts: everything that is wrong, with file and line.

    Without a name, every draft.  A FILE (with .yaml) need not be in the desk.  Exit code 2 when something is wrong.
    """
    chosen = names or tuple(sorted(path.stem for path in (frame.desk.recipes / "drafts").glob("*.yaml")))
    results = {name: _problems(frame, name) for name in chosen}
    wrong = [problem for problems in results.values() for problem in problems]
    if as_json:
        shown = [{"name": name, "ok": not problems, "problems": problems} for name, problems in results.items()]
        show.emit_json({"ok": not wrong, "drafts": shown})
        return ExitCode.USAGE if wrong else ExitCode.OK
    if wrong:
        raise ConfigError("checking recipes", "\n".join(["", *wrong]).strip(), hint="correct these lines")
    for name in results:
        click.echo(f"{show.text(name)}: right; to let it run: deskhand recipe bless {show.text(Path(name).stem)}")
    if not results:
        click.echo("there are no drafts; make one: deskhand recipe new ID")
    return ExitCode.OK


def _problems(frame: Frame, name: str) -> list[str]:
    from deskhand.store.recipe_drafts import check_draft
    from deskhand.store.recipe_files import RecipePaths

    if name.endswith((".yaml", ".yml")) or "/" in name:
        return _of_file(Path(name))
    return list(check_draft(RecipePaths(frame.desk), name).problems)


def _of_file(path: Path) -> list[str]:
    from deskhand.core import recipe_file
    from deskhand.store.recipe_files import MAX_CODE, present

    data = present(path)
    if data is None:
        raise UsageError("checking a recipe", "there is no such file", path=path)
    reading = recipe_file.read(data)
    problems = [violation.at(show.path(path)) for violation in reading.violations]
    if reading.recipe is not None and reading.recipe.code is not None:
        code = present(path.with_name(reading.recipe.code), MAX_CODE)
        if code is None:
            problems.append(f"{show.path(path)}: code: there is no file {reading.recipe.code} beside it")
        else:
            found = recipe_file.check_code(code, reading.recipe.function)
            problems += [violation.at(reading.recipe.code) for violation in found]
    return problems
