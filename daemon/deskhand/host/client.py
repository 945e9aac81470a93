"""Asking the daemon; and, where none runs, taking the desk and doing it."""

from __future__ import annotations

import os
import socket
from typing import Any

import msgspec

from deskhand.core.record import Actor
from deskhand.errors import (
    ConfigError,
    DeskhandError,
    ExitCode,
    HeldError,
    IntegrityError,
    LimitError,
    UsageError,
    WaitingError,
)
from deskhand.host.address import address
from deskhand.store.desk import Desk

_ERRORS: dict[int, type[DeskhandError]] = {
    ExitCode.USAGE: UsageError,
    ExitCode.WAITING: WaitingError,
    ExitCode.INTEGRITY: IntegrityError,
    ExitCode.LIMIT: LimitError,
    ExitCode.HELD: HeldError,
}


def daemon_alive(desk: Desk) -> bool:
    """Whether a daemon answers on the desk's socket."""
    try:
        connection = _connect(desk, 2.0)
    except (OSError, ConfigError):
        return False
    connection.close()
    return True


def request(
    desk: Desk,
    verb: str,
    arguments: dict[str, Any] | None = None,
    *,
    timeout: float | None = 30.0,
    need_daemon: bool = False,
) -> dict[str, Any]:
    """Have *verb* carried out; its answer.

    Asks the running daemon; without one takes the desk's lock and does it here, unless *need_daemon* is set.
    Raises what the daemon raised; HeldError when a daemon is needed and none answers within *timeout* seconds.
    """
    arguments = arguments or {}
    try:
        connection = _connect(desk, 2.0)
    except OSError:
        if need_daemon:
            raise HeldError(
                verb, "no daemon runs on this desk", path=desk.root, hint="start it: deskhand run"
            ) from None
        from deskhand.host.offline import carry_out

        return carry_out(desk, verb, arguments, _myself())
    with connection:
        connection.settimeout(timeout)
        return _exchange(connection, verb, arguments, desk)


def _connect(desk: Desk, timeout: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    try:
        with address(desk.socket) as where:
            connection.connect(where)
    except BaseException:
        connection.close()
        raise
    return connection


def _exchange(connection: socket.socket, verb: str, arguments: dict[str, Any], desk: Desk) -> dict[str, Any]:
    try:
        connection.sendall(msgspec.json.encode({"verb": verb, "arguments": arguments}) + b"\n")
        data = b""
        while not data.endswith(b"\n"):
            block = connection.recv(1 << 16)
            if not block:
                raise HeldError(verb, "the daemon ended before it answered", path=desk.root, hint="deskhand status")
            data += block
    except TimeoutError:
        raise HeldError(verb, "the daemon does not answer", path=desk.root, hint="deskhand doctor") from None
    except OSError as error:
        raise HeldError(verb, error.strerror or str(error), path=desk.root, hint="deskhand status") from error
    reply = msgspec.json.decode(data, type=dict[str, Any])
    if "error" in reply:
        said = reply["error"]
        kind = _ERRORS.get(said.get("exit_code", 1), DeskhandError)
        raise kind(said["operation"], said["cause"], path=said.get("path"), hint=said.get("hint"))
    return dict(reply["ok"])


def _myself() -> Actor:
    return Actor(kind="person", via="command", uid=os.getuid() if hasattr(os, "getuid") else None, pid=os.getpid())
