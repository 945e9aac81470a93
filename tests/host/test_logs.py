"""The operational log."""

from __future__ import annotations

import errno
import io
import json
import os
import select
import signal
import socket
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.core.settings import Logs
from deskhand.host import logs
from deskhand.store.files import Files
from deskhand.testing.faulty_files import FaultyFiles


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def log_line(event: str, **fields: object) -> dict[str, Any]:
    """What one call leaves in the file."""
    stream: list[dict[str, Any]] = []

    class Memory:
        def write(self, event: Any) -> None:
            stream.append(json.loads(logs._encode(event)))

    logs.bind([Memory()], "debug").info(event, **fields)
    return stream[0]


def test_json_lines_with_time_level_and_fields(tmp_path: Path) -> None:
    log = logs.configure(Logs(), tmp_path / "logs", console=False)
    before = datetime.now(UTC)
    log.info("task completed", task="20261120-195331-abcdef", seconds=0.25, ok=True, nothing=None)
    log.debug("not shown at level info")
    log.error("it broke", error=OSError(errno.EIO, "Input/output error"))
    first, second = lines(tmp_path / "logs" / "deskhand.log")
    assert first.pop("ts").endswith("Z")
    assert first == {
        "level": "info",
        "event": "task completed",
        "task": "20261120-195331-abcdef",
        "seconds": 0.25,
        "ok": True,
        "nothing": None,
    }
    assert second["error"] == "OSError: [Errno 5] Input/output error"
    assert (datetime.fromisoformat(second["ts"]) - before).total_seconds() < 5
    assert (tmp_path / "logs" / "deskhand.log").stat().st_mode & 0o077 == 0


def test_least_level_is_kept(tmp_path: Path) -> None:
    log = logs.configure(Logs(level="warning"), tmp_path, console=False)
    log.debug("a")
    log.info("b")
    log.warning("c")
    log.error("d")
    assert [line["event"] for line in lines(tmp_path / "deskhand.log")] == ["c", "d"]


def test_f28_control_characters_are_escaped() -> None:
    line = log_line("x\x1b[2J", name="a\nb\x1b]0;t\x07\u202egpj.exe\udcff", **{"odd\nname": "v"})
    assert line["event"] == "x\\x1b[2J"
    assert line["name"] == "a\\nb\\x1b]0;t\\x07\\u202egpj.exe\\udcff"
    assert line["odd\\nname"] == "v"


def test_secrets_bytes_and_long_values_stay_out() -> None:
    line = log_line(
        "x", api_key="k-123", smtp_password="hunter2", nested={"token": "t", "ok": "v"}, data=b"\x00" * 5, body="text",
        long="z" * 5000, big=1 << 70, deep=[[[[[["end"]]]]]], level="mine", ts="mine",
    )  # fmt: skip
    assert (line["api_key"], line["smtp_password"], line["body"]) == ("(withheld)",) * 3
    assert line["nested"] == {"token": "(withheld)", "ok": "v"}
    assert line["data"] == "(5 bytes)"
    assert len(line["long"]) < 2100 and line["long"].endswith("(5000 characters)")
    assert line["big"] == str(1 << 70)
    assert "end" not in json.dumps(line["deep"])
    assert (line["level"], line["level_"], line["ts_"]) == ("info", "mine", "mine")


@given(st.text(), st.dictionaries(st.text(), st.none() | st.integers() | st.floats() | st.text() | st.binary()))
def test_every_line_is_one_line_of_json(event: str, fields: dict[str, object]) -> None:
    (finished,), _ = logs._finished(None, "info", {"event": event, **{k: v for k, v in fields.items() if k != "event"}})
    data = logs._encode(finished)
    assert data.count(b"\n") == 1 and data.endswith(b"\n")
    assert isinstance(json.loads(data), dict)
    assert not any(ord(char) < 32 or ord(char) == 127 for char in data.decode().rstrip("\n"))


def test_rotation_by_size_keeps_so_many(tmp_path: Path) -> None:
    log = logs.configure(Logs(max_bytes=400, keep=2), tmp_path, console=False)
    for number in range(40):
        log.info("line", number=number)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deskhand.log", "deskhand.log.1", "deskhand.log.2"]
    assert all(path.stat().st_size <= 400 for path in tmp_path.iterdir())
    kept = [
        line["number"]
        for name in ("deskhand.log.2", "deskhand.log.1", "deskhand.log")
        for line in lines(tmp_path / name)
    ]
    assert kept == list(range(kept[0], 40)), "in order, the newest kept"


def test_rotation_without_old_files(tmp_path: Path) -> None:
    log = logs.configure(Logs(max_bytes=200, keep=0), tmp_path, console=False)
    for number in range(10):
        log.info("line", number=number)
    assert [path.name for path in tmp_path.iterdir()] == ["deskhand.log"]
    assert lines(tmp_path / "deskhand.log")[-1]["number"] == 9


def test_f64_full_disk_costs_lines_and_nothing_else(tmp_path: Path) -> None:
    class Full(Files):
        full = False

        def write_all(self, fd: int, data: bytes) -> None:
            if self.full:
                os.write(fd, data[:10])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            super().write_all(fd, data)

    files = Full()
    log = logs.configure(Logs(), tmp_path, console=False, files=files)
    log.info("before")
    files.full = True
    for _ in range(3):
        log.info("lost")
    files.full = False
    log.info("after")
    log.info("later")
    got = lines(tmp_path / "deskhand.log")
    assert [line["event"] for line in got] == ["before", "after", "later"], "no half line is left"
    assert got[1]["lines_lost"] == 3 and "lines_lost" not in got[2]


