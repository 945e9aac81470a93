"""A desk with a past, made in seconds: finished and waiting tasks, by the product's own code without its syncs."""

from __future__ import annotations

import base64
import hashlib
import secrets
from pathlib import Path

from deskhand.core.event import Ended, Start
from deskhand.core.log import NoLog
from deskhand.core.names import task_id
from deskhand.core.recipe import Recipe
from deskhand.core.routing import pin_of
from deskhand.core.task import InputFile, Source, TaskFile
from deskhand.engine.assemble import Session, open_desk
from deskhand.store.accept import BASE32, Accepted, encode
from deskhand.store.desk import Desk
from deskhand.store.files import Files

BATCH = 250


class Unsynced(Files):
    """Does not wait for the disk: what it makes is thrown away."""

    def fsync(self, fd: int) -> None:
        """Nothing."""

    def fdatasync(self, fd: int) -> None:
        """Nothing."""


def seed(desk: Desk, *, finished: int, waiting: int, done_by: str, asks: str = "hand-over") -> None:
    """Give *desk*, on which no daemon runs, this many tasks of the recipes *done_by* and *asks*."""
    files = Unsynced()
    with open_desk(desk, NoLog(), ring=lambda: None, watch=False, work=False, files=files) as session:
        for recipe, count, finish in ((done_by, finished, True), (asks, waiting, False)):
            found = session.parts.recipes.current.get(recipe)
            assert found is not None, f"there is no recipe {recipe}"
            for start in range(0, count, BATCH):
                for number in range(start, min(start + BATCH, count)):
                    _task(session, files, found, f"{recipe}-{number:05d}.txt", finish=finish)
                session.parts.effects.carry_out(session.parts.ledger.commit())
                session.engine.time.rotate(0.0)


def _task(session: Session, files: Files, recipe: Recipe, name: str, *, finish: bool) -> None:
    """One task, from its files in staging to its last record."""
    parts, now = session.parts, session.clock.wall()
    accepted = _accepted(session.desk, files, recipe, name, now)
    task_file = accepted.task_file
    parts.placement.adopt(task_file.id, (f"{task_file.id}.task.json", task_file.input))
    task = parts.reception.receive(accepted, None)
    parts.reception.route(task, task_file, now)
    if finish:
        parts.ledger.decide(parts.ledger.tasks[task.key], Start(task.key, needs_approval=False), now)
        ended = Ended("ok", None, idempotent=True, attempts=1, backoff=0.0, results=(task.input_sha256,))
        parts.ledger.decide(parts.ledger.tasks[task.key], ended, now)


def _accepted(desk: Desk, files: Files, recipe: Recipe, name: str, now: float) -> Accepted:
    data = f"{name}\n".encode()
    identifier = task_id(name, now, "".join(secrets.choice(BASE32) for _ in range(6)))
    payload = desk.accepted / f"{identifier}.in.txt"
    files.create(payload, data, mode=0o400)
    task_file = TaskFile(
        schema=1,
        id=identifier,
        name=name,
        received=now,
        inbox="main",
        kind="file",
        files=(InputFile("", hashlib.sha256(data).hexdigest(), len(data)),),
        salt=base64.urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode(),
        source=Source(desk.inbox.stat().st_dev, secrets.randbits(40), len(data), 0, 0),
        input=payload.name,
        route=recipe.id,
        pin=pin_of(recipe),
    )
    written = encode(task_file)
    files.create(Path(desk.accepted, f"{identifier}.task.json"), written)
    return Accepted(task_file, hashlib.sha256(written).hexdigest(), payload)
