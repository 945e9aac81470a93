"""``deskhand config check``: everything that is wrong with deskhand.yaml."""

from __future__ import annotations

import os

import click

from deskhand.cli import show
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame
from deskhand.errors import ConfigError, ExitCode


@click.command("check", cls=Verb)
@json_option
@pass_frame
def config_check(frame: Frame, as_json: bool) -> int:
    """Check deskhand.yaml and name everything that is wrong.

    Exit code 2 when something is; each line says file, line, key and what to write instead.
    """
    from deskhand.store.config_file import check

    loaded = check(frame.desk, os.environ)
    if as_json:
        violations = [
            {"line": v.line, "column": v.column, "key": v.path, "message": v.message} for v in loaded.violations
        ]
        show.emit_json({"ok": not violations, "violations": violations})
        return ExitCode.USAGE if violations else ExitCode.OK
    if loaded.violations:
        cause = "\n".join(violation.at(frame.desk.config.name) for violation in loaded.violations)
        raise ConfigError("checking the configuration", cause, path=frame.desk.config, hint="correct these lines")
    click.echo(f"{frame.desk.config.name} is right; `deskhand config show` says what holds")
    return ExitCode.OK