@pytest.mark.parametrize("at", range(1, 8))
def test_f64_any_failing_call_is_survived(tmp_path: Path, at: int) -> None:
    log = logs.configure(
        Logs(max_bytes=200, keep=1), tmp_path / "logs", console=False, files=FaultyFiles(at, errno.EIO)
    )
    for number in range(12):
        log.info("line", number=number)
    assert lines(tmp_path / "logs" / "deskhand.log")[-1]["number"] == 11


def test_log_folder_taken_away_and_back(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    sink = logs.FileSink(Files(), folder / "deskhand.log", Logs())
    sink.write({"event": "one"})
    sink.close()
    (folder / "deskhand.log").unlink()
    folder.rmdir()
    folder.write_text("in the way")
    sink.write({"event": "two"})
    assert sink.dropped == 1
    folder.unlink()
    sink.write({"event": "three"})
    assert lines(folder / "deskhand.log") == [{"event": "three", "lines_lost": 1}]


def test_f64_closed_pipe_is_survived(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w")
    log = logs.configure(Logs(), tmp_path, console=True, stream=stream)
    log.info("one")
    assert os.read(reading, 1000).endswith(b" info    one\n")
    os.close(reading)
    log.info("two")
    log.info("three")
    assert [line["event"] for line in lines(tmp_path / "deskhand.log")] == ["one", "two", "three"]
    stream.close()  # what was buffered for the closed pipe is gone; closing does not fail over it


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs pipes, sockets and terminals of POSIX")
@pytest.mark.parametrize("kind", ["pipe", "socket", "terminal", "a terminal that cannot be opened again"])
def test_f64_a_reader_that_stops_reading_costs_lines_and_no_time(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = _pair(kind)
    if kind.startswith("a terminal"):
        monkeypatch.setattr("deskhand.host.console.os.open", _refused)
    stream = os.fdopen(writing, "w")
    log = logs.bind([logs.ConsoleSink(stream)], "info")
    monkeypatch.undo()
    assert os.get_blocking(writing), "the flags of a shared descriptor are left alone"
    with at_most(20.0):
        for number in range(4000):
            log.info("line", number=number, text="x" * 500)
    shown = _drain(reading, 0.2 if "terminal" in kind else 0.0)
    log.info("again")
    while b"again" not in shown or not shown.endswith(b"\n"):
        assert select.select([reading], [], [], 5.0)[0], "what comes when there is room again is not shown"
        shown += os.read(reading, 65536)
    expected = 0
    for line in shown.decode().splitlines():
        _, _, lost = line.partition("lines_lost=")
        expected += int(lost or 0)
        assert "again" in line or f"number={expected}  text={'x' * 500}" in line, "whole lines, and every gap is told"
        expected += "again" not in line
    assert expected == 4000
    os.close(reading)
    with suppress(OSError):
        stream.close()


def _pair(kind: str) -> tuple[int, int]:
    """The two ends of something that a log can be shown on: for reading, for writing."""
    if kind == "pipe":
        return os.pipe()
    if kind == "socket":
        ends = socket.socketpair()
        return ends[0].detach(), ends[1].detach()
    reading, writing = os.openpty()
    tty.setraw(writing)
    return reading, writing


def _refused(path: str, flags: int, *more: int) -> int:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _drain(reading: int, patience: float) -> bytes:
    """All that was written; *patience*: seconds in which the kernel may carry more of it to this end."""
    os.set_blocking(reading, False)
    found = b""
    while select.select([reading], [], [], patience)[0]:
        found += os.read(reading, 65536)
    return found


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Fail, and do not hang, when it takes longer."""

    def late(number: int, frame: object) -> None:
        pytest.fail(f"it waited for longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_console_is_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    shown = Terminal()
    log = logs.bind([logs.ConsoleSink(shown)], "info")
    log.warning("intake paused", reason="disk full", inbox="main", empty="")
    assert "\x1b[33mwarning\x1b[0m intake paused  reason='disk full'  inbox=main  empty=''\n" in shown.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    logs.bind([logs.ConsoleSink(plain)], "info").warning("x\x1b[31m")
    assert "\x1b" not in plain.getvalue()


def test_it_is_rotated_by_age_too_also_over_a_restart(tmp_path: Path) -> None:
    path, began = tmp_path / "deskhand.log", datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()
    now = began

    def write(sink: logs.FileSink, event: str) -> None:
        sink.write(
            {"ts": f"{datetime.fromtimestamp(now, UTC):%Y-%m-%dT%H:%M:%S}.000Z", "level": "info", "event": event}
        )

    settings = Logs(max_age=3600.0, keep=2)
    sink = logs.FileSink(Files(), path, settings, now=lambda: now)
    for minutes, event in ((0, "a"), (59, "b"), (61, "c")):
        now = began + 60 * minutes
        write(sink, event)
    sink.close()
    assert [line["event"] for line in lines(path)] == ["c"]
    assert [line["event"] for line in lines(path.with_name("deskhand.log.1"))] == ["a", "b"]
    now = began + 2 * 3600 + 120
    again = logs.FileSink(Files(), path, settings, now=lambda: now)
    write(again, "d")
    now += 60
    write(again, "e")
    again.close()
    assert [line["event"] for line in lines(path)] == ["d", "e"]
    path.write_bytes(b"no line of ours\n")
    os.utime(path, (began, began))
    late = logs.FileSink(Files(), path, settings, now=lambda: now)
    write(late, "f")
    late.close()
    assert [line["event"] for line in lines(path)] == ["f"]
    forever = logs.FileSink(Files(), path, Logs(max_age=None), now=lambda: now)
    now += 1e8
    write(forever, "g")
    forever.close()
    assert [line["event"] for line in lines(path)] == ["f", "g"]
