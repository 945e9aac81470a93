"""What a drop really is: the only module that asks puremagic.

Three witnesses: the first bytes, whether they read as text, and the extension.  The content decides what is done; the
extension only chooses between things that look alike (CSV and text, docx and zip).  Where name and content disagree,
the content wins and the disagreement is said.  Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

import puremagic

from deskhand.core.names import extension
from deskhand.handlers import note_mail
from deskhand.handlers.text_intake import looks_like_text

HEAD = 64 * 1024
"""Bytes of the beginning that are looked at."""


class Kind(StrEnum):
    """What is done with a drop."""

    TEXT = "text"
    """Shown as it is."""
    MARKDOWN = "markdown"
    """Taken over with its own properties."""
    TABLE = "table"
    """CSV and its relatives."""
    JSON = "json"
    """Set out."""
    HTML = "html"
    """Turned into Markdown."""
    MAIL = "mail"
    """Headers, text, attachments."""
    DOCUMENT = "document"
    """PDF or office: its text is read by a limited child process."""
    OTHER = "other"
    """A card with name, type, size and hash."""
    EMPTY = "empty"
    """A card that says so."""
    FOLDER = "folder"
    """A list of its files."""


@dataclass(frozen=True, slots=True)
class Detected:
    """The decision, and what to tell a person about it."""

    kind: Kind
    mime: str
    """Media type; ``application/octet-stream`` when unknown."""
    label: str = ""
    """The type in words, where it is known."""
    remark: str | None = None
    """Where name and content disagree."""


_TEXTS: dict[str, tuple[Kind, str]] = {
    ".md": (Kind.MARKDOWN, "text/markdown"),
    ".markdown": (Kind.MARKDOWN, "text/markdown"),
    ".csv": (Kind.TABLE, "text/csv"),
    ".tsv": (Kind.TABLE, "text/tab-separated-values"),
    ".tab": (Kind.TABLE, "text/tab-separated-values"),
    ".json": (Kind.JSON, "application/json"),
    ".geojson": (Kind.JSON, "application/geo+json"),
    ".html": (Kind.HTML, "text/html"),
    ".htm": (Kind.HTML, "text/html"),
    ".xhtml": (Kind.HTML, "application/xhtml+xml"),
}
_OOXML = "application/vnd.openxmlformats-officedocument"
_ODF = "application/vnd.oasis.opendocument"
_DOCUMENTS = {
    ".pdf": "application/pdf",
    ".rtf": "application/rtf",
    ".docx": f"{_OOXML}.wordprocessingml.document",
    ".xlsx": f"{_OOXML}.spreadsheetml.sheet",
    ".pptx": f"{_OOXML}.presentationml.presentation",
    ".odt": f"{_ODF}.text",
    ".ods": f"{_ODF}.spreadsheet",
    ".epub": "application/epub+zip",
    ".doc": "application/msword",
    ".xls": "application/vnd.ms-excel",
    ".ppt": "application/vnd.ms-powerpoint",
    ".msg": "application/vnd.ms-outlook",
}
_LABELS = {
    ".pdf": "PDF document",
    ".rtf": "Rich Text document",
    ".docx": "Word document",
    ".xlsx": "Excel workbook",
    ".pptx": "PowerPoint presentation",
    ".odt": "OpenDocument text",
    ".ods": "OpenDocument spreadsheet",
    ".epub": "EPUB book",
    ".doc": "Word document (old format)",
    ".xls": "Excel workbook (old format)",
    ".ppt": "PowerPoint presentation (old format)",
    ".msg": "Outlook message",
}
_OOXML_PARTS = ((b"word/", ".docx"), (b"xl/", ".xlsx"), (b"ppt/", ".pptx"))
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HTML_START = re.compile(rb"\s*(?:<!doctype html|<html[\s>])", re.IGNORECASE)
_PDF_WITHIN = 1024
"""Readers find the header of a PDF in the first KiB (ISO 32000-1, annex H)."""


def detect(head: bytes, name: str) -> Detected:
    """What the file called *name* is, by its first 64 KiB."""
    suffix = extension(name)
    if not head:
        return Detected(Kind.EMPTY, "application/x-empty", "empty file")
    found = _document(head, suffix)
    if found is not None:
        remark = _disagreement(name, suffix, _LABELS[found], suffix == found)
        return Detected(Kind.DOCUMENT, _DOCUMENTS[found], _LABELS[found], remark)
    if (suffix in (".eml", "") and note_mail.is_message(head)) or (suffix == ".eml" and looks_like_text(head)):
        return Detected(Kind.MAIL, "message/rfc822", "e-mail message")
    if looks_like_text(head):
        return _text(head, name, suffix)
    return _other(head, name, suffix)


def _document(head: bytes, suffix: str) -> str | None:
    """The extension of the document type that the first bytes show; None for anything else."""
    if b"%PDF-" in head[:_PDF_WITHIN]:
        return ".pdf"
    if head.startswith(b"{\\rtf"):
        return ".rtf"
    if head.startswith(_OLE):
        return suffix if suffix in (".doc", ".xls", ".ppt", ".msg") else None
    if not head.startswith(_ZIP):
        return None
    if head[30:38] == b"mimetype":
        stored = head[38:138]
        return next((ext for ext in (".odt", ".ods", ".epub") if stored.startswith(_DOCUMENTS[ext].encode())), None)
    inside = next((ext for part, ext in _OOXML_PARTS if part in head), None)
    if inside is not None and b"[Content_Types].xml" in head:
        return inside
    return suffix if suffix in (".docx", ".xlsx", ".pptx") else None


def _text(head: bytes, name: str, suffix: str) -> Detected:
    if suffix in _TEXTS:
        kind, mime = _TEXTS[suffix]
        return Detected(kind, mime)
    if suffix in _DOCUMENTS:
        return Detected(Kind.TEXT, "text/plain", "", _disagreement(name, suffix, "plain text", False))
    if _HTML_START.match(head) and suffix in ("", ".txt", ".xml", ".asp", ".php"):
        return Detected(Kind.HTML, "text/html")
    if not suffix and head.lstrip()[:1] in (b"{", b"[") and head.rstrip()[-1:] in (b"}", b"]"):
        return Detected(Kind.JSON, "application/json")
    return Detected(Kind.TEXT, "text/plain")


def _other(head: bytes, name: str, suffix: str) -> Detected:
    mime, label, usual = _magic(head, suffix)
    remark = None
    if label and suffix and usual and suffix not in usual:
        remark = _disagreement(name, suffix, label, False)
    elif suffix in _TEXTS or suffix == ".txt":
        remark = _disagreement(name, suffix, "not text", False)
    return Detected(Kind.OTHER, mime, label, remark)


def _magic(head: bytes, suffix: str) -> tuple[str, str, frozenset[str]]:
    """Media type, words and usual extensions by puremagic; blanks when it does not know."""
    try:
        found = puremagic.magic_string(head, f"x{suffix}" if suffix else None)
    except (puremagic.PureError, ValueError):
        return "application/octet-stream", "", frozenset()
    best = found[0]
    # Many rare formats begin with the same two or three bytes: weak evidence is not worth a claim.
    if best.confidence < 0.3 and best.extension != suffix:
        return "application/octet-stream", "", frozenset()
    usual = frozenset(match.extension for match in found)
    return best.mime_type or "application/octet-stream", best.name, usual


def _disagreement(name: str, suffix: str, label: str, agrees: bool) -> str | None:
    if agrees or not suffix:
        return None
    return f"The name ends in {suffix}, but the content is {_article(label)}{label}."


def _article(label: str) -> str:
    if label.startswith(("plain", "not ", "Open")):
        return ""
    return "an " if label[0] in "AEIOU" else "a "
