"""``deskhand metrics``: how well the desk works, from the audit log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from deskhand.cli import show
from deskhand.cli.frame import Frame, Verb, json_option, no_json_and, pass_frame

DAY = 86_400.0


@click.command("metrics", cls=Verb)
@click.option("--days", default=1, type=click.IntRange(1, 400), show_default=True, help="How far back.")
@click.option("--trend", is_flag=True, help="Also how each went over that time.")
@click.option("--format", "form", type=click.Choice(["table", "prometheus"]), default="table", help="How to print it.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write there instead, all at once.")
@json_option
@pass_frame
def metrics(frame: Frame, days: int, trend: bool, form: str, output: Path | None, as_json: bool) -> None:
    """Show how well the desk works.

    Everything is counted from the audit log; what has no data is unknown, not good.  The bands say what is normal
    and from where on something should be done.  With --format prometheus: for a scraper, or with --output for the
    folder of a node exporter's textfile collector (counters run from the beginning of the log).
    """
    from deskhand.cli.metrics_facts import gather, prometheus
    from deskhand.cli.metrics_text import lines

    no_json_and("--format prometheus", as_json=as_json, given=form == "prometheus")
    if form == "prometheus":
        _give(prometheus(frame), output)
        return
    facts: dict[str, Any] = gather(frame, days * DAY, trend=trend)
    if as_json:
        show.emit_json(facts)
    else:
        _give("\n".join(lines(facts)) + "\n", output)


def _give(text: str, output: Path | None) -> None:
    from deskhand.store.files import Files

    if output is None:
        click.echo(text, nl=False)
    else:
        Files().write_atomic(output, text.encode(), mode=0o644)  # another program reads it
