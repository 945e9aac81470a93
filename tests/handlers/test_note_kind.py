"""What a drop really is."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.handlers.note_kind import HEAD, Kind, detect

DATA = Path(__file__).parent.parent / "data"


def zipped(**members: str) -> bytes:
    """A zip of stored members; `__` in a name stands for `/`."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__", "/"), text)
    return out.getvalue()


@pytest.mark.parametrize(
    ("file", "kind", "mime"),
    [
        ("invoice.pdf", Kind.DOCUMENT, "application/pdf"),
        ("broken.pdf", Kind.DOCUMENT, "application/pdf"),
        ("letter.docx", Kind.DOCUMENT, "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("shopping.xlsx", Kind.DOCUMENT, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        ("people-cp1252.csv", Kind.TABLE, "text/csv"),
        ("people-utf16.csv", Kind.TABLE, "text/csv"),
        ("mail.eml", Kind.MAIL, "message/rfc822"),
        ("page.html", Kind.HTML, "text/html"),
        ("order.json", Kind.JSON, "application/json"),
    ],
)
def test_real_files(file: str, kind: Kind, mime: str) -> None:
    found = detect((DATA / file).read_bytes()[:HEAD], file)
    assert (found.kind, found.mime, found.remark) == (kind, mime, None)


@pytest.mark.parametrize(
    ("head", "name", "kind", "remark"),
    [
        (b"", "x.pdf", Kind.EMPTY, None),
        (b"hello", "x.TXT", Kind.TEXT, None),
        (b"# hi", "x.md", Kind.MARKDOWN, None),
        (b"hello", "noname", Kind.TEXT, None),
        (b"%PDF-1.7 ...", "x.txt", Kind.DOCUMENT, "The name ends in .txt, but the content is a PDF document."),
        (b"\n\n%PDF-1.7 ...", "x", Kind.DOCUMENT, None),
        (b"words", "x.pdf", Kind.TEXT, "The name ends in .pdf, but the content is plain text."),
        (b"\x00\x01\x02\x03", "x.csv", Kind.OTHER, "The name ends in .csv, but the content is not text."),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 30, "x.png", Kind.OTHER, None),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 30, "x.jpg", Kind.OTHER, "The name ends in .jpg"),
        (b"MZ" + b"\0" * 100, "photo.jpg", Kind.OTHER, None),
        (b"{\\rtf1 x}", "x.rtf", Kind.DOCUMENT, None),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "x.doc", Kind.DOCUMENT, None),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "x.dat", Kind.OTHER, None),
        (b"<!DOCTYPE html><p>x", "x", Kind.HTML, None),
        (b"<!DOCTYPE html><p>x", "x.log", Kind.TEXT, None),
        (b' {"a": 1}\n', "x", Kind.JSON, None),
        (b"Subject only", "x.eml", Kind.MAIL, None),
        (b"From: a@b\nTo: c@d\nMIME-Version: 1.0\n\nx", "x", Kind.MAIL, None),
        (zipped(a="x"), "x.zip", Kind.OTHER, None),
        (zipped(mimetype="application/vnd.oasis.opendocument.text", b="x"), "x.odt", Kind.DOCUMENT, None),
        (zipped(mimetype="application/epub+zip", b="x"), "x", Kind.DOCUMENT, None),
        (zipped(mimetype="application/x-other", b="x"), "x.odt", Kind.OTHER, None),
        (
            zipped(**{"[Content_Types].xml": "x", "ppt__presentation.xml": "x"}),
            "x.docx",
            Kind.DOCUMENT,
            "The name ends in .docx, but the content is a PowerPoint presentation.",
        ),
        (b"\xd9\x13\x88\xff\x01\x02", "x.weird", Kind.OTHER, None),
    ],
)
def test_content_decides_and_disagreement_is_said(head: bytes, name: str, kind: Kind, remark: str | None) -> None:
    found = detect(head, name)
    assert found.kind is kind
    if remark is not None:
        assert found.remark is not None and found.remark.startswith(remark)
    elif kind is not Kind.OTHER:
        assert found.remark is None


@pytest.mark.parametrize("head", [b"\xd9\x13\x88\xff\x01\x02", b"\x99\x01\x00\x81" * 9, b"BM\x81\x00\x01" * 9])
def test_unknown_is_called_unknown_and_two_matching_bytes_prove_nothing(head: bytes) -> None:
    found = detect(head, "x.weird")
    assert (found.mime, found.label, found.remark) == ("application/octet-stream", "", None)


def test_weak_evidence_counts_when_the_name_agrees() -> None:
    assert detect(b"BM\x81\x00\x01" * 9, "x.bmp").mime == "image/x-ms-bmp"


@given(st.binary(max_size=200), st.sampled_from(["x", "x.txt", "x.pdf", "x.docx", "x.eml", "x.zip", ".", "x.json"]))
def test_any_head_is_decided(head: bytes, name: str) -> None:
    found = detect(head, name)
    assert (found.kind is Kind.EMPTY) is (head == b"")
    assert "/" in found.mime
