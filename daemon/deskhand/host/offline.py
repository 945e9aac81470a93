"""One command on a desk where no daemon runs: take the lock, recover, do it, leave."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from deskhand.core.log import NoLog
from deskhand.core.record import Actor
from deskhand.engine.assemble import open_desk
from deskhand.engine.commands import Command, Commands
from deskhand.errors import HeldError, StoreError
from deskhand.store.desk import Desk


def carry_out(desk: Desk, verb: str, arguments: dict[str, Any], actor: Actor) -> dict[str, Any]:
    """The command's answer; nothing is started and no drop is taken."""
    with open_desk(desk, NoLog(), ring=lambda: None, watch=False, work=False) as session:
        commands = Commands(session.engine)
        answer = commands.carry_out(Command(verb, actor, arguments), session.clock.wall())
        session.engine.tick()
        if session.engine.ledger.dirty:
            cause = "the audit log cannot be written"
            raise StoreError(verb, cause, path=desk.audit, hint="make room on the disk; nothing was changed")
        commands.settle()
        if not isinstance(answer, Future):
            return answer
        if not answer.done():
            raise HeldError(verb, "that takes a running daemon", path=desk.root, hint="start it: deskhand run")
        return answer.result()
