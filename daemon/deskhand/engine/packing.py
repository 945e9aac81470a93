"""Packing closed files of the audit log while the desk works: one at a time, on record before the plain one goes.

Used by the deciding thread, which only hears what the background made and appends the records.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from deskhand.core.log import Log
from deskhand.core.record import Draft
from deskhand.engine.background import Background
from deskhand.engine.ledger import Ledger
from deskhand.errors import DeskhandError
from deskhand.store import audit_pack
from deskhand.store.audit_pack import Packed
from deskhand.store.files import Files, FsyncError


class Packing:
    """What is to be packed, what is being packed, and who waits for it."""

    def __init__(self, files: Files, folder: Path, ledger: Ledger, background: Background, log: Log) -> None:
        self._files = files
        self._folder = folder
        self._ledger = ledger
        self._background = background
        self._log = log
        self._looking: Future[list[Path]] | None = None
        self._making: Future[Packed | None] | None = None
        self._left: deque[Path] = deque()
        self._on_record: list[Path] = []
        """Plain files of which the record is appended and not durable yet."""
        self._retiring: list[Future[None]] = []
        self._promises: list[Future[dict[str, Any]]] = []
        self._done: list[Packed] = []
        self._problems: list[str] = []

    @property
    def busy(self) -> bool:
        """Whether anything is under way."""
        going = self._looking is not None or self._making is not None or bool(self._left or self._on_record)
        return going or any(not each.done() for each in self._retiring)

    def begin(self, before: float) -> Future[dict[str, Any]]:
        """Pack what was closed before *before* (epoch seconds); the promise says what was done.

        While packing is under way, what that does is the answer.
        """
        promise: Future[dict[str, Any]] = Future()
        self._promises.append(promise)
        if not self.busy:
            self._done, self._problems = [], []
            self._looking = self._background.submit(partial(_candidates, self._folder, before))
        return promise

    def hear(self) -> None:
        """Put on record what was packed since the last call, and go on."""
        if self._looking is not None and self._looking.done():
            found, self._looking = self._looking, None
            try:
                self._left.extend(found.result())
            except (DeskhandError, OSError) as error:
                self._problem(error)
        while True:
            if self._making is not None and self._making.done():
                made, self._making = self._making, None
                self._made(made)
            if self._making is not None or not self._left:
                break
            path = self._left.popleft()
            self._making = self._background.submit(
                partial(audit_pack.pack, self._files, path, self._background.stopping)
            )
        self._tell()

    def _made(self, made: Future[Packed | None]) -> None:
        try:
            packed = made.result()
        except FsyncError:
            raise
        except DeskhandError as error:
            self._problem(error)
            return
        if packed is not None:
            self._ledger.note(Draft("audit.compressed", msgspec.to_builtins(packed)))
            self._on_record.append(self._folder / packed.name)
            self._done.append(packed)

    def _problem(self, error: DeskhandError | OSError) -> None:
        cause = error.sentence if isinstance(error, DeskhandError) else str(error)
        self._problems.append(cause)
        self._log.warning("a closed day of the audit log cannot be packed", cause=cause)

    def recorded(self) -> None:
        """Everything that was appended is durable: the plain files may go."""
        paths, self._on_record = self._on_record, []
        self._retiring = [each for each in self._retiring if not each.done()]
        self._retiring += [self._background.submit(partial(self._retire, path)) for path in paths]
        self._tell()

    def _retire(self, path: Path) -> None:
        try:
            audit_pack.retire(self._files, path)
        except OSError as error:
            self._log.warning("a packed day of the audit log cannot be removed yet", cause=str(error))

    def _tell(self) -> None:
        if self.busy or not self._promises:
            return
        told, self._promises = self._promises, []
        reply = {
            "packed": [msgspec.to_builtins(packed) for packed in self._done],
            "problems": list(self._problems),
        }
        if self._done:
            self._log.info("closed days of the audit log were packed", files=len(self._done))
        for promise in told:
            promise.set_result(reply)


def _candidates(folder: Path, before: float) -> list[Path]:
    return [segment.path for segment in audit_pack.candidates(folder, before)]
