"""The handler of kind ``note``: whatever was dropped becomes one Markdown file.

In two steps, so that nothing dangerous is parsed in the daemon: ``plan`` looks at the first bytes and says whether a
child process has to read the document first; ``finish`` writes the note.  Plain formats need no child.  A note is
always written: what cannot be read becomes a card that says so.  Bounded: at most 8 MiB of text (32 MiB of e-mail) are
read, of anything larger the beginning is shown.

Writes only into the attempt's own folder; where the note goes is decided by the recipe's ``deliver:``.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import assert_never

from deskhand.core.names import visible
from deskhand.core.recipe import Limits
from deskhand.errors import RunError
from deskhand.handlers import card, note_html, note_json, note_mail, note_plain, note_table, text_intake
from deskhand.handlers.note_kind import HEAD, Detected, Kind, detect
from deskhand.handlers.note_markdown import fence, inert
from deskhand.handlers.note_name import note_name
from deskhand.handlers.note_page import Page, Value, render

TEXT_MAX = 8 * 1024 * 1024
MAIL_MAX = 32 * 1024 * 1024
EXTRACT_LIMITS = Limits(memory=1024**3, cpu=60.0)
EXTRACT_TIMEOUT = 120.0
"""Seconds that reading a document may take."""
EXTRACT_ENVIRONMENT: Mapping[str, str] = {"MALLOC_ARENA_MAX": "2"}
"""Beside the usual environment: every arena reserves address space, which is what the memory limit counts."""
MISSING = "The text of PDF and office files is read with the `docs` extra: pip install 'deskhand[docs]'."


@dataclass(frozen=True, slots=True)
class NoteRequest:
    """A drop to make a note of."""

    input: Path
    """The file or folder to read (an attempt's copy)."""
    name: str
    """The dropped name."""
    task_id: str
    received: float
    """Epoch seconds."""
    sha256: str
    """Of the input (``core.task.manifest_sha256``)."""
    bytes: int
    """Size of the input."""
    output_dir: Path
    """Where the note is written; exists."""
    warning: str | None = None
    """What a person should know about this drop, e.g. that the same bytes were completed before."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What has to be done for a note."""

    detected: Detected
    child_argv: tuple[str, ...] | None = None
    """The program to run first, under `EXTRACT_LIMITS`; None = none."""
    extract_path: Path | None = None
    """Where that program puts the text."""
    problem: str | None = None
    """Why the text cannot be read at all."""


@dataclass(frozen=True, slots=True)
class NoteResult:
    """A finished note."""

    path: Path
    kind: Kind
    conversion: str
    """``complete``, ``shortened``, ``unreadable`` or ``none``."""
    summary: str
    """One sentence for the task's log."""


def plan(request: NoteRequest) -> Plan:
    """Look at the drop.  RunError when it cannot be read."""
    if request.input.is_dir():
        return Plan(Detected(Kind.FOLDER, "inode/directory", "folder"))
    detected = detect(_read(request.input, HEAD), request.name)
    if detected.kind is not Kind.DOCUMENT:
        return Plan(detected)
    if importlib.util.find_spec("kreuzberg") is None:
        return Plan(detected, problem=MISSING)
    extract_path = request.output_dir.parent / "extracted.txt"
    program = Path(__file__).with_name("extract_main.py")
    argv = (sys.executable, "-I", str(program), str(request.input), str(extract_path), detected.mime)
    return Plan(detected, argv, extract_path)


def child_problem(exit: int | None, signal: int | None, cut: str | None, log: str) -> str | None:
    """Why the child gave no text, in one sentence; None when it ended well.  *log* is the end of what it said."""
    if cut is not None:
        return f"Reading the document was cut off ({cut})."
    if signal is not None:
        return f"Reading the document needed more than it may (ended by signal {signal})."
    if exit == 0:
        return None
    said = [line.strip() for line in log.splitlines() if line.strip()]
    cause = visible(said[-1][:500]) if said else f"exit status {exit}"
    return f"The document could not be read: {cause.rstrip('.')}."


def finish(request: NoteRequest, plan: Plan, problem: str | None = None) -> NoteResult:
    """Write the note.  *problem* is what :func:`child_problem` said.  RunError when the disk does not play along."""
    detected = plan.detected
    page = _page(request, plan, problem or plan.problem)
    remarks = tuple(remark for remark in (request.warning, detected.remark) if remark)
    page = replace(page, remarks=remarks + page.remarks)
    target = request.output_dir / note_name(request.name, folder=detected.kind is Kind.FOLDER)
    try:
        with target.open("xb") as file:
            file.write(render({**_properties(request, detected, page), **page.properties}, page))
    except OSError as error:
        raise RunError("writing a note", error.strerror or str(error), path=target) from error
    return NoteResult(target, detected.kind, page.conversion, _summary(detected, page, target))


def _page(request: NoteRequest, plan: Plan, problem: str | None) -> Page:
    match plan.detected.kind:
        case Kind.FOLDER:
            return _folder(request)
        case Kind.DOCUMENT:
            return _document(request, plan, problem)
        case Kind.MAIL:
            return _mail(request, plan.detected)
        case Kind.EMPTY:
            return _card(request, plan.detected, "The file is empty.")
        case Kind.OTHER:
            return _card(request, plan.detected)
        case Kind.TEXT | Kind.MARKDOWN | Kind.TABLE | Kind.JSON | Kind.HTML:
            return _text(request, plan.detected)
        case _:
            assert_never(plan.detected.kind)


def _text(request: NoteRequest, detected: Detected) -> Page:
    data = _read(request.input, TEXT_MAX + 1)
    whole = len(data) <= TEXT_MAX
    declared = note_html.declared_encoding(data) if detected.kind is Kind.HTML else None
    decoded = text_intake.decode(data[:TEXT_MAX] if whole else _to_line_end(data[:TEXT_MAX]), declared=declared)
    if decoded is None:
        return _card(request, detected, "The name says text, but the content is not.", conversion="unreadable")
    page = _converted(decoded.text, detected.kind, whole=whole)
    page = replace(page, properties={**note_plain.properties(decoded), **page.properties})
    return note_plain.with_doubts(page, decoded)


def _converted(text: str, kind: Kind, *, whole: bool) -> Page:
    if kind is Kind.TABLE:
        return note_table.convert(text, whole=whole)
    if not whole:
        return note_plain.preview(text, "8 MiB")
    match kind:
        case Kind.MARKDOWN:
            return note_plain.convert_markdown(text)
        case Kind.JSON:
            return note_json.convert(text)
        case Kind.HTML:
            return note_html.convert(text)
        case _:
            return note_plain.convert_text(text)


def _mail(request: NoteRequest, detected: Detected) -> Page:
    if request.bytes > MAIL_MAX:
        return _card(request, detected, "This e-mail is larger than 32 MiB and was not taken apart.")
    page = note_mail.convert(_read(request.input, MAIL_MAX))
    if page.conversion == "unreadable":
        shown = _card(request, detected)
        return replace(page, body=shown.body)
    return page


def _document(request: NoteRequest, plan: Plan, problem: str | None) -> Page:
    if problem is None and plan.extract_path is not None and plan.extract_path.is_file():
        data = _read(plan.extract_path, TEXT_MAX + 1)
        text = text_intake.clean(data[:TEXT_MAX].decode("utf-8", "ignore")).strip("\n")
        if not text.strip():
            return _card(request, plan.detected, "There is no text inside; it may be a scan or a picture.")
        page = Page(fence(text) if plan.detected.mime == "application/pdf" else f"{inert(text)}\n")
        if len(data) <= TEXT_MAX:
            return page
        return replace(page, remarks=("Only the first 8 MiB of the text are shown.",), conversion="shortened")
    reason = problem or "The document could not be read: the reader left no text."
    return _card(request, plan.detected, reason, conversion="unreadable")


def _folder(request: NoteRequest) -> Page:
    try:
        return card.folder(request.input)
    except OSError as error:
        raise RunError("reading a dropped folder", error.strerror or str(error), path=error.filename) from error


def _card(request: NoteRequest, detected: Detected, remark: str | None = None, *, conversion: str = "none") -> Page:
    words = f"{detected.label} ({detected.mime})" if detected.label else detected.mime
    remarks = (remark,) if remark else ()
    return card.card(request.name, words, request.bytes, request.sha256, remarks=remarks, why=conversion)


def _properties(request: NoteRequest, detected: Detected, page: Page) -> dict[str, Value]:
    """What every note says about where it comes from."""
    return {
        "source": visible(request.name),
        "task": request.task_id,
        "received": datetime.fromtimestamp(request.received, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "type": detected.mime,
        "bytes": request.bytes,
        "sha256": request.sha256,
        "conversion": page.conversion,
    }


def _summary(detected: Detected, page: Page, target: Path) -> str:
    outcome = {"complete": "made", "shortened": "made, shortened"}.get(page.conversion, "made, a card without text")
    return f"note {outcome}: {visible(target.name)} ({detected.mime})"


def _to_line_end(data: bytes) -> bytes:
    """*data* without the line, or at least the character, that the limit cut in two."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data[: len(data) - len(data) % 4]
    end = data.rfind(b"\n")
    if end > len(data) // 2:
        return data[: end + 1]
    cut = len(data)
    while cut > len(data) - 3 and 0x80 <= data[cut - 1] < 0xC0:
        cut -= 1
    return data[: cut - 1] if data[cut - 1] >= 0xC0 else data


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(limit)
    except OSError as error:
        raise RunError("reading a drop", error.strerror or str(error), path=path) from error
