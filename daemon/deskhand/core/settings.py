"""The settings of a desk: one frozen tree, loaded once and passed down.

Every field's docstring is its documentation (``docs/configuration.md`` is generated from here) and names the unit.
Durations are seconds, sizes are bytes; ``deskhand.yaml`` may write ``200ms``, ``10m``, ``7d``, ``2GiB``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from deskhand.core.units import Bytes, PositiveBytes, PositiveSeconds, Seconds

Count = Annotated[int, Meta(ge=1)]
"""At least one."""
Amount = Annotated[float, Meta(ge=0, le=1e9)]
"""Of money."""
Share = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,40}=[0-9]{1,9}(\.[0-9]{1,6})?$")]
"""A recipe and an amount: `letters=2.50`."""


class Inbox(Struct, frozen=True, forbid_unknown_fields=True):
    """A watched folder."""

    name: str
    """Short name, `a-z0-9-`; appears in the log."""
    path: str
    """The folder; relative to the desk, `~` is expanded."""
    recipe: str | None = None
    """Recipe for everything dropped here that no routing folder or match sends elsewhere."""
    poll: bool = False
    """True for network mounts: scanned every `scan_interval`, files are copied, never moved."""
    match: str = "*"
    """Glob of the names that are taken; everything else is left alone."""
    folders: bool = True
    """Whether a dropped folder becomes one task; false leaves folders alone."""


class Intake(Struct, frozen=True, forbid_unknown_fields=True):
    """When a drop counts as finished, and what is refused."""

    settle: Seconds = 0.2
    """Seconds without change and without a writer before a copied file is taken."""
    settle_empty: Seconds = 10.0
    """Seconds before an empty file is taken."""
    settle_folder: Seconds = 2.0
    """Seconds a whole dropped folder must stay unchanged."""
    stalled_after: PositiveSeconds = 600.0
    """Seconds after which a drop that is still being written is shown as STALLED."""
    max_size: PositiveBytes = 2 * 1024**3
    """Bytes above which a drop is refused (sparse files count with their apparent size)."""
    max_files: Count = 10_000
    """Entries above which a dropped folder is refused."""
    ignore: tuple[str, ...] = ()
    """More glob patterns of names that are never taken, beside the built-in ones (`*.part`, `*.tmp`, `~$*` ...)."""
    threads: Annotated[int, Meta(ge=1, le=64)] = 2
    """Threads that claim, hash and fsync drops."""


class Run(Struct, frozen=True, forbid_unknown_fields=True):
    """How handlers run."""

    workers: Annotated[int, Meta(ge=1, le=256)] = 4
    """Tasks that may run at the same time: more for heaps of short programs (16), fewer for programs that are large."""
    timeout: PositiveSeconds = 600.0
    """Seconds an attempt may take unless the recipe says otherwise."""
    drain: Seconds = 30.0
    """Seconds that running attempts get to finish at SIGTERM."""
    output_cap: Bytes = 1024**2
    """Bytes of output kept per attempt; the rest is counted and dropped."""
    environment: tuple[str, ...] = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "USER", "LOGNAME", "TMPDIR")
    """Names of the environment variables that handlers get."""
    ageing: PositiveSeconds = 300.0
    """Seconds of waiting that are worth one step of priority, so that nothing starves."""
    dry_run: bool = False
    """True: no handler is started; a task that would start is parked instead and says what would have run."""
    max_cycles: Count | None = None
    """Ticks after which the daemon drains and stops; null = it runs until it is stopped."""


class Approval(Struct, frozen=True, forbid_unknown_fields=True):
    """How people are asked."""

    expires_after: PositiveSeconds = 7 * 86400.0
    """Seconds after which an unanswered request expires."""
    notify: Literal["auto", "off"] = "auto"
    """Desktop notice when something waits or failed; `auto` = where there is a desktop."""


class Logs(Struct, frozen=True, forbid_unknown_fields=True):
    """The operational log in `logs/`."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severity that is written."""
    max_bytes: PositiveBytes = 10 * 1024**2
    """Bytes after which `logs/deskhand.log` is rotated."""
    max_age: PositiveSeconds | None = 7 * 86400.0
    """Seconds after its first line that `logs/deskhand.log` is rotated however short it is; null = by size only."""
    keep: Annotated[int, Meta(ge=0, le=1000)] = 5
    """Rotated files kept."""


