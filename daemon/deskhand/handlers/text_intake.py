"""From bytes to text, with what was found out on the way: encoding, how sure that is, byte order mark, line endings.

Rules: nothing is lost in silence.  A byte that cannot be read becomes ``�`` and is counted; a control character
becomes its picture (``␛``); an encoding that was only guessed is called a guess.  What does not look like text at
all is None, never a screen full of garbage.  Pure: bytes in, values out; nothing is opened here.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from enum import StrEnum

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ALLOWED_CONTROLS = b"\t\n\r\f\x08\x1b"
_CONTROL_BYTES = bytes(byte for byte in range(32) if byte not in _ALLOWED_CONTROLS) + b"\x7f"
_PICTURES = {code: 0x2400 + code for code in range(32) if code not in (9, 10)} | {0x7F: 0x2421}
_WESTERN = "äöüßÄÖÜàâçéèêëîïôûùœæåøñáíóúãõìòÀÂÇÉÈÊÎÔÅØÆÑÁÍÓÚ€„“”‚‘’–—…«»§°µ£·•©®±²³½ "
_ENDINGS = re.compile(r"\r\n|\r|\n")


class Confidence(StrEnum):
    """How sure the encoding is."""

    CERTAIN = "certain"
    """The bytes are valid in it and would hardly be so by accident, or a byte order mark says so."""
    DECLARED = "declared"
    """The document itself says so and the bytes are valid in it."""
    LIKELY = "likely"
    """The bytes look like ordinary words in it."""
    GUESS = "guess"
    """They could be something else."""
    DAMAGED = "damaged"
    """Some bytes are not valid in it and are shown as a replacement character."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text with line ends as LF, and how it was written."""

    text: str
    encoding: str
    confidence: Confidence
    bom: bool
    newlines: str
    """``LF``, ``CRLF``, ``CR``, ``mixed`` or ``none``."""
    unreadable: int = 0
    """Bytes or sequences shown as ``�``."""


def looks_like_text(sample: bytes) -> bool:
    """Whether the beginning of a file is text: a byte order mark, or no control bytes but the usual ones."""
    if _bom(sample) is not None or _wide_without_bom(sample) is not None:
        return True
    return sample.translate(None, _CONTROL_BYTES) == sample


def decode(data: bytes, *, declared: str | None = None) -> Decoded | None:
    """Read *data*; None when it is not text.  *declared* is what the document says its encoding is, if it does."""
    marked = _bom(data)
    if marked is not None:
        mark, encoding = marked
        return _settle(data[len(mark) :], encoding, Confidence.CERTAIN, bom=True)
    wide = _wide_without_bom(data)
    if wide is not None:
        return _settle(data, wide, Confidence.LIKELY)
    if data.translate(None, _CONTROL_BYTES) != data:
        return None
    if data.isascii() and not _is_escaped(declared):
        return _settle(data, "ascii", Confidence.CERTAIN)
    if declared is not None:
        named = _decode_declared(data, declared)
        if named is not None:
            return named
    return _decode_unmarked(data)


def _decode_declared(data: bytes, declared: str) -> Decoded | None:
    try:
        info = codecs.lookup(declared.strip())
        text = data.decode(info.name)
    except (LookupError, ValueError):
        return None
    if not isinstance(text, str) or "\x00" in text:
        return None
    return _read(text, info.name, Confidence.DECLARED, bom=False)


def _decode_unmarked(data: bytes) -> Decoded:
    """UTF-8 when valid or nearly so, else the Western code page, else Latin-1."""
    try:
        return _read(data.decode("utf-8"), "utf-8", Confidence.CERTAIN, bom=False)
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
    wrong = text.count("�")
    right = sum(1 for char in text if ord(char) > 127) - wrong
    if right > 3 * wrong:
        return _read(text, "utf-8", Confidence.DAMAGED, bom=False, unreadable=wrong)
    try:
        western = data.decode("cp1252")
    except UnicodeDecodeError:
        return _read(data.decode("latin-1"), "latin-1", Confidence.GUESS, bom=False)
    high = [char for char in western if ord(char) > 127]
    letters = sum(1 for char in western if char.isalpha())
    accented = sum(1 for char in high if char.isalpha())
    ordinary = sum(1 for char in high if char in _WESTERN)
    sure = ordinary >= 0.95 * len(high) and accented <= 0.3 * letters
    return _read(western, "cp1252", Confidence.LIKELY if sure else Confidence.GUESS, bom=False)


def _settle(data: bytes, encoding: str, confidence: Confidence, *, bom: bool = False) -> Decoded:
    """Decode strictly; what is not valid is replaced, counted and called damaged."""
    try:
        return _read(data.decode(encoding), encoding, confidence, bom=bom)
    except UnicodeDecodeError:
        text = data.decode(encoding, "replace")
        return _read(text, encoding, Confidence.DAMAGED, bom=bom, unreadable=max(text.count("�"), 1))


def _read(text: str, encoding: str, confidence: Confidence, *, bom: bool, unreadable: int = 0) -> Decoded:
    return Decoded(clean(text), encoding, confidence, bom, _newlines(text), unreadable)


def clean(text: str) -> str:
    """*text* with LF line ends and every other control character but the tab as its picture."""
    return _ENDINGS.sub("\n", text).translate(_PICTURES)


def _newlines(text: str) -> str:
    pairs = text.count("\r\n")
    kinds = {"CRLF": pairs, "LF": text.count("\n") - pairs, "CR": text.count("\r") - pairs}
    used = [name for name, count in kinds.items() if count]
    return "none" if not used else used[0] if len(used) == 1 else "mixed"


def _bom(data: bytes) -> tuple[bytes, str] | None:
    return next(((mark, name) for mark, name in _BOMS if data.startswith(mark)), None)


def _wide_without_bom(data: bytes) -> str | None:
    """UTF-16 shows in mostly Latin text as a NUL in every second byte, and never in the others."""
    sample = data[:4096]
    if len(sample) < 8 or (len(data) % 2 and len(data) < 4096):
        return None
    even, odd = sample[::2], sample[1::2]
    for name, zeros, others in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if zeros.count(0) >= 0.7 * len(zeros) and 0 not in others:
            return name
    return None


def _is_escaped(declared: str | None) -> bool:
    """Whether the declared encoding writes other letters with ASCII bytes (ISO-2022-JP, UTF-7, HZ)."""
    return declared is not None and declared.strip().lower().startswith(("iso-2022", "utf-7", "hz"))
