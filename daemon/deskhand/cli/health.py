"""``deskhand health``: how the desk is, check by check, and what to do about what is not ok."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
from msgspec import to_builtins

from deskhand.cli import show
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame
from deskhand.errors import ExitCode

if TYPE_CHECKING:
    from deskhand.core.health import Check


@click.command("health", cls=Verb)
@click.option("--full", is_flag=True, help="Look at everything, also what is slow: the whole audit log, every file.")
@click.option("--canary", is_flag=True, help="Drop a file and see it through to its end.")
@click.option("--post-recovery", is_flag=True, help="Everything that has to hold after a desk was put back.")
@json_option
@pass_frame
def health(frame: Frame, full: bool, canary: bool, post_recovery: bool, as_json: bool) -> int:
    """Look at how the desk is, and say what to do.

    Each check is ok, degraded, down, or unknown: it could not be found out.  The whole is as its worst check; unknown
    is never ok.  Exit code 0 when everything is ok, 4 when the audit log is not what was written, else 1.
    """
    from deskhand.cli.health_looks import looks
    from deskhand.core.health import Verdict, worst
    from deskhand.engine.health import INTEGRITY

    found: list[Check] = []
    for check in looks(frame, full=full, canary=canary, post_recovery=post_recovery, quiet=as_json):
        found.append(check)
        if not as_json:
            click.echo("\n".join(_lines(check)))
    overall = worst(check.verdict for check in found)
    if as_json:
        show.emit_json({"overall": overall, "at": frame.now, "checks": to_builtins(found)})
    else:
        bad = sum(check.verdict is not Verdict.OK for check in found)
        text = f", {bad} of {show.count(len(found), 'check')} not ok" if bad else f", {show.count(len(found), 'check')}"
        click.echo(f"{click.style('overall:', bold=True)} {show.verdict(overall)}{text}")
    if overall is Verdict.OK:
        return ExitCode.OK
    damaged = any(check.verdict is Verdict.DOWN and check.name in INTEGRITY for check in found)
    return ExitCode.INTEGRITY if damaged else ExitCode.FAILED


def _lines(check: Check) -> Iterator[str]:
    took = "" if check.latency_ms is None else f"{check.latency_ms:.1f} ms"
    word = show.pad(show.verdict(check.verdict), 10)
    yield f"{word}{check.name.ljust(15)}{took.rjust(9)}  {show.text(check.sentence)}"
    if check.fix and check.verdict != "ok":
        yield f"{' ' * 36}-> {show.text(check.fix)}"
