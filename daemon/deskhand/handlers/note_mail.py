"""An e-mail as a note: headers as properties, the text, the attachments as a list.

The classic message parser is used on purpose: the modern policy parses addresses recursively, gives up on ``((((`` and
needs seconds for a long ``To``.  A header, a charset or an encoding that is wrong costs that part only, and is said.
Attachments are listed with name, type, size and SHA-256; the task's input keeps them.  Pure.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Iterator
from email.errors import HeaderParseError, MessageError
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser
from email.utils import parsedate_to_datetime

from deskhand.core.names import visible
from deskhand.handlers import note_html, text_intake
from deskhand.handlers.note_markdown import cell, fence, size, table
from deskhand.handlers.note_page import Page, Value
from deskhand.handlers.text_intake import Confidence

HEADER_MAX = 4096
PARTS_MAX = 500
_HEADERS = {
    "subject": "subject",
    "from": "from",
    "to": "to",
    "cc": "cc",
    "reply-to": "reply_to",
    "message-id": "message_id",
}
_START = re.compile(rb"(?:From [^\r\n]+\r?\n)?(?:[A-Za-z][A-Za-z0-9-]{0,70}:[^\n]*\n(?:[ \t][^\n]*\n)*)+\r?\n")
_TELLING = re.compile(
    rb"^(?:received|return-path|message-id|mime-version|delivered-to|x-mailer):", re.IGNORECASE | re.MULTILINE
)
_ESSENTIAL = re.compile(rb"^(?:from|date|subject|to):", re.IGNORECASE | re.MULTILINE)


def is_message(head: bytes) -> bool:
    """Whether a file begins like an e-mail: nothing but headers up to an empty line, telling ones among them."""
    found = _START.match(head[:65536])
    if found is None:
        return False
    headers = found[0]
    return _TELLING.search(headers) is not None and len(_ESSENTIAL.findall(headers)) >= 2


def convert(data: bytes) -> Page:
    """The note's text; properties `subject`, `from`, `to`, `cc`, `reply_to`, `date`, `message_id`, `attachments`."""
    try:
        message = BytesParser().parsebytes(data)
        parts = list(_parts(message))
    except (MessageError, ValueError, RecursionError) as error:
        return Page(
            "", remarks=(f"This e-mail cannot be taken apart: {visible(str(error))}.",), conversion="unreadable"
        )
    properties = _properties(message)
    remarks: list[str] = []
    chosen = _body(parts)
    body = ""
    if chosen is None:
        remarks.append("This e-mail has no text of its own.")
    else:
        body, doubt = _text(chosen)
        remarks += doubt
    attached = [part for part in parts if part is not chosen and not _is_alternative(part, chosen)]
    if attached:
        body += f"\n## Attachments\n\n{_listing(attached)}"
    if len(parts) == PARTS_MAX:
        remarks.append(f"Only the first {PARTS_MAX} parts of this e-mail were looked at.")
    properties["attachments"] = len(attached)
    return Page(body, properties, tuple(remarks))


def _parts(message: Message) -> Iterator[Message]:
    """The parts that hold something, in order; a forwarded message counts as one."""
    waiting, given = [message], 0
    while waiting and given < PARTS_MAX:
        part = waiting.pop()
        payload = part.get_payload()
        if isinstance(payload, list) and part.get_content_maintype() != "message":
            waiting.extend(child for child in reversed(payload) if isinstance(child, Message))
            continue
        given += 1
        yield part


def _body(parts: list[Message]) -> Message | None:
    """Plain text if there is some, else HTML."""
    inline = [part for part in parts if part.get_content_disposition() != "attachment" and not part.get_filename()]
    for wanted in ("text/plain", "text/html"):
        for part in inline:
            if part.get_content_type() == wanted and _bytes(part).strip():
                return part
    return None


def _is_alternative(part: Message, chosen: Message | None) -> bool:
    """Whether *part* is the body once more in another form (or an empty one), and no attachment."""
    if part.get_content_disposition() == "attachment" or part.get_filename():
        return False
    kind = part.get_content_type()
    if kind in ("text/plain", "text/html") and not _bytes(part).strip():
        return True
    return chosen is not None and kind == "text/html" and chosen.get_content_type() == "text/plain"


def _text(part: Message) -> tuple[str, list[str]]:
    declared = part.get_content_charset()
    decoded = text_intake.decode(_bytes(part), declared=declared)
    if decoded is None:
        return "", ["The text of this e-mail is not text."]
    doubts = []
    if decoded.confidence in (Confidence.GUESS, Confidence.DAMAGED):
        doubts.append(f"The encoding of the text is a guess ({decoded.encoding}): some letters may be wrong.")
    if part.get_content_type() == "text/html":
        return note_html.convert(decoded.text).body, doubts
    return fence(decoded.text.strip("\n")), doubts


def _bytes(part: Message) -> bytes:
    """The part's content; of a broken transfer encoding what there is, of a part made of messages nothing."""
    try:
        decoded = part.get_payload(decode=True)
    except (ValueError, LookupError, binascii.Error):
        payload = part.get_payload()
        decoded = payload.encode("utf-8", "surrogateescape") if isinstance(payload, str) else None
    return decoded if isinstance(decoded, bytes) else b""


def _listing(parts: list[Message]) -> str:
    return table(["Name", "Type", "Size", "SHA-256"], [_attachment(part) for part in parts])


def _attachment(part: Message) -> list[str]:
    name = _header_text(part.get_filename() or "") or "(no name)"
    row = [cell(visible(name)), cell(visible(part.get_content_type()))]
    if isinstance(part.get_payload(), list):
        # Its bytes are only to be had written anew, which would give another hash.
        return [*row, "unknown", "unknown (a message inside the message)"]
    content = _bytes(part)
    return [*row, size(len(content)), f"`{hashlib.sha256(content).hexdigest()}`"]


def _properties(message: Message) -> dict[str, Value]:
    found: dict[str, Value] = {}
    raw_headers = {name.lower(): str(value) for name, value in reversed(list(message.raw_items()))}
    for header, key in _HEADERS.items():
        text = _header_text(raw_headers.get(header, ""))
        if text:
            found[key] = text
    raw = raw_headers.get("date", "")[:200]
    if raw:
        found["date"] = _date(raw)
    return found


def _date(raw: str) -> str:
    """ISO 8601 with its offset; as it was written when it is no date."""
    try:
        return parsedate_to_datetime(raw).isoformat()
    except (TypeError, ValueError, IndexError, OverflowError):
        return visible(" ".join(raw.split()))


def _header_text(raw: str) -> str:
    """A header with its encoded words (RFC 2047) resolved, on one line."""
    flat = " ".join(raw[:HEADER_MAX].split())
    try:
        pieces = decode_header(flat)
    except (HeaderParseError, ValueError, binascii.Error):
        return visible(flat)
    return visible("".join(_piece(piece, charset) for piece, charset in pieces) or flat)


def _piece(piece: bytes | str, charset: str | None) -> str:
    if isinstance(piece, str):
        piece = piece.encode("utf-8", "surrogateescape")
    decoded = text_intake.decode(piece, declared=charset)
    return " ".join(decoded.text.split("\n")) if decoded is not None else piece.decode("ascii", "backslashreplace")
