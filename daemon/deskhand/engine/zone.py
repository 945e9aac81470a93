"""The time zone in which people live: the machine's, or the one that a schedule names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

from deskhand.core.settings import Settings
from deskhand.errors import ConfigError

LOCALTIME = "/etc/localtime"


def zone_named(name: str) -> tzinfo:
    """The zone called *name*, such as ``Europe/Berlin``.  ConfigError when there is none."""
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        hint = "a name such as Europe/Berlin"
        raise ConfigError("finding a time zone", f"there is no zone {name!r}", hint=hint) from error


def local_zone(environ: Mapping[str, str]) -> tzinfo:
    """The machine's zone: TZ, else what /etc/localtime says, else UTC.  ConfigError when TZ names no zone."""
    named = environ.get("TZ", "").removeprefix(":")
    if named:
        return zone_named(named)
    try:
        _, found, key = os.path.realpath(LOCALTIME).partition("zoneinfo/")
        if found:
            return ZoneInfo(key)
        with open(LOCALTIME, "rb") as stream:
            return ZoneInfo.from_file(stream)
    except (LookupError, ValueError, OSError):
        return UTC


def desk_zone(settings: Settings, environ: Mapping[str, str]) -> tzinfo:
    """The zone in which people at this desk live.  ConfigError when the one that is named does not exist."""
    return zone_named(settings.schedules.zone) if settings.schedules.zone else local_zone(environ)
