"""A notice on the desktop when something waits for a person or failed.

The notice is a courtesy: it is started as a process of its own and nobody waits for it, no error of it reaches the
daemon, and at most a few are under way at once.  Texts come from strangers: they are passed as arguments or in the
environment, never as code, and escaped where the desktop reads markup.  Where there is no desktop there is no notice.
"""

from __future__ import annotations

import html
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from deskhand.core.log import Log
from deskhand.core.names import visible

Way = Literal["notify-send", "osascript", "powershell"]
PENDING_MAX = 3
"""Notices under way at once; more are dropped."""
TITLE_MAX = 80
TEXT_MAX = 240
_KEPT = ("PATH", "HOME", "USER", "LANG", "DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR")
_KEPT_WINDOWS = ("PATH", "SYSTEMROOT", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "TEMP", "PATHEXT", "COMSPEC")

_APPLESCRIPT = (
    "on run argv",
    "display notification (item 2 of argv) with title (item 1 of argv)",
    "end run",
)
_TOAST = (
    "$t=[Security.SecurityElement]::Escape($env:DESKHAND_NOTICE_TITLE);"
    "$b=[Security.SecurityElement]::Escape($env:DESKHAND_NOTICE_TEXT);"
    "[void][Windows.UI.Notifications.ToastNotificationManager,Windows.UI.Notifications,ContentType=WindowsRuntime];"
    "[void][Windows.Data.Xml.Dom.XmlDocument,Windows.Data.Xml.Dom,ContentType=WindowsRuntime];"
    "$x=New-Object Windows.Data.Xml.Dom.XmlDocument;"
    "$x.LoadXml(\"<toast><visual><binding template='ToastText02'><text id='1'>$t</text><text id='2'>$b</text>"
    '</binding></visual></toast>");'
    "[Windows.UI.Notifications.ToastNotificationManager]::CreateToastNotifier('deskhand').Show("
    "(New-Object Windows.UI.Notifications.ToastNotification $x))"
)


@dataclass(frozen=True)
class Call:
    """How one notice is shown."""

    argv: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)


Start = Callable[[Sequence[str], Mapping[str, str]], "subprocess.Popen[bytes]"]


def detect(
    env: Mapping[str, str], *, platform: str = sys.platform, which: Callable[[str], str | None] = shutil.which
) -> Way | None:
    """The way notices are shown here; None where there is no desktop or no program for it."""
    if platform == "darwin":
        return "osascript" if which("osascript") else None
    if platform == "win32":
        # Session 0 has no desktop; it has no session name either.
        return "powershell" if env.get("SESSIONNAME") and which("powershell") else None
    desktop = env.get("DBUS_SESSION_BUS_ADDRESS") and (env.get("DISPLAY") or env.get("WAYLAND_DISPLAY"))
    return "notify-send" if desktop and which("notify-send") else None


def call(way: Way, title: str, text: str) -> Call:
    """The command that shows *title* and *text*."""
    title, text = _plain(title, TITLE_MAX), _plain(text, TEXT_MAX)
    match way:
        case "notify-send":
            # The body is read as markup; `--` because a name may begin with a dash.
            return Call(("notify-send", "-a", "deskhand", "--", title, html.escape(text, quote=False)))
        case "osascript":
            lines = [part for line in _APPLESCRIPT for part in ("-e", line)]
            return Call(("osascript", *lines, "--", title, text))
        case "powershell":
            shown = {"DESKHAND_NOTICE_TITLE": title, "DESKHAND_NOTICE_TEXT": text}
            return Call(("powershell", "-NoProfile", "-NonInteractive", "-Command", _TOAST), shown)


class Notices:
    """Shows notices; used by one thread."""

    def __init__(
        self, mode: Literal["auto", "off"], env: Mapping[str, str], log: Log, start: Start | None = None
    ) -> None:
        self._way = detect(env) if mode == "auto" else None
        self._env = {name: env[name] for name in (*_KEPT, *_KEPT_WINDOWS) if name in env}
        self._log = log
        self._start = start or _start
        self._pending: list[subprocess.Popen[bytes]] = []

    @property
    def way(self) -> Way | None:
        """How notices are shown; None: not at all."""
        return self._way

    def show(self, title: str, text: str) -> bool:
        """Start showing a notice and return at once; False when there is no desktop or too many are under way."""
        self._pending = [process for process in self._pending if process.poll() is None]
        if self._way is None or len(self._pending) >= PENDING_MAX:
            return False
        command = call(self._way, title, text)
        try:
            self._pending.append(self._start(command.argv, {**self._env, **command.env}))
        except OSError as error:
            self._log.warning("no more desktop notices", way=self._way, error=error)
            self._way = None
            return False
        return True

    def close(self) -> None:
        """End what is still under way, so that no process is left behind."""
        for process in self._pending:
            if process.poll() is None:
                process.kill()
            process.wait()
        self._pending = []


def _start(argv: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    nothing = subprocess.DEVNULL
    return subprocess.Popen(argv, env=dict(env), stdin=nothing, stdout=nothing, stderr=nothing, cwd=os.path.sep)


def _plain(text: str, limit: int) -> str:
    line = visible(" ".join(text.split())).replace("\x00", "")
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
