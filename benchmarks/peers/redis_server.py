"""A Redis server of one contender's own: in its folder, on a socket file, every write synced before it is answered."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path

PROGRAM = shutil.which("redis-server")


def command(folder: Path, *, synced: bool) -> list[str]:
    """Its command line: ``appendonly`` with ``appendfsync always`` if *synced*, no snapshots, no network."""
    assert PROGRAM is not None
    options = {
        "port": "0",
        "unixsocket": str(folder / "redis.sock"),
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "always" if synced else "no",
        "save": "",
        "daemonize": "no",
    }
    return [PROGRAM, *(part for name, value in options.items() for part in (f"--{name}", value))]


def await_answer(process: subprocess.Popen[bytes], folder: Path, timeout: float = 60.0) -> None:
    """Until it has loaded its file and answers a ping."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"redis-server ended: {(folder / 'redis.log').read_text()[-1000:]}")
        try:
            with socket.socket(socket.AF_UNIX) as talk:
                talk.settimeout(5.0)
                talk.connect(str(folder / "redis.sock"))
                talk.sendall(b"PING\r\n")
                if talk.recv(64).startswith(b"+PONG"):
                    return
        except OSError:
            pass  # not there yet; the loop ends in time
        time.sleep(0.01)
    raise TimeoutError(f"redis-server does not answer within {timeout:g} s")
