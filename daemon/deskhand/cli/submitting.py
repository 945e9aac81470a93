"""Handing something to the daemon: ids for it, ringing, and waiting for what becomes of it."""

from __future__ import annotations

import base64
import secrets
import threading
from typing import Any

from deskhand.cli.frame import Frame
from deskhand.core.state import ASKING, State
from deskhand.errors import ExitCode, HeldError, StoreError
from deskhand.host.client import daemon_alive, request

FIRST_LOOK, LAST_LOOK = 0.01, 0.25
"""Seconds between two looks at whether a drop was taken; doubling from the first to the last."""


def new_suffix() -> str:
    """Six random base32 characters."""
    return base64.b32encode(secrets.token_bytes(5)).decode().lower()[:6]


def ring(frame: Frame) -> bool:
    """Tell the daemon to look; False when none runs."""
    if not daemon_alive(frame.desk):
        return False
    try:
        request(frame.desk, "scan", need_daemon=True)
    except HeldError:
        # It ended meanwhile; the drop is durable and is taken at the next start.
        return False
    return True


def need_daemon(frame: Frame, operation: str) -> None:
    """HeldError (exit 6) when no daemon runs."""
    if not daemon_alive(frame.desk):
        hint = "start one with `deskhand run`, or leave --wait out"
        raise HeldError(operation, "waiting needs a running daemon, and none runs", path=frame.desk.root, hint=hint)


def outcome(frame: Frame, identifier: str, key: str) -> dict[str, Any]:
    """Wait until a drop is over or waits for somebody; its state and reason."""
    tick, pause = threading.Event(), FIRST_LOOK
    while True:
        reply = request(frame.desk, "wait", {"key": key}, timeout=None, need_daemon=True)
        if reply.get("state") is not None:
            return reply
        # Not on record yet: it is being taken.
        if not _under_way(frame, identifier) and frame.look().task(key) is None:
            cause = "the daemon does not know it and it is not waiting to be taken"
            raise StoreError("waiting for a drop", cause, path=identifier, hint="deskhand audit show -n 20")
        tick.wait(pause)
        pause = min(pause * 2, LAST_LOOK)


def _under_way(frame: Frame, identifier: str) -> bool:
    desk = frame.desk
    if (desk.dropped / identifier).exists() or (desk.accepted / f"{identifier}.task.json").exists():
        return True
    return any(desk.claimed.glob(f"*/{identifier}*"))


def exit_code(state: str) -> ExitCode:
    """What a state means for a command that waited for it."""
    if state == State.COMPLETED:
        return ExitCode.OK
    if state in (*ASKING, State.PARKED, State.BLOCKED):
        return ExitCode.WAITING
    return ExitCode.FAILED
