"""E-mail as a note."""

from __future__ import annotations

import hashlib
import time
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.handlers.note_mail import convert, is_message

DATA = Path(__file__).parent.parent / "data"


def test_a_real_message() -> None:
    page = convert((DATA / "mail.eml").read_bytes())
    assert page.properties == {
        "subject": "Rechnung für März – bitte prüfen",
        "from": "Jürgen Müller <juergen@example.org>",
        "to": "Hand <desk@example.org>",
        "message_id": "<117@example.org>",
        "date": "2026-11-20T09:30:00+01:00",
        "attachments": 1,
    }
    assert "```text\nGuten Tag,\n\nanbei die Rechnung über 12,50 €.\n\nGrüße\nJürgen\n```\n" in page.body
    attached = b"Posten;Preis\r\nPapier;12,50\r\n"
    row = f"| März.csv | text/csv | {len(attached)} bytes | `{hashlib.sha256(attached).hexdigest()}` |"
    assert row in page.body
    assert page.remarks == ()


def test_html_only_and_a_forwarded_message() -> None:
    inner = EmailMessage()
    inner["Subject"] = "inner"
    inner.set_content("hidden in the attachment")
    outer = EmailMessage()
    outer["From"] = "a@example.org"
    outer.set_content("<h1>Hi</h1><script>x</script><p>there</p>", subtype="html")
    outer.add_attachment(inner)
    page = convert(outer.as_bytes())
    assert page.body.startswith("# Hi\n\nthere\n## Attachments") or page.body.startswith(
        "# Hi\n\nthere\n\n## Attachments"
    )
    assert "message/rfc822 | unknown" in page.body
    assert "hidden" not in page.body


@pytest.mark.parametrize(
    ("raw", "body", "doubtful"),
    [
        (b"Content-Type: text/plain; charset=no-such\r\n\r\nGr\xfc\xdfe aus Bonn", "Grüße aus Bonn", False),
        (b"Content-Type: text/plain; charset=utf-8\r\n\r\n\xcf\xf0\xe8\xe2\xe5\xf2", "Ïðèâåò", True),
        (b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nSGFs!!!!bG8=", "Hallo", False),
        (b"Content-Type: text/plain\r\nContent-Transfer-Encoding: x-odd\r\n\r\nHello", "Hello", False),
        (b"Content-Type: nonsense\r\n\r\nHello", "Hello", False),
    ],
)
def test_wrong_charsets_and_encodings_cost_only_that_part(raw: bytes, body: str, doubtful: bool) -> None:
    page = convert(b"Subject: x\r\n" + raw)
    assert body in page.body
    assert bool(page.remarks) is doubtful


@pytest.mark.parametrize(
    ("header", "subject"),
    [
        (b"=?utf-8?q?caf=C3=A9?= =?utf-8?b?IMOp?=", "café é"),
        (b"=?no-such?q?caf=E9?=", "café"),
        (b"=?utf-8?b?!?=", "=?utf-8?b?!?="),
        (b"Gr\xc3\xbc\xc3\x9fe", "Grüße"),
        (b"two\r\n lines", "two lines"),
        (b"=?utf-8?q?a=0Ab=1B?=", "a b␛"),
        (b"=?utf-8?b?4oCu?=x", "\\u202ex"),
    ],
)
def test_header_words(header: bytes, subject: str) -> None:
    assert convert(b"Subject: " + header + b"\r\n\r\nx").properties["subject"] == subject


def test_a_date_that_is_none_stays_as_written() -> None:
    assert convert(b"Date: soon\r\n\r\nx").properties["date"] == "soon"
    assert convert(b"Date: Mon, 99 Foo 99999 99:99:99 +9999\r\n\r\nx").properties["date"].startswith("Mon")  # type: ignore[union-attr]


def test_no_text_is_said() -> None:
    page = convert(b"From: a@b\r\nContent-Type: application/pdf\r\n\r\n%PDF")
    assert page.remarks == ("This e-mail has no text of its own.",)
    assert "application/pdf" in page.body


@pytest.mark.parametrize(
    ("head", "is_mail"),
    [
        (b"From: a@b\r\nTo: c@d\r\nMessage-ID: <1>\r\n\r\nhi", True),
        (b"From x@y Thu\nReceived: by x\n\tid 1\nFrom: a\nSubject: s\n\nhi", True),
        (b"From: me\nSubject: a plan\n\nno real mail", False),
        (b"key: value\n\ntext", False),
        (b"Received: x\nnot a header\n\n", False),
        (b"", False),
    ],
)
def test_what_begins_like_an_email(head: bytes, is_mail: bool) -> None:
    assert is_message(head) is is_mail


@pytest.mark.parametrize(
    "raw",
    [
        b"To: " + b"(" * 50_000 + b"\r\n\r\nx",
        b"To: " + b"a@b," * 50_000 + b"\r\n\r\nx",
        b"Subject: " + b"=?utf-8?q?a?= " * 20_000 + b"\r\n\r\nx",
        b"Content-Type: text/plain" + b'; a="' * 3_000 + b"\r\n\r\nx",
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"--a\r\n\r\nx\r\n" * 5_000,
        b"Content-Type: multipart/mixed\r\n\r\n--a\r\n",
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(1200)),
        b"X: y\r\n" * 20_000 + b"\r\nx",
    ],
)
def test_hostile_messages_end_soon(raw: bytes) -> None:
    start = time.process_time()
    convert(raw)
    is_message(raw)
    assert time.process_time() - start < 2


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"Content-Type: multipart/mixed; boundary=x\n\n--x\n", b"Subject: "])
)
def test_any_bytes_give_a_page(data: bytes, before: bytes) -> None:
    page = convert(before + data)
    assert page.conversion == "complete" and "attachments" in page.properties
