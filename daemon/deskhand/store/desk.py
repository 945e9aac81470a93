"""Where everything in a desk stands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CONFIG_NAME = "deskhand.yaml"


@dataclass(frozen=True, slots=True)
class Desk:
    """The paths of one desk.  *root* is absolute and resolved."""

    root: Path

    @property
    def config(self) -> Path:
        """`deskhand.yaml`; its presence marks the desk."""
        return self.root / CONFIG_NAME

    @property
    def inbox(self) -> Path:
        """`watch_inbox/`, where people drop."""
        return self.root / "watch_inbox"

    @property
    def queue(self) -> Path:
        """`queue/`, on one local filesystem."""
        return self.root / "queue"

    def folder(self, name: str) -> Path:
        """A state folder: `queue/<name>`."""
        return self.queue / name

    @property
    def approvals(self) -> Path:
        """`queue/approvals/`, where requests stand."""
        return self.queue / "approvals"

    @property
    def staging(self) -> Path:
        """`queue/.staging/`: drops on their way in."""
        return self.queue / ".staging"

    @property
    def partial(self) -> Path:
        """Copies being made; discarded at start."""
        return self.staging / "partial"

    @property
    def claimed(self) -> Path:
        """Drops that are ours: `<inbox>~<route>~<n>/<original name>`."""
        return self.staging / "claimed"

    @property
    def accepted(self) -> Path:
        """Durable tasks under their id, about to be recorded and placed."""
        return self.staging / "accepted"

    @property
    def dropped(self) -> Path:
        """`<id>/` folders that `deskhand drop` leaves: the file and `drop.json`."""
        return self.staging / "dropped"

    @property
    def requests(self) -> Path:
        """`queue/.requests/<id>.<16 hex>.json`: what each waiting request must say, byte for byte."""
        return self.queue / ".requests"

    @property
    def salt(self) -> Path:
        """The desk's secret, see ``store.desk_salt``."""
        return self.queue / ".salt"

    @property
    def work(self) -> Path:
        """`queue/.work/<key>-<attempt>/`: working copies of attempts."""
        return self.queue / ".work"

    @property
    def lock(self) -> Path:
        """The daemon's lock file."""
        return self.queue / ".lock"

    @property
    def socket(self) -> Path:
        """The control socket."""
        return self.queue / ".control.sock"

    @property
    def audit(self) -> Path:
        """`audit_logs/`."""
        return self.root / "audit_logs"

    @property
    def vault(self) -> Path:
        """`vault/`."""
        return self.root / "vault"

    @property
    def recipes(self) -> Path:
        """`vault/recipes/`."""
        return self.vault / "recipes"

    @property
    def logs(self) -> Path:
        """`logs/`: the operational log."""
        return self.root / "logs"
