"""What the daemon does for the desk's safety by the clock: backups, giving up old ones, recovery drills.

Each is a chore: it runs beside the deciding thread, which it asks for what only that one knows.  One that a time was
missed for (the machine was off) is made up for within a day, a drill within a week.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo
from typing import Any

from deskhand.core.clock import Clock
from deskhand.core.settings import Settings
from deskhand.engine import backing, drills, pruning
from deskhand.engine.archiving import Carry
from deskhand.engine.cron import Cron
from deskhand.engine.planner import Planner
from deskhand.store.desk import Desk
from deskhand.store.files import Files

DAY = 86_400.0


def schedule(planner: Planner, desk: Desk, settings: Settings, carry: Carry, clock: Clock, zone: tzinfo) -> None:
    """Have it done at the times in the settings."""
    rules = settings.backup

    def backup(*, full: bool) -> None:
        backing.create(Files(), desk, settings, carry, now=clock.wall, full=full)
        pruning.prune(Files(), desk, rules, carry, now=clock.wall())

    chores: tuple[tuple[str, str | None, Callable[[], Any], float], ...] = (
        ("backup:daily", rules.daily, lambda: backup(full=False), DAY),
        ("backup:full", rules.full, lambda: backup(full=True), DAY),
        ("backup:drill", rules.drill, lambda: drills.hold(desk, settings, carry, clock=clock), 7 * DAY),
    )
    for name, times, call, grace in chores:
        if times is not None:
            planner.add_chore(name, Cron(times, zone), call, grace=grace)
