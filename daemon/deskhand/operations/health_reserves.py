"""Judging what a desk lives on: room on its disks, backups, drills that prove them, and money."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from deskhand.core.health import Check, Verdict, worst_of
from deskhand.core.money import shown
from deskhand.core.settings import CostLimits, Health
from deskhand.operations.words import age, size

FULL = 50 * 1000**2
"""Bytes free below which a disk is down: outcomes still fit, and nothing else does."""
FEW, FEWER = 0.05, 0.005
"""Share of the inodes that are free below which it is degraded, and down."""

SPENT = 0.75
"""Share of the day's limit from which on the budget is degraded."""


class Disk(Struct, frozen=True):
    """A filesystem, and what of the desk is on it."""

    holds: str
    """Such as `desk, backups and logs`."""
    free: int
    """Bytes."""
    inodes_free: int | None = None
    inodes: int | None = None
    """None: no limit is known."""


def disk(disks: Sequence[Disk], limits: Health) -> Check:
    """Whether there is room."""
    return worst_of("disk", [_room(each, limits) for each in disks])


def _room(each: Disk, limits: Health) -> Check:
    text = f"{size(each.free)} free for {each.holds}"
    if each.free < FULL:
        return Check("disk", Verdict.DOWN, f"only {text}", "make room: drops wait while the disk is full")
    if each.free < limits.disk_free:
        return Check("disk", Verdict.DEGRADED, f"only {text}", "make room, or lower health.disk_free")
    return Check("disk", Verdict.OK, text)


def inodes(disks: Sequence[Disk]) -> Check:
    """Whether more files can be made."""
    return worst_of("inodes", [_files(each) for each in disks])


def _files(each: Disk) -> Check:
    if each.inodes_free is None or not each.inodes:
        return Check("inodes", Verdict.OK, f"the filesystem of {each.holds} has no limit of files")
    share = each.inodes_free / each.inodes
    text = f"{each.inodes_free} more files fit ({share:.0%}) for {each.holds}"
    if share < FEW:
        verdict = Verdict.DOWN if share < FEWER else Verdict.DEGRADED
        return Check("inodes", verdict, f"only {text}", "remove files nobody needs on that disk")
    return Check("inodes", Verdict.OK, text)


def backup(newest: float | None, limits: Health, now: float) -> Check:
    """How old the newest backup is that was verified and is still there (*newest*: epoch seconds; None: none)."""
    if newest is None:
        return Check("backup", Verdict.UNKNOWN, "there is no backup that was verified", "deskhand backup create")
    old = now - newest
    text = f"the newest verified backup is {age(old)} old"
    if old > limits.backup_age:
        return Check(
            "backup", Verdict.DEGRADED, f"{text}; it may be {age(limits.backup_age)}", "deskhand backup create"
        )
    return Check("backup", Verdict.OK, text)


def drill(good: float | None, failed: float | None, limits: Health, now: float) -> Check:
    """How long ago a recovery drill went well (*good*), and whether one failed since (epoch seconds; None: never)."""
    if failed is not None and (good is None or failed > good):
        text = f"the last recovery drill failed {age(now - failed)} ago"
        return Check("drill", Verdict.DOWN, text, "read its report, then: deskhand backup drill")
    if good is None:
        return Check("drill", Verdict.UNKNOWN, "no recovery drill was ever done", "deskhand backup drill")
    old = now - good
    text = f"the last good recovery drill was {age(old)} ago"
    if old > limits.drill_age:
        return Check("drill", Verdict.DOWN, f"{text}; it may be {age(limits.drill_age)}", "deskhand backup drill")
    return Check("drill", Verdict.OK, text)


def budget(spent: float, limits: CostLimits) -> Check:
    """How much of the day's limit is *spent* or reserved, in the desk's currency."""
    said = f"{shown(spent)} {limits.currency} spent and reserved today"
    if limits.daily is None:
        return Check("budget", Verdict.OK, f"{said}, and no limit is set")
    text = f"{said}, of {shown(limits.daily)}"
    if spent >= limits.daily:
        fix = "wait for the next UTC day, or: deskhand cost limits --daily"
        return Check("budget", Verdict.DOWN, f"{text}: nothing more that costs is begun", fix)
    if spent >= SPENT * limits.daily:
        return Check("budget", Verdict.DEGRADED, text, "deskhand cost")
    return Check("budget", Verdict.OK, text)
