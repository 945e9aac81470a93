"""Desktop notices."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence

import pytest

from deskhand.host.notice import PENDING_MAX, Notices, call, detect
from deskhand.testing.log import MemoryLog

DESKTOP = {
    "DISPLAY": ":0",
    "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/user/1000/bus",
    "PATH": "/usr/bin",
    "KEY": "s3cret",
}


def here(program: str) -> str:
    return f"/usr/bin/{program}"


@pytest.mark.parametrize(
    ("platform", "env", "way"),
    [
        ("linux", DESKTOP, "notify-send"),
        ("linux", {"DISPLAY": ":0"}, None),
        ("linux", {"DBUS_SESSION_BUS_ADDRESS": "x"}, None),
        ("linux", {}, None),
        ("darwin", {}, "osascript"),
        ("win32", {"SESSIONNAME": "Console"}, "powershell"),
        ("win32", {}, None),
    ],
)
def test_way_depends_on_the_desktop(platform: str, env: dict[str, str], way: str | None) -> None:
    assert detect(env, platform=platform, which=here) == way
    assert detect(env, platform=platform, which=lambda program: None) is None


def test_texts_are_data() -> None:
    hostile = '--help "; rm -rf ~ <b>&\n\x1b[31m$(id)'
    linux = call("notify-send", hostile, hostile).argv
    assert linux[3] == "--" and linux[4].startswith("--help")
    assert "&lt;b&gt;&amp;" in linux[5] and "\n" not in linux[5] and "\x1b" not in linux[5]
    mac = call("osascript", hostile, hostile).argv
    assert not any("rm -rf" in part for part in mac[: mac.index("--")]), "only ever an argument"
    windows = call("powershell", hostile, hostile)
    assert not any("rm -rf" in part for part in windows.argv)
    assert "rm -rf" in windows.env["DESKHAND_NOTICE_TEXT"]


def test_texts_are_short() -> None:
    argv = call("notify-send", "t" * 500, "b" * 5000).argv
    assert len(argv[4]) == 80 and len(argv[5]) == 240


class Desktop:
    """Starts a process that ends only when told, in place of the real program."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("deskhand.host.notice.detect", lambda env: "notify-send")
        self.calls: list[tuple[Sequence[str], Mapping[str, str]]] = []
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, argv: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        self.calls.append((argv, env))
        self.processes.append(
            subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        )
        return self.processes[-1]


def test_never_waits_and_never_piles_up(monkeypatch: pytest.MonkeyPatch) -> None:
    desktop = Desktop(monkeypatch)
    notices = Notices("auto", DESKTOP, MemoryLog(), desktop.start)
    shown = [notices.show("deskhand", f"{number}") for number in range(PENDING_MAX + 2)]
    assert shown == [True] * PENDING_MAX + [False] * 2
    for process in desktop.processes:
        process.communicate(b"\n")
    assert notices.show("deskhand", "again") is True
    assert "KEY" not in desktop.calls[0][1] and desktop.calls[0][1]["DISPLAY"] == ":0"
    notices.close()
    assert all(process.returncode is not None for process in desktop.processes)
    for process in desktop.processes:
        process.communicate()


def test_off_and_no_desktop(monkeypatch: pytest.MonkeyPatch) -> None:
    desktop = Desktop(monkeypatch)
    assert Notices("off", DESKTOP, MemoryLog(), desktop.start).show("a", "b") is False
    monkeypatch.setattr("deskhand.host.notice.detect", lambda env: None)
    assert Notices("auto", {}, MemoryLog(), desktop.start).show("a", "b") is False
    assert desktop.calls == []


def test_a_program_that_cannot_be_started_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    Desktop(monkeypatch)

    def broken(argv: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        raise PermissionError(13, "Permission denied")

    log = MemoryLog()
    notices = Notices("auto", DESKTOP, log, broken)
    assert [notices.show("a", "b"), notices.show("a", "b")] == [False, False]
    assert log.events() == ["no more desktop notices"]
