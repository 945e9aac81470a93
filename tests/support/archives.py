"""Backups made by hand: of a desk that nobody works on, or with anything in them that no backup would have."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from deskhand.core.backup_facts import FACTS_NAME, MANIFEST_NAME, README_NAME, BackupFacts, HeadFacts, encode_facts
from deskhand.engine.ledger import counts
from deskhand.engine.view import look
from deskhand.store.audit_read import lines
from deskhand.store.desk import Desk
from deskhand.store.head import read_head

LEFT_OUT = ("backups", "logs", "queue/.work", "queue/.lock", "queue/.control.sock", "queue/.salt", "audit_logs")
STAMP = 1_790_000_000_000_000_000


def content(desk: Desk) -> dict[str, bytes]:
    """Entry -> bytes of everything in a desk that a backup has."""
    found: dict[str, bytes] = {}
    for where, folders, names in os.walk(desk.root):
        folders[:] = [name for name in folders if _below(desk, Path(where, name)) not in LEFT_OUT]
        for name in names:
            path = Path(where, name)
            if _below(desk, path) not in LEFT_OUT and path.is_file():
                found[f"data/{_below(desk, path)}"] = path.read_bytes()
    head = read_head(desk.audit)[0]
    assert head is not None
    for path in desk.audit.iterdir():
        data = path.read_bytes()
        found[f"audit/{path.name}"] = data[: head.offset] if path.name == head.file else data
    return found


def _below(desk: Desk, path: Path) -> str:
    return str(path.relative_to(desk.root))


def facts_of(desk: Desk, name: str, **more: Any) -> BackupFacts:
    """What ``backup.json`` says of a desk as it stands."""
    head = read_head(desk.audit)[0]
    first = next(lines(desk.audit)).record
    assert head is not None and first is not None
    return replace(
        BackupFacts(
            format=1,
            deskhand="0",
            name=name,
            created="2026-09-21T12:26:40.000000Z",
            full=True,
            log_id=first.fields["log_id"],
            head=HeadFacts(head.file, head.offset, head.seq, head.hash),
            counts=counts(look(desk).unfinished),
        ),
        **more,
    )


def write(
    path: Path,
    entries: Mapping[str, bytes],
    facts: BackupFacts,
    *,
    manifest: bytes | None = None,
    wrong: Mapping[str, Any] = MappingProxyType({}),
) -> Path:
    """An archive with these entries, and everything that says what they are; *wrong*: facts that are not so."""
    entries = {README_NAME: b"By hand: unzip, sha256sum -c.\n", **entries}
    facts = replace(
        facts,
        entries=len(entries),
        bytes=sum(map(len, entries.values())),
        mtimes_ns={name: STAMP for name in entries if name.startswith(("data/", "audit/"))},
    )
    facts = replace(facts, **wrong)
    entries = {**entries, FACTS_NAME: encode_facts(facts)}
    entries = {**entries, MANIFEST_NAME: manifest_of(entries) if manifest is None else manifest}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o100600 << 16
            archive.writestr(info, data, zipfile.ZIP_STORED if len(data) < 64 else zipfile.ZIP_DEFLATED)
    return path


def manifest_of(entries: Mapping[str, bytes]) -> bytes:
    """``MANIFEST.sha256`` for these entries."""
    return "".join(f"{hashlib.sha256(entries[name]).hexdigest()}  {name}\n" for name in sorted(entries)).encode()


def back_up(desk: Desk, path: Path, *, left_out: tuple[str, ...] = (), **more: Any) -> Path:
    """A backup of a desk as it stands; *left_out*: entries that it lacks."""
    entries = {name: data for name, data in content(desk).items() if name not in left_out}
    return write(path, entries, facts_of(desk, path.name, **more))
