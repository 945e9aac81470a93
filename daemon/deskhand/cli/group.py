"""Groups that import a verb only when it is used, and the outermost one, which turns errors into exit codes."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import click

from deskhand.cli import failure
from deskhand.cli.verbs import SECTIONS, Entry

DESK = "deskhand.desk"
"""Key of the context's ``meta`` under which ``--desk`` is kept."""
WIDTH = 100


class LazyGroup(click.Group):
    """A group that knows its verbs by name."""

    def __init__(
        self,
        name: str,
        verbs: Mapping[str, Entry],
        summary: str = "",
        alone: click.Command | None = None,
        **settings: Any,
    ) -> None:
        """*alone*: what the group's name does without a verb; help when there is none."""
        settings.setdefault("help", summary if alone is None else alone.help)
        if alone is not None:
            settings["params"] = alone.params
        callback = _help_if_alone if alone is None else _if_alone(alone)
        super().__init__(name, invoke_without_command=True, callback=callback, **settings)
        self.verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the verbs."""
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb, imported now; None when there is none of that name."""
        entry = self.verbs.get(cmd_name)
        if entry is None:
            return None
        command = _imported(entry.module) if entry.module else None
        return LazyGroup(cmd_name, entry.verbs, entry.summary, command) if entry.verbs else command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb that *args* begin with.  click.UsageError with similar names when there is none."""
        name = args[0]
        if name not in self.verbs and not ctx.resilient_parsing and not name.startswith("-"):
            raise click.UsageError(f"there is no verb {name!r}{self._similar(name)}", ctx)
        return super().resolve_command(ctx, args)

    def _similar(self, name: str) -> str:
        from difflib import get_close_matches

        close = get_close_matches(name, self.verbs, n=3, cutoff=0.5)
        inner = [f"{group} {name}" for group, entry in self.verbs.items() if name in entry.verbs]
        names = ", ".join(dict.fromkeys([*inner, *close]))
        return f"; did you mean {names}?" if names else ""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs under their headings, without importing any."""
        sections = [section for section in SECTIONS if any(entry.section == section for entry in self.verbs.values())]
        width = max(map(len, self.verbs))
        formatter.write("\nCommands:\n")
        for section in sections or [""]:
            if section:
                formatter.write(f"\n {section}\n")
            for name, entry in self.verbs.items():
                if entry.section == section:
                    formatter.write(f"  {name.ljust(width)}  {entry.summary}\n")


class Root(LazyGroup):
    """``deskhand`` itself."""

    def __init__(self, name: str, verbs: Mapping[str, Entry]) -> None:
        params: list[click.Parameter] = [
            desk_option(),
            click.Option(
                ["--version"],
                is_flag=True,
                expose_value=False,
                is_eager=True,
                callback=_version,
                help="Show the version and exit.",
            ),
        ]
        text = (
            "A hired hand for your desk: drop files in a folder, approve what is risky by renaming a file, and prove "
            "afterwards what happened."
        )
        settings: MutableMapping[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": WIDTH}
        epilog = "A task's ID may be shortened to any unique beginning or end; @last is the newest task."
        super().__init__(name, verbs, text, params=params, context_settings=settings, epilog=epilog)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line and end the process with its exit code (or return it when not *standalone_mode*)."""
        given = sys.argv[1:] if args is None else args

        def work() -> Any:
            return super(Root, self).main(
                args,
                prog_name or self.name,
                complete_var,
                standalone_mode=False,
                windows_expand_args=windows_expand_args,
                color=failure.color(),
                **extra,
            )

        code = failure.guarded(work, as_json="--json" in given)
        if standalone_mode:
            sys.exit(code)
        return code

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # click would end the process with 1, as if the verb had failed.
            raise failure.ReaderGone from None


def desk_option() -> click.Option:
    """``--desk DIR``, accepted before the verb and after it."""
    return click.Option(
        ["--desk"],
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        expose_value=False,
        callback=_desk,
        help="The desk; else DESKHAND_DESK, else found upwards from here.",
    )


def _desk(ctx: click.Context, _: click.Parameter, value: Path | None) -> None:
    if value is not None:
        ctx.meta[DESK] = value


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"deskhand {version('deskhand')}")
        ctx.exit()


def _imported(module: str) -> click.Command:
    command = getattr(importlib.import_module(f"deskhand.cli.{module}"), module)
    if not isinstance(command, click.Command):
        raise TypeError(f"deskhand.cli.{module} has no command of its name")
    return command


def _if_alone(command: click.Command) -> Callable[..., Any]:
    """What *command* does, unless a verb of the group follows."""

    def call(**given: Any) -> Any:
        if click.get_current_context().invoked_subcommand is None and command.callback is not None:
            return command.callback(**given)
        return 0

    return call


def _help_if_alone() -> int:
    ctx = click.get_current_context()
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
    return 0
