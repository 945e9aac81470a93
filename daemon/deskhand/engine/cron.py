"""The times of cron expressions: the only importer of cronsim.

Debian cron's rules: weekday 0 and 7 are Sunday, day of month OR weekday when both are given; of a local time that
comes twice in autumn the first counts, and one that does not come in spring is made up for right after.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo

from cronsim import CronSim, CronSimError

from deskhand.errors import ConfigError

_HINT = "five fields: minute hour day month weekday, as in `0 8 * * 1-5`"


class Cron:
    """A cron expression in a zone."""

    def __init__(self, expression: str, zone: tzinfo) -> None:
        """Raises ConfigError when *expression* is not one, or names no time that ever comes."""
        try:
            next(CronSim(expression, datetime(2026, 1, 1, tzinfo=zone)))
        except (CronSimError, StopIteration) as error:
            cause = f"{expression!r}: {str(error) or 'this time never comes'}"
            raise ConfigError("reading a schedule", cause, hint=_HINT) from error
        self.expression = expression
        self.zone = zone

    def after(self, moment: float) -> Iterator[float]:
        """Epoch seconds of every time after *moment*, ascending; each is given once."""
        last = moment
        for found in CronSim(self.expression, datetime.fromtimestamp(moment, self.zone)):
            epoch = found.timestamp()
            if epoch > last:  # in the hour that comes twice the library may name a time of its first pass again
                last = epoch
                yield epoch

    def next(self, start: datetime) -> datetime | None:
        """The first time after *start*."""
        return next(CronSim(self.expression, start.astimezone(self.zone)), None)


def explain(expression: str) -> str:
    """A cron expression in English ("At 08:00, Monday through Friday"); ConfigError when it is none."""
    Cron(expression, UTC)
    return CronSim(expression, datetime(2026, 1, 1, tzinfo=UTC)).explain()
