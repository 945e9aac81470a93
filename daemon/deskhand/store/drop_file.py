"""What ``deskhand drop`` leaves for the daemon: ``dropped/<id>/`` with ``drop.json`` and one payload.

Rules: the source is copied, never touched; everything is durable before the folder gets its id as its name, so a
folder that is there is whole.  The description is read as hostile: at most 64 KiB, strict UTF-8 JSON, no duplicate or
unknown keys, no NaN, an id that is one.  Nothing here decides what becomes of a drop.
"""

from __future__ import annotations

import base64
import errno
import json
import os
import re
from pathlib import Path
from typing import Any, Literal, NoReturn

import msgspec
from msgspec import Struct, field

from deskhand.core.names import is_id, task_id
from deskhand.core.options import check_options
from deskhand.core.record import Actor
from deskhand.core.settle import Kind
from deskhand.core.task import Options
from deskhand.errors import LimitError, StoreError
from deskhand.store.claim_copy import Changed, SourceError, copy_file, copy_tree
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.folder import READ_FLAGS, Folder, entry_of
from deskhand.store.tree import survey

DROP_FILE = "drop.json"
PAYLOAD = "payload"
DROP_FILE_MAX = 64 * 1024
"""Bytes of a description."""
NAME_MAX = 255
"""Bytes of a name."""
_ORIGIN = re.compile(r"[a-z0-9][a-z0-9-]{0,39}\Z")


class DropFile(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """``drop.json`` (schema 1)."""

    schema: Literal[1]
    id: str
    """Also the name of its folder, and the id of the task it becomes."""
    name: str
    """The original name, undecodable bytes shown as escapes."""
    name_bytes: str | None = None
    """Base64 of the name's bytes when they are not UTF-8."""
    options: Options = field(default_factory=Options)
    by: Actor | None = None
    """Who says to have dropped it; not believed: the owner of the folder goes on record."""
    retry_of: str | None = None
    """Id of the finished task that is tried again."""
    inbox: str = "drop"
    """`drop` or `retry`."""
    route: str | None = None
    """The routing folder of the task that is tried again."""
    origin: str | None = None
    """The inbox that the first task of a chain of retries was dropped in."""


def plain_name(name: str) -> str:
    """*name* with undecodable bytes shown as ``\\xNN``: what may be written as UTF-8."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def name_bytes(name: str) -> str | None:
    """Base64 of the bytes of *name* when they are not UTF-8."""
    raw = os.fsencode(name)
    return None if raw.decode("utf-8", "backslashreplace") == name else base64.b64encode(raw).decode()


def read(data: bytes, folder: str) -> DropFile:
    """The description in *data*, found in the folder *folder*.  ValueError with the reason when it is none."""
    if len(data) > DROP_FILE_MAX:
        raise ValueError(f"longer than {DROP_FILE_MAX} bytes")
    try:
        json.loads(data.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
        found = msgspec.json.decode(data, type=DropFile)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error
    if not is_id(found.id) or found.id != folder:
        raise ValueError("its id is not the name of its folder")
    if found.retry_of is not None and not is_id(found.retry_of):
        raise ValueError("retry_of is not an id")
    if found.inbox not in ("drop", "retry"):
        raise ValueError("inbox is neither drop nor retry")
    if found.origin is not None and (found.inbox != "retry" or _ORIGIN.match(found.origin) is None):
        raise ValueError("origin is no inbox that a retry can come from")
    problems = check_options(found.options)
    if problems:
        raise ValueError("; ".join(f"{problem.option} {problem.message}" for problem in problems))
    original = original_name(found)
    if original in ("", ".", "..") or "/" in original or "\0" in original or len(os.fsencode(original)) > NAME_MAX:
        raise ValueError("its name is not the name of a file")
    return found


def original_name(drop: DropFile) -> str:
    """The dropped name exactly as it was, undecodable bytes as surrogates.  ValueError when it makes no sense."""
    if drop.name_bytes is None:
        return drop.name
    return os.fsdecode(base64.b64decode(drop.name_bytes, validate=True))


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def submit(
    files: Files,
    desk: Desk,
    path: Path,
    options: Options,
    *,
    now: float,
    suffix: str,
    limit: int,
    by: Actor | None = None,
    name: str | None = None,
    retry_of: str | None = None,
    inbox: Literal["drop", "retry"] = "drop",
    route: str | None = None,
    origin: str | None = None,
) -> str:
    """Hand a copy of the file or folder at *path* to the daemon and return the id it will have.

    *now*: epoch seconds; *suffix*: 6 base32 characters; *limit*: bytes; *name* instead of the path's own.  A link at
    *path* itself is followed, as with `cp`.  StoreError when it cannot be read, holds links or special files, or the
    desk cannot be written; LimitError when it is too large.
    """
    name = name or path.name
    identifier = task_id(name, now, suffix)
    partial = desk.dropped / f".{identifier}.partial"
    try:
        files.make_folder(partial)
        _copy_payload(files, desk, path, partial / PAYLOAD, limit)
        about = DropFile(1, identifier, plain_name(name), name_bytes(name), options, by, retry_of, inbox, route, origin)
        files.create(partial / DROP_FILE, msgspec.json.format(msgspec.json.encode(about), indent=2) + b"\n")
        files.fsync_tree(partial)
        files.rename(partial, desk.dropped / identifier)
        files.fsync_folder(desk.dropped)
    except (SourceError, Changed, OSError) as error:
        files.remove_tree(partial)
        cause = str(error) if isinstance(error, Changed) else (error.strerror or str(error))
        raise StoreError(
            "dropping a file", cause, path=path, hint="nothing was taken; the file is unchanged"
        ) from error
    except LimitError:
        files.remove_tree(partial)
        raise
    return identifier


def _copy_payload(files: Files, desk: Desk, path: Path, target: Path, limit: int) -> None:
    real = Path(os.path.realpath(path, strict=True))
    with Folder.open(real.parent) as folder:
        entry = folder.look(real.name)
        if entry.kind is Kind.FOLDER:
            tree = survey(folder, real.name, uid=None, limit=1_000_000)
            _check_limit(path, tree.seen.size, limit)
            if tree.odd is not None:
                raise OSError(errno.ELOOP, f"{tree.odd}; only files and folders can be dropped")
            copy_tree(files, desk, folder, real.name, target)
        elif entry.kind is Kind.FILE:
            _check_limit(path, entry.size, limit)
            fd = os.open(real, READ_FLAGS)
            try:
                copy_file(files, desk, fd, entry_of(real.name, os.fstat(fd)), target)
            finally:
                os.close(fd)
        else:
            raise OSError(errno.EINVAL, "only files and folders can be dropped")


def _check_limit(path: Path, size: int, limit: int) -> None:
    if size > limit:
        raise LimitError(
            *("dropping a file", f"{size} bytes, more than the {limit} allowed"),
            path=path,
            hint="raise intake.max_size in deskhand.yaml if that is intended",
        )