class Health(Struct, frozen=True, forbid_unknown_fields=True):
    """When `deskhand health` and the daemon's own look call something degraded."""

    every: PositiveSeconds = 60.0
    """Seconds between two looks that the daemon takes at itself."""
    queue_depth: Count = 10_000
    """Unfinished tasks above which the queue counts as too deep."""
    pending_age: PositiveSeconds = 3600.0
    """Seconds that a task which could be started may wait for it."""
    disk_free: Bytes = 1000**3
    """Bytes that have to be free on the disks of the desk, its backups, its logs and the state folder."""
    backup_age: PositiveSeconds = 2 * 86400.0
    """Seconds that the newest verified backup may be old."""
    drill_age: PositiveSeconds = 14 * 86400.0
    """Seconds since the last good recovery drill; older is down, not degraded."""
    canary: str = "note"
    """Recipe that `deskhand health --canary` drops its file with."""


class Audit(Struct, frozen=True, forbid_unknown_fields=True):
    """The audit log in `audit_logs/`."""

    compress_after: Seconds | None = 30 * 86400.0
    """Seconds after it was closed that a file is packed (`.jsonl.gz`), at the `schedule.tidy` times; null = never."""


class Cleanup(Struct, frozen=True, forbid_unknown_fields=True):
    """When `deskhand cleanup` wants a person to type how much it removes."""

    ask_files: Count = 1000
    """Files above which it asks."""
    ask_bytes: PositiveBytes = 1024**3
    """Bytes above which it asks."""


class Schedule(Struct, frozen=True, forbid_unknown_fields=True):
    """The daemon's own clockwork, cron expressions in local time."""

    heartbeat: str = "*/30 * * * *"
    """Cron times of the audit log's heartbeat (at least hourly)."""
    rotation: str = "0 0 * * *"
    """Cron times, in UTC, at which a new audit day is begun (the UTC date decides)."""
    tidy: str = "15 0 * * *"
    """Cron times at which completed tasks older than `keep_flat` move to `completed/YYYY-MM-DD/`."""


class Target(Struct, frozen=True, forbid_unknown_fields=True):
    """A second place for backups: a folder, or a program that takes them there."""

    name: str
    """Short name, `a-z0-9-`; appears in the log."""
    path: str | None = None
    """An existing folder, relative to the desk, `~` is expanded; every backup is copied there and read back."""
    command: tuple[str, ...] = ()
    """A program and its arguments instead, `{file}` stands for the backup; not run by a shell."""
    verify: tuple[str, ...] = ()
    """A program that proves that the backup arrived (exit status 0), with `{file}` and `{name}`; without one a target
    with a `command` counts as unverified."""
    timeout: PositiveSeconds = 3600.0
    """Seconds that each of the two programs may take."""


Number = Annotated[int, Meta(ge=-1, le=100_000)]
"""How many a rule of retention keeps; -1 = all."""


class Backup(Struct, frozen=True, forbid_unknown_fields=True):
    """Backups: when, what, where to, and which of them are kept.  Which are kept is said in restic's words."""

    daily: str | None = "0 2 * * *"
    """Cron times of a backup, in local time; null = never by itself."""
    full: str | None = "0 3 * * 0"
    """Cron times of a full backup, with what was filed away in `completed/YYYY-MM-DD/`; null = never by itself."""
    drill: str | None = "30 4 * * 0"
    """Cron times of a recovery drill, which restores backups into a temporary folder; null = never by itself."""
    include: tuple[str, ...] = ("archive", "outbox")
    """Folders of the desk that belong in a backup beside `vault/`, `queue/`, `watch_inbox/` and the other inboxes."""
    exclude: tuple[str, ...] = ("*.pem", "*.key", "*.p12", "*.pfx", "*.kdbx", "id_rsa", "id_ed25519", ".env", ".git")
    """Globs of names that are left out wherever they are but in the files of tasks: secrets, private keys."""
    encrypt_to: tuple[str, ...] = ()
    """age recipients (`age1...`); with any, backups are `.zip.age` and only their identities open them."""
    targets: tuple[Target, ...] = ()
    """More places that every backup goes to."""
    keep_last: Number = 3
    """The newest so many are kept."""
    keep_hourly: Number = 0
    """The newest of each of the last so many hours that have one."""
    keep_daily: Number = 0
    """The newest of each of the last so many days that have one."""
    keep_weekly: Number = 0
    """The newest of each of the last so many weeks that have one."""
    keep_monthly: Number = 0
    """The newest of each of the last so many months that have one."""
    keep_yearly: Number = 0
    """The newest of each of the last so many years that have one."""
    keep_within: str = "30d"
    """All within this time before the newest: years, months, days, hours, as in `1y5m7d2h` (`m` is months); empty =
    no such rule."""
    keep_within_hourly: str = ""
    """The newest of each hour within this time."""
    keep_within_daily: str = ""
    """The newest of each day within this time."""
    keep_within_weekly: str = ""
    """The newest of each week within this time."""
    keep_within_monthly: str = ""
    """The newest of each month within this time."""
    keep_within_yearly: str = ""
    """The newest of each year within this time."""


class CostLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """What may be spent.  Hard: what could exceed a limit is not begun."""

    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")] = "USD"
    """The desk's currency (ISO 4217); a handler that reports another one is not believed."""
    daily: Amount | None = None
    """Most that a UTC day may cost, reservations included; null = no limit."""
    per_run: Amount | None = None
    """Most that one attempt may reserve; null = no limit."""
    per_recipe: tuple[Share, ...] = ()
    """Most that a recipe may cost on a UTC day, as `letters=2.50`."""

    @property
    def of_recipes(self) -> dict[str, float]:
        """Recipe id -> its limit."""
        return {recipe: float(amount) for recipe, _, amount in (entry.partition("=") for entry in self.per_recipe)}


class Schedules(Struct, frozen=True, forbid_unknown_fields=True):
    """When scheduled work (checklists, backups) is done."""

    zone: str = ""
    """Time zone of schedules that name none, such as Europe/Berlin; empty = the machine's."""
    holidays: str = "vault/holidays.yaml"
    """File with the days on which schedules with `holidays: skip` do not run; relative to the desk."""


class Window(Struct, frozen=True, forbid_unknown_fields=True):
    """A maintenance window: what runs may finish, drops are taken in, and nothing is started until it is over."""

    name: str
    """Short name, `a-z0-9-`."""
    cron: str
    """Cron times at which it begins, in the zone of `schedules.zone`."""
    length: Annotated[float, Meta(gt=0, le=7 * 86400.0, extra={"unit": "seconds"})]
    """Seconds until it is over, at most 7d."""
    reason: str = "maintenance"
    """Why; shown in `status` and the status note."""
    mutes_from: Literal["P0", "P1", "P2", "P3", "none"] = "P2"
    """Highest severity that raises no alert while it lasts (P0 is critical); lower ones raise none either."""


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything in `deskhand.yaml`."""

    schema: Literal[1] = 1
    """Version of this file's format."""
    name: str = "desk"
    """What people call this desk."""
    inboxes: tuple[Inbox, ...] = (Inbox(name="main", path="watch_inbox"),)
    """Watched folders; the first one is the desk's own."""
    scan_interval: PositiveSeconds = 10.0
    """Seconds between full scans; events wake the daemon in between."""
    intake: Intake = field(default_factory=Intake)
    run: Run = field(default_factory=Run)
    approval: Approval = field(default_factory=Approval)
    logs: Logs = field(default_factory=Logs)
    audit: Audit = field(default_factory=Audit)
    cleanup: Cleanup = field(default_factory=Cleanup)
    schedule: Schedule = field(default_factory=Schedule)
    backup: Backup = field(default_factory=Backup)
    cost: CostLimits = field(default_factory=CostLimits)
    """What runs may cost."""
    schedules: Schedules = field(default_factory=Schedules)
    maintenance: tuple[Window, ...] = ()
    """Maintenance windows; each has the keys `name`, `cron`, `length`, `reason` and `mutes_from`."""
    health: Health = field(default_factory=Health)
    keep_flat: Seconds = 7 * 86400.0
    """Seconds that finished tasks stay directly in `completed/`."""
    paused: bool = False
    """Start with intake and runs paused."""
