"""Finding a desk, and making one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from deskhand.core.log import NoLog
from deskhand.core.record import Actor
from deskhand.errors import ConfigError
from deskhand.store import skeleton
from deskhand.store.desk import CONFIG_NAME, Desk
from deskhand.store.files import Files


def find_desk(explicit: Path | None, environ: Mapping[str, str], cwd: Path) -> Desk:
    """`--desk`, else `DESKHAND_DESK`, else the first folder upwards from *cwd* with a `deskhand.yaml`."""
    named = explicit or (Path(environ["DESKHAND_DESK"]) if environ.get("DESKHAND_DESK") else None)
    if named is not None:
        root = named.expanduser().resolve()
        if not (root / CONFIG_NAME).is_file():
            raise ConfigError(
                "finding the desk",
                f"there is no {CONFIG_NAME}",
                path=root,
                hint=f"make it a desk: deskhand init {root}",
            )
        return Desk(root)
    for folder in (cwd.resolve(), *cwd.resolve().parents):
        if (folder / CONFIG_NAME).is_file():
            return Desk(folder)
    raise ConfigError(
        "finding the desk",
        f"no {CONFIG_NAME} here or above",
        path=cwd,
        hint="go into a desk, or name it with --desk DIR, or make one: deskhand init my-desk",
    )


def init(folder: Path, *, adopt: bool = False) -> tuple[Desk, tuple[str, ...]]:
    """Make *folder* a desk, or with *adopt* declare that the one there goes on from here; also what was written.

    What is there is never overwritten: on an existing desk this puts back what is missing.  A fresh one gets its audit
    log at once.  Adopting pauses it: look around, then ``deskhand resume``.  Raises ConfigError when there is nothing
    to adopt, HeldError while a daemon runs on it.
    """
    # Finding a desk must not cost the import of the whole engine.
    from deskhand.engine.assemble import open_desk

    root = folder.expanduser().resolve()
    desk = Desk(root)
    exists = desk.config.is_file()
    if adopt and not exists:
        raise ConfigError("adopting a desk", f"there is no {CONFIG_NAME}", path=root, hint="deskhand init DIR")
    written = () if exists else skeleton.write(Files(), root)
    me = Actor(kind="person", via="command", uid=os.getuid() if hasattr(os, "getuid") else None, pid=os.getpid())
    with open_desk(
        desk, NoLog(), ring=lambda: None, watch=False, work=False, adopt=me if adopt else None, fresh=not exists
    ) as session:
        if exists:  # a desk that is refused is left as it is
            written = skeleton.write(Files(), root)
        if adopt:
            session.engine.ask_again()
        session.engine.tick()
    return desk, written
