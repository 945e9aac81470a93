"""``deskhand doctor``: what the machine has to have, whatever the desk."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from deskhand.cli.probe import Result, fail, ok, unknown, warn
from deskhand.host.notice import detect

OLDEST = (3, 11)
NEARLY = 0.9
"""Part of a limit from which on it is nearly used up."""
_INSTALL = "install deskhand again: make install"
_MODULES = {"pyyaml": "yaml"}
_LIMITS = Path("/proc/sys/fs/inotify")


def python() -> Iterator[Result]:
    """The interpreter."""
    text = f"{platform.python_implementation()} {platform.python_version()}"
    if sys.version_info[:2] < OLDEST:
        yield fail("python", f"{text} is too old", "install Python 3.11 or newer, then deskhand again")
    else:
        yield ok("python", text)


def packages() -> Iterator[Result]:
    """The libraries that deskhand itself says it needs."""
    found, missing = [], []
    for line in metadata.requires("deskhand") or []:
        if "extra ==" in line:
            continue
        name = re.split(r"[<>=!~\[; ]", line)[0].lower()
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
            continue
        if importlib.util.find_spec(_MODULES.get(name, name)) is None:
            missing.append(name)
    if missing:
        yield fail("packages", f"missing: {', '.join(missing)}", _INSTALL)
    else:
        yield ok("packages", ", ".join(found))


def documents() -> Iterator[Result]:
    """The extra that reads PDF and office files."""
    if importlib.util.find_spec("kreuzberg") is None:
        text = "the docs extra is not installed; PDF and office files become a card without their text"
        yield warn("documents", text, "pip install 'deskhand[docs]', or make install")
    else:
        yield ok("documents", f"PDF and office files are read with kreuzberg {metadata.version('kreuzberg')}")


def notices() -> Iterator[Result]:
    """Whether a notice can be shown when something waits or failed."""
    way = detect(os.environ)
    if way is None:
        yield ok("notices", "no desktop here, or no program that shows notices; none are shown")
    else:
        yield ok("notices", f"shown with {way}")


def inotify() -> Iterator[Result]:
    """How much of the kernel's limits on watching this user has left."""
    if sys.platform != "linux":
        yield unknown("watching", "the limits of this system are not known")
        return
    used = dict(zip(("max_user_instances", "max_user_watches"), _inotify_used(os.getuid()), strict=True))
    for name, count in used.items():
        limit = int((_LIMITS / name).read_text())
        text = f"{count} of {limit} {name.removeprefix('max_user_')} are in use by your processes"
        if count >= limit * NEARLY:
            fix = f"sysctl fs.inotify.{name}={limit * 4}; until then folders are only scanned every scan_interval"
            yield (fail if count >= limit else warn)("watching", text, fix)
        else:
            yield ok("watching", text)


def _inotify_used(uid: int) -> tuple[int, int]:
    """Instances and watches of all processes of *uid* that can be looked at."""
    instances = watches = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.stat().st_uid != uid:
                continue
            descriptors = list((process / "fdinfo").iterdir())
        except OSError:
            # It ended, or is not ours to look at.
            continue
        for descriptor in descriptors:
            try:
                count = descriptor.read_text().count("inotify wd:")
                ours = count or os.readlink(process / "fd" / descriptor.name) == "anon_inode:inotify"
            except OSError:
                continue
            instances += bool(ours)
            watches += count
    return instances, watches
