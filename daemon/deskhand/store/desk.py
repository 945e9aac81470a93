"""Where everything in a desk stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

CONFIG_NAME = "deskhand.yaml"


@dataclass(frozen=True)
class Desk:
    """The paths of one desk.  *root* is absolute and resolved.  Each is put together once: they are asked for often."""

    root: Path
    _folders: dict[str, Path] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def config(self) -> Path:
        """`deskhand.yaml`; its presence marks the desk."""
        return self.root / CONFIG_NAME

    @cached_property
    def inbox(self) -> Path:
        """`watch_inbox/`, where people drop."""
        return self.root / "watch_inbox"

    @cached_property
    def queue(self) -> Path:
        """`queue/`, on one local filesystem."""
        return self.root / "queue"

    def folder(self, name: str) -> Path:
        """A state folder: `queue/<name>`."""
        found = self._folders.get(name)
        if found is None:
            found = self._folders[name] = self.queue / name
        return found

    @cached_property
    def approvals(self) -> Path:
        """`queue/approvals/`, where requests stand."""
        return self.queue / "approvals"

    @cached_property
    def staging(self) -> Path:
        """`queue/.staging/`: drops on their way in."""
        return self.queue / ".staging"

    @cached_property
    def partial(self) -> Path:
        """Copies being made; discarded at start."""
        return self.staging / "partial"

    @cached_property
    def claimed(self) -> Path:
        """Drops that are ours: `<inbox>~<route>~<n>/<original name>`."""
        return self.staging / "claimed"

    @cached_property
    def accepted(self) -> Path:
        """Durable tasks under their id, about to be recorded and placed."""
        return self.staging / "accepted"

    @cached_property
    def dropped(self) -> Path:
        """`<id>/` folders that `deskhand drop` leaves: the file and `drop.json`."""
        return self.staging / "dropped"

    @cached_property
    def requests(self) -> Path:
        """`queue/.requests/<id>.<16 hex>.json`: what each waiting request must say, byte for byte."""
        return self.queue / ".requests"

    @cached_property
    def salt(self) -> Path:
        """The desk's secret, see ``store.desk_salt``."""
        return self.queue / ".salt"

    @cached_property
    def work(self) -> Path:
        """`queue/.work/<key>-<attempt>/`: working copies of attempts."""
        return self.queue / ".work"

    @cached_property
    def removing(self) -> Path:
        """`queue/.removing/<id>/`: empty folders that say which finished tasks' files are just being removed."""
        return self.queue / ".removing"

    @cached_property
    def backups(self) -> Path:
        """`backups/`."""
        return self.root / "backups"

    @cached_property
    def lock(self) -> Path:
        """The daemon's lock file."""
        return self.queue / ".lock"

    @cached_property
    def socket(self) -> Path:
        """The control socket."""
        return self.queue / ".control.sock"

    @cached_property
    def audit(self) -> Path:
        """`audit_logs/`."""
        return self.root / "audit_logs"

    @cached_property
    def vault(self) -> Path:
        """`vault/`."""
        return self.root / "vault"

    @cached_property
    def recipes(self) -> Path:
        """`vault/recipes/`."""
        return self.vault / "recipes"

    @cached_property
    def logs(self) -> Path:
        """`logs/`: the operational log."""
        return self.root / "logs"
