"""From an error to what a person or a program reads of it, and the exit code.

    error: <operation>: <path>: <cause>
      next: <what to do>

On standard error; with ``--json`` as ``{"schema":1,"error":{...}}`` on standard output.  Errors that nobody expected
are not caught: they end with a traceback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import click

from deskhand.errors import DeskhandError, ExitCode, StoreError, UsageError

INTERRUPTED = 130
"""As shells report a program ended by Ctrl-C."""
CLOSED_PIPE = 141
"""As shells report a program whose reader went away."""


class ReaderGone(Exception):
    """Whoever reads standard output has closed it."""


def guarded(work: Callable[[], Any], *, as_json: bool) -> int:
    """The exit code of *work*: what it returned, 0 for nothing, or that of its error, which is shown."""
    try:
        result = work()
        sys.stdout.flush()
    except DeskhandError as error:
        return show(error, as_json=as_json)
    except click.Abort as error:
        if isinstance(error.__cause__, EOFError):
            return show(UsageError("reading an answer", "the input ended"), as_json=as_json)
        return INTERRUPTED
    except KeyboardInterrupt:
        return INTERRUPTED
    except click.ClickException as error:
        return show(_usage(error), as_json=as_json)
    except (BrokenPipeError, ReaderGone):
        _silence()
        return CLOSED_PIPE
    except OSError as error:
        cause = error.strerror or str(error)
        return show(StoreError("reading or writing", cause, path=_shown_path(error)), as_json=as_json)
    return int(result) if isinstance(result, int) else ExitCode.OK


def color() -> bool | None:
    """False when the person wants none (NO_COLOR); None lets the terminal decide."""
    return False if os.environ.get("NO_COLOR") else None


def show(error: DeskhandError, *, as_json: bool) -> int:
    """Print an error and return its exit code."""
    try:
        if as_json:
            import json

            # ASCII, because a path may hold bytes that are no text.
            click.echo(json.dumps({"schema": 1, "error": error.as_data()}, indent=2))
        else:
            click.echo(text(error), err=True, color=color())
    except BrokenPipeError:
        _silence()
    return int(error.exit_code)


def text(error: DeskhandError) -> str:
    """An error for people; several causes stand below each other, control characters are escaped."""
    from deskhand.core.names import visible

    first, *more = [visible(line) for line in error.sentence.split("\n")]
    lines = [f"{click.style('error:', fg='red', bold=True)} {first}", *(f"  {line}" for line in more)]
    if error.hint:
        lines.append(f"  next: {visible(error.hint)}")
    return "\n".join(lines)


def _usage(error: click.ClickException) -> UsageError:
    ctx = getattr(error, "ctx", None)
    command = "deskhand" if ctx is None else ctx.command_path
    message = error.format_message()
    cause = message[:1].lower() + message[1:].removesuffix(".")
    return UsageError(command, cause, hint=f"{command} --help")


def _shown_path(error: OSError) -> str | None:
    return None if error.filename is None else os.fsdecode(error.filename)


def _silence() -> None:
    """Nobody reads any more: let the interpreter flush into nothing when it ends."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            os.dup2(nothing, stream.fileno())
        except (OSError, ValueError):
            # A stream that is no file has nothing to flush.
            continue
    os.close(nothing)
