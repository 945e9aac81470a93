"""What ``deskhand metrics`` says, as plain data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from deskhand.cli import show
from deskhand.cli.frame import Frame
from deskhand.core.metric import METRICS
from deskhand.core.prometheus import exposition
from deskhand.core.state import TERMINAL, State
from deskhand.core.tally import HOUR, Tally
from deskhand.engine.ledger import counts
from deskhand.errors import StoreError
from deskhand.host.client import daemon_alive
from deskhand.store.files import Files
from deskhand.store.metrics_db import MetricsDb

DAY = 86_400.0
POINTS = 48
"""Columns of a trend at most."""


@contextmanager
def _index(frame: Frame) -> Iterator[MetricsDb]:
    """The index of the log, up to date.  StoreError when the log cannot be read."""
    db = MetricsDb.open(Files(), frame.desk)
    try:
        try:
            db.catch_up(frame.desk.audit, frame.now)
        except (OSError, ValueError) as error:
            hint = "deskhand audit verify names what is wrong"
            raise StoreError("counting what the log says", str(error), path=frame.desk.audit, hint=hint) from error
        yield db
    finally:
        db.close()


def gather(frame: Frame, period: float, *, trend: bool) -> dict[str, Any]:
    """Every metric over the last *period* seconds; with *trend* also its values over that time, oldest first."""
    now = frame.now
    with _index(frame) as db:
        whole = db.between(now - period, now)
        parts = _parts(db, now, period) if trend else []
    found = []
    for metric in METRICS.values():
        value = metric.value(whole)
        band = metric.band
        one: dict[str, Any] = {
            "name": metric.name,
            "value": value,
            "unit": metric.unit,
            "standing": metric.judge(value),
            "normal": None if band is None else band.normal,
            "alert": None if band is None else band.alert,
            "action": None if band is None else band.action,
            "help": metric.help,
        }
        if trend:
            one["trend"] = [None if part is None else metric.value(part) for part in parts]
        found.append(one)
    return {"desk": show.path(frame.desk.root), "since": now - period, "until": now, "metrics": found}


def _parts(db: MetricsDb, now: float, period: float) -> list[Tally | None]:
    """The time cut into as many pieces of whole hours as fit a line; None before the first thing that is known."""
    hours = max(1, round(period / HOUR))
    each = -(-hours // POINTS) * HOUR
    count = -(-hours * HOUR // each)
    first = now - count * each
    beginning = db.beginning()
    known = [beginning is not None and first + (at + 1) * each > beginning for at in range(count)]
    parts = [Tally() if is_known else None for is_known in known]
    for start, tally in db.stretches(first, now, HOUR):
        part = parts[min(max(0, int((start + HOUR / 2 - first) // each)), count - 1)]
        if part is not None:
            part.add(tally)
    return parts


def prometheus(frame: Frame) -> str:
    """The metrics in Prometheus' text format."""
    with _index(frame) as db:
        whole = db.total()
    states = counts(frame.look().unfinished)
    every = {str(state): states.get(state, 0) for state in State if state not in TERMINAL}
    return exposition(whole, every, frame.settings.name, version("deskhand"), daemon_alive(frame.desk))
