"""What the drops of one batch share: the folders they are claimed into, and the open folders they are taken from.

It moves names and decides nothing; see ``store.claim``.
"""

from __future__ import annotations

import os
from pathlib import Path

from deskhand.store.claim_copy import SourceError
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.folder import Folder
from deskhand.store.place import Place
from deskhand.store.staging import Claim, make_folder, remove_if_empty


class Batch:
    """The claimed folders of one batch: one for each inbox and route, not one per drop."""

    def __init__(self, files: Files, desk: Desk) -> None:
        self.files = files
        self.desk = desk
        self.uid = os.geteuid() if hasattr(os, "geteuid") else 0
        self._folders: dict[tuple[str, str | None], Path] = {}
        self._parents: dict[tuple[Path, str | None], Folder] = {}
        self._moved_from: dict[tuple[Path, str | None], Place] = {}

    def folder(self, place: Place) -> Path:
        """Where drops of this place's kind go."""
        key = (place.inbox, place.route)
        if key not in self._folders:
            self._folders[key] = make_folder(self.files, self.desk, Claim(place.inbox, place.route))
        return self._folders[key]

    def rename(self, place: Place) -> Path:
        """Move the drop into its claimed folder.  OSError as the system says."""
        target = self.folder(place) / place.name
        try:
            self.files.rename(place.text, target)
        except FileExistsError:
            del self._folders[place.inbox, place.route]
            target = self.folder(place) / place.name
            self.files.rename(place.text, target)
        self.moved_from(place)
        return target

    def give_back(self, taken: Path, place: Place) -> bool:
        """Undo :meth:`rename`; False when the name is taken meanwhile (the next start takes it up again)."""
        try:
            self.files.rename(taken, place.text)
        except FileExistsError:
            return False
        return True

    def moved_from(self, place: Place) -> None:
        """A name was moved out of the folder that *place* is in."""
        self._moved_from[place.root, place.route] = place

    @property
    def sources(self) -> list[Path]:
        """Folders that names were moved out of."""
        return [place.parent for place in self._moved_from.values()]

    def parent(self, place: Place) -> Folder:
        """The folder that the drop is in, reached without following a link; open for the whole batch."""
        found = self._parents.get((place.root, place.route))
        if found is None:
            found = self._parents[place.root, place.route] = _parent(place)
        return found

    def close(self) -> None:
        """Remove the folders that have nothing left in them; what cannot be removed goes at the next start."""
        for folder in self._parents.values():
            folder.close()
        for path in self._folders.values():
            try:
                remove_if_empty(self.files, path)
            except OSError:
                continue


def _parent(place: Place) -> Folder:
    """The folder that the drop is in, reached without following a link."""
    try:
        root = Folder.open(place.root)
        if place.route is None:
            return root
        with root:
            return root.folder(place.route)
    except OSError as error:
        raise SourceError.of(error) from error
