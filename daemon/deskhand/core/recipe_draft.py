"""The text of a new draft: every section filled from a few answers, with comments that say what may be changed.

What nobody answered is filled with what is true of any recipe of that kind, so that a new draft passes the check and
a person sharpens it before blessing.
"""

from __future__ import annotations

from msgspec import Struct

from deskhand.core.recipe import Kind
from deskhand.core.settings_file import quoted

CODE = '''\
"""Called once for each task, in a process of its own; stdout and stderr go to the task's log."""

from pathlib import Path


def {function}(input: Path, output_dir: Path, params: dict[str, str]) -> None:
    """Read the dropped file or folder at *input*; what is written into *output_dir* is the result."""
    text = input.read_text(encoding="utf-8")
    (output_dir / input.name).write_text(text, encoding="utf-8")
'''

_ENVIRONMENT: dict[Kind, str] = {
    "command": "The program {program} must be installed and on the daemon's PATH.",
    "python": "Nothing beside the Python that deskhand itself runs on.",
    "note": "Nothing beside deskhand itself; PDF and office files need its docs extra.",
    "keep": "Nothing beside deskhand itself.",
}
_OUTPUTS: dict[Kind, str] = {
    "command": "What the program writes into its output folder.",
    "python": "What the function writes into its output folder.",
    "note": "A Markdown note with the text of the file and its properties.",
    "keep": "The dropped file itself, unchanged.",
}
_SAFETY: dict[Kind, str] = {
    "command": "The program can do whatever the daemon's user can; it works on a copy and the dropped bytes stay.",
    "python": "The code can do whatever the daemon's user can; it works on a copy and the dropped bytes stay.",
    "note": "Nothing is sent anywhere and nothing is overwritten; the dropped bytes stay.",
    "keep": "Nothing is sent anywhere and nothing is overwritten; the dropped bytes stay.",
}

_SEEN = "The task ends in queue/completed/; deskhand task log shows what it printed."


class Answers(Struct, frozen=True):
    """What a person said about a new recipe; None and empty are filled in."""

    id: str
    kind: Kind = "note"
    purpose: str = ""
    environment: str = ""
    inputs: str = ""
    outputs: str = ""
    safety: str = ""
    observability: str = ""
    argv: tuple[str, ...] = ()
    """kind `command`; empty = `file {input}`, which prints what a file is."""
    function: str = "run"
    names: tuple[str, ...] = ()
    """Globs of the names that it takes without being named."""
    approval: str = "required"
    """`required`, `never`, or a rule."""
    deliver: str | None = None
    idempotent: bool | None = None
    """None = true for kinds that only write their own output, false for programs and code."""
    timeout: str | None = None


def draft(answers: Answers) -> str:
    """The draft as YAML."""
    argv = answers.argv or ("file", "--brief", "{input}")
    kind = answers.kind
    parts = [
        f"# Recipe {answers.id}: a draft.  Change it, then: deskhand recipe check {answers.id}",
        f"# It runs only after: deskhand recipe bless {answers.id}",
        "schema: 1",
        f"id: {quoted(answers.id)}",
        "",
        "# What happens to a drop, in one sentence; a person reads it before saying yes.",
        f"purpose: {quoted(answers.purpose or _purpose(answers, argv))}",
        "# What has to be there for it to work.",
        f"environment: {quoted(answers.environment or _ENVIRONMENT[kind].format(program=argv[0]))}",
        "# What it accepts.",
        f"inputs: {quoted(answers.inputs or 'Any file.')}",
        "# What it makes and where that goes.",
        f"outputs: {quoted(answers.outputs or _OUTPUTS[kind])}",
        "# What could go wrong and what prevents it.",
        f"safety: {quoted(answers.safety or _SAFETY[kind])}",
        "# How to see that it worked.",
        f"observability: {quoted(answers.observability or _SEEN)}",
        "# Who may bless and approve it.",
        "roles: [owner]",
        "",
        *_work(answers, argv),
        "",
        *_handling(answers),
    ]
    return "\n".join(parts) + "\n"


def code(answers: Answers) -> str | None:
    """The code file of a new draft of kind `python`: it copies text, ready to be changed.  None for other kinds."""
    return CODE.format(function=answers.function) if answers.kind == "python" else None


def _purpose(answers: Answers, argv: tuple[str, ...]) -> str:
    match answers.kind:
        case "command":
            return f"Runs {argv[0]} on the dropped file."
        case "python":
            return f"Runs the function {answers.function} of {answers.id}.py on the dropped file."
        case "note":
            return "Turns the dropped file into a note."
        case "keep":
            return "Puts the dropped file where it belongs."


def _work(answers: Answers, argv: tuple[str, ...]) -> list[str]:
    lines = [
        "# command (a program), python (a function), note (a Markdown note) or keep (the file itself).",
        f"kind: {answers.kind}",
    ]
    if answers.kind == "command":
        lines.append(
            "# The program and its arguments; no shell.  {input} {output_dir} {id} {name} {param.x} are filled in."
        )
        lines.append(f"argv: [{', '.join(quoted(argument) for argument in argv)}]")
    if answers.kind == "python":
        lines.append("# The file beside this draft, and the function in it; blessing takes a snapshot of the file.")
        lines += [f"code: {quoted(f'{answers.id}.py')}", f"function: {quoted(answers.function)}"]
    return lines


def _handling(answers: Answers) -> list[str]:
    harmless = answers.kind in ("note", "keep") if answers.idempotent is None else answers.idempotent
    lines = ["# required, never, or 'when: <rule>', for example  when: bytes > 10MiB or ext == \"exe\""]
    if answers.approval in ("required", "never"):
        lines.append(f"approval: {answers.approval}")
    else:
        lines += ["approval:", f"  when: {quoted(answers.approval)}"]
    lines += [
        "# Whether a run that was cut off may simply be repeated; if not, a person is asked.",
        f"idempotent: {_bool(harmless)}",
    ]
    lines.append("# Names that it takes without being named; a folder watch_inbox/<id>/ always works.")
    names = f"[{', '.join(quoted(name) for name in answers.names)}]"
    lines += ["match:", f"  names: {names}"] if answers.names else ["# match:", '#   names: ["*.pdf"]']
    lines.append("# Where results go, in the desk or absolute; nothing is ever overwritten.")
    lines.append(f"deliver: {quoted(answers.deliver)}" if answers.deliver else '# deliver: "outbox/{name}"')
    lines.append("# How long an attempt may take, and how many attempts there are.")
    lines.append(f"timeout: {quoted(answers.timeout)}" if answers.timeout else "# timeout: 10m")
    lines += ["retry:", "  attempts: 1"]
    return lines


def _bool(value: bool) -> str:
    return "true" if value else "false"
