"""The desks in ``tests/fixtures/``: one for every format on disk that was ever released, opened by every version."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import msgspec
from msgspec import Struct

from deskhand.store.audit_read import lines
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.head import read_head
from deskhand.store.machine import machine_id, state_folder
from deskhand.store.mirror import Mirror

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"


class Standing(Struct, frozen=True):
    """How one task stood when the desk was packed."""

    state: str
    attempt: int
    undelivered: bool
    seq: int


class Expected(Struct, frozen=True):
    """``expected.json``: what was so when the desk was packed."""

    format: int
    entries: int
    head: str
    tasks: dict[str, Standing]


def expected(name: str) -> Expected:
    """What every version has to find in the desk."""
    return msgspec.json.decode((FIXTURES / name / "expected.json").read_bytes(), type=Expected)


def unpack(name: str, folder: Path) -> Desk:
    """A copy of the desk in *folder*/desk, remembered as the one that acted last on this machine."""
    with tarfile.open(FIXTURES / name / "desk.tar.gz") as tar:
        tar.extractall(folder, filter="fully_trusted")
    desk = Desk((folder / "desk").resolve())
    head, reason = read_head(desk.audit)
    assert head is not None, reason
    first = next(lines(desk.audit)).record
    assert first is not None
    state = state_folder(os.environ)
    mirror = Mirror(Files(), state, desk.root, machine_id(Files(), state))
    mirror.write(first.fields["log_id"], head.link)
    mirror.close()
    return desk
