"""Encodings, byte order marks, line ends, and what is not text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.handlers.text_intake import Confidence, clean, decode, looks_like_text

GERMAN = "Grüße aus Köln, 12 € für Äpfel – schön\r\n"


@pytest.mark.parametrize(
    ("data", "encoding", "confidence", "bom", "newlines"),
    [
        (b"plain\n", "ascii", Confidence.CERTAIN, False, "LF"),
        (GERMAN.encode(), "utf-8", Confidence.CERTAIN, False, "CRLF"),
        (GERMAN.encode("utf-8-sig"), "utf-8", Confidence.CERTAIN, True, "CRLF"),
        (GERMAN.encode("utf-16"), "utf-16-le", Confidence.CERTAIN, True, "CRLF"),
        (b"\xfe\xff" + GERMAN.encode("utf-16-be"), "utf-16-be", Confidence.CERTAIN, True, "CRLF"),
        (GERMAN.encode("utf-32"), "utf-32-le", Confidence.CERTAIN, True, "CRLF"),
        (GERMAN.encode("utf-16-le")[:40], "utf-16-le", Confidence.LIKELY, False, "none"),
        (GERMAN.encode("utf-16-be")[:40], "utf-16-be", Confidence.LIKELY, False, "none"),
        (GERMAN.encode("cp1252"), "cp1252", Confidence.LIKELY, False, "CRLF"),
        ("Привет, мир".encode("cp1251"), "cp1252", Confidence.GUESS, False, "none"),
        (b"a\x81b\xfc", "latin-1", Confidence.GUESS, False, "none"),
        (b"", "ascii", Confidence.CERTAIN, False, "none"),
        (b"a\r\nb\nc", "ascii", Confidence.CERTAIN, False, "mixed"),
        (b"a\rb", "ascii", Confidence.CERTAIN, False, "CR"),
    ],
)
def test_how_a_text_was_written(data: bytes, encoding: str, confidence: Confidence, bom: bool, newlines: str) -> None:
    found = decode(data)
    assert found is not None
    assert (found.encoding, found.confidence, found.bom, found.newlines) == (encoding, confidence, bom, newlines)
    assert "\r" not in found.text and not found.text.startswith("\ufeff")
    assert looks_like_text(data)


def test_the_letters_are_right() -> None:
    for codec in ("utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"):
        found = decode(GERMAN.encode(codec))
        assert found is not None and found.text == GERMAN.replace("\r\n", "\n")


def test_a_few_wrong_bytes_in_utf8_are_counted_and_not_hidden() -> None:
    found = decode("äöüßéñçàèì".encode() + b"\xff ok")
    assert found is not None
    assert (found.encoding, found.confidence, found.unreadable) == ("utf-8", Confidence.DAMAGED, 1)
    assert found.text == "äöüßéñçàèì� ok"
    cut = decode("é".encode("utf-16") + b"\x00")
    assert cut is not None and cut.confidence is Confidence.DAMAGED


def test_what_the_document_declares_is_believed_when_it_fits() -> None:
    cyrillic = "Привет".encode("koi8-r")
    found = decode(cyrillic, declared="KOI8-R")
    assert found is not None and (found.text, found.confidence) == ("Привет", Confidence.DECLARED)
    japanese = decode("日本".encode("iso-2022-jp"), declared="iso-2022-jp")
    assert japanese is not None and japanese.text == "日本"
    for nonsense in ("no-such-charset", "base64", "utf-8", "", "\x00", "idna"):
        other = decode(cyrillic, declared=nonsense)
        assert other is not None and other.confidence is Confidence.GUESS


@pytest.mark.parametrize("data", [b"\x00\x01\x02", b"\x7fELF\x02\x01", b"GIF89a\x00\x00", b"a\x00b", b"\x05"])
def test_what_is_not_text_is_none(data: bytes) -> None:
    assert decode(data) is None
    assert not looks_like_text(data)


def test_control_characters_are_shown_as_pictures() -> None:
    assert clean("a\x1b[31m\x07\tb\x7f") == "a␛[31m␇\tb␡"


@given(st.binary(max_size=400), st.sampled_from([None, "utf-8", "latin-1", "x-none", "utf-16"]))
def test_any_bytes_give_clean_text_or_nothing(data: bytes, declared: str | None) -> None:
    found = decode(data, declared=declared)
    if found is not None:
        assert not [char for char in found.text if ord(char) < 32 and char not in "\n\t"]
        found.text.encode()


@given(st.text(alphabet=st.characters(codec="utf-8", min_codepoint=0xA0), min_size=1))
def test_utf8_comes_back_unchanged(text: str) -> None:
    found = decode(b"\xef\xbb\xbf" + text.encode())
    assert found is not None and found.text == text
