"""What a recipe is: the typed form of ``vault/recipes/blessed/<id>/vNNNN.yaml``.

Only types and the questions that can be answered from them.  Reading YAML and reporting violations is
``core.recipe_file``; where recipes live is ``store.recipes``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from deskhand.core.money import Price
from deskhand.core.units import Bytes, PositiveBytes, PositiveSeconds, Seconds

Kind = Literal["command", "python", "note", "keep"]
"""`keep` does nothing: the input is the result."""


class Parameter(Struct, frozen=True, forbid_unknown_fields=True):
    """A parameter that a drop may set."""

    description: str
    default: str | None = None
    """None = required."""
    choices: tuple[str, ...] = ()
    """Allowed values; empty = any text that does not start with `-`."""


class Match(Struct, frozen=True, forbid_unknown_fields=True):
    """Which drops a recipe takes without being named."""

    names: tuple[str, ...] = ()
    """Globs on the original name, case-insensitive."""
    inboxes: tuple[str, ...] = ()
    """Names of inboxes; empty = all."""


class Retry(Struct, frozen=True, forbid_unknown_fields=True):
    """How often and how soon."""

    attempts: Annotated[int, Meta(ge=1, le=100)] = 1
    """Attempts in all, the first one included (1-100)."""
    backoff: Seconds = 5.0
    """Seconds before the second attempt; doubles each time."""
    max_backoff: Seconds = 3600.0
    """Seconds that a pause never exceeds."""


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """What an attempt may use; None = no limit."""

    memory: PositiveBytes | None = None
    """Bytes of address space per process."""
    cpu: PositiveSeconds | None = None
    """Seconds of CPU time per process."""


class Approve(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a person is asked first."""

    mode: Literal["required", "never", "when"] = "required"
    when: str | None = None
    """The rule, with mode `when` (see `core.rule`)."""


class Recipe(Struct, frozen=True):
    """One version of a recipe.  ``sha256`` and ``version`` come from where the bytes were found, not from inside."""

    id: str
    """`a-z0-9-`, 1-40 characters; also the name of its routing folder."""
    kind: Kind
    purpose: str
    """One sentence: what happens to a drop."""
    environment: str
    """What has to be there for it to work (programs, files, network)."""
    inputs: str
    """What it accepts."""
    outputs: str
    """What it makes and where that goes."""
    safety: str
    """What could go wrong and what prevents it."""
    observability: str
    """How to see that it worked."""
    roles: tuple[str, ...] = ("owner",)
    """Who may bless and approve it."""
    argv: tuple[str, ...] = ()
    """kind `command`: the program and its arguments; `{input}` `{output_dir}` `{param.x}` are filled in, no shell."""
    code: str | None = None
    """kind `python`: the file, beside the draft; a snapshot is taken at blessing."""
    function: str = "run"
    """kind `python`: the function, called as `function(input: Path, output_dir: Path, params: dict[str, str])`."""
    selectable: bool = True
    """Whether a drop may name it explicitly."""
    match: Match = field(default_factory=Match)
    params: dict[str, Parameter] = field(default_factory=dict)
    deliver: str | None = None
    """Template of the path (in the desk, or absolute) where each result goes, e.g. `outbox/{name}`."""
    approval: Approve = field(default_factory=Approve)
    timeout: PositiveSeconds | None = None
    """Seconds per attempt; None = the desk's `run.timeout`."""
    retry: Retry = field(default_factory=Retry)
    idempotent: bool = False
    """Whether a cut-off run may simply be repeated."""
    concurrency: Annotated[int, Meta(ge=1)] | None = None
    """Tasks of this recipe at the same time; None = no limit of its own."""
    output_cap: Bytes | None = None
    """Bytes of output kept; None = the desk's `run.output_cap`."""
    limits: Limits = field(default_factory=Limits)
    cost: Price | None = None
    """What an attempt may cost; None = nothing, it is local work."""
    priority: Annotated[int, Meta(ge=-10, le=10)] = 0
    """-10 (last) to 10 (first)."""
    env: dict[str, str] = field(default_factory=dict)
    """More environment variables for the handler; no secrets."""
    version: int = 0
    """Number of the blessed version; 0 = a draft."""
    sha256: str = ""
    """Of the YAML file's bytes (hex)."""
    code_sha256: str | None = None
    """Of the snapshotted code file's bytes (hex)."""


class Pin(Struct, frozen=True, order=True):
    """Exactly which recipe a task runs."""

    id: str
    version: int
    sha256: str
    code_sha256: str | None = None
