"""Write the sample documents in this folder again: ``python tests/data/make_samples.py``.

The samples are real files of their formats, made by hand so that every byte is known and nothing personal is inside.
Two runs give the same bytes.
"""

from __future__ import annotations

import zipfile
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

HERE = Path(__file__).parent
PDF_LINES = ("Invoice 2026-117", "Paper, 500 sheets: 12.50 EUR", "Total due: 12.50 EUR")
PEOPLE = "Name;Ort;Betrag\r\nMüller;Köln;12,50 €\r\n„Ärger“ & Söhne;Zürich;7,00 €\r\nGroß;Düsseldorf;3,20 €\r\n"
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


def pdf(lines: tuple[str, ...]) -> bytes:
    """A one-page PDF 1.4 with a line of Helvetica per entry (ISO 32000-1, section 7.5)."""
    shown = "\n".join(f"({line}) Tj T*" for line in lines)
    stream = f"BT /F1 14 Tf 72 760 Td 20 TL\n{shown}\nET".encode("ascii")
    fonts = b"<< /Font << /F1 5 0 R >> >>"
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources %s >>" % fonts,
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(bodies, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(bodies) + 1, start)
    return bytes(out)


def package(target: Path, parts: dict[str, str]) -> None:
    """An Office Open XML package (a zip with fixed times)."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), XML + text)


def relation(number: int, kind: str, target: str) -> str:
    """One ``Relationship`` element."""
    return f'<Relationship Id="rId{number}" Type="{OFFICE}/{kind}" Target="{target}"/>'


def relations(*entries: str) -> str:
    """A relationships part."""
    return f'<Relationships xmlns="{PACKAGE}/relationships">{"".join(entries)}</Relationships>'


def types(overrides: dict[str, str]) -> str:
    """The ``[Content_Types].xml`` part."""
    listed = "".join(f'<Override PartName="{part}" ContentType="{kind}"/>' for part, kind in overrides.items())
    return (
        f'<Types xmlns="{PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{listed}</Types>'
    )


def docx(target: Path) -> None:
    """A letter with a heading, a paragraph and a table of two rows."""
    main = "application/vnd.openxmlformats-officedocument.wordprocessingml"

    def paragraph(text: str, style: str = "") -> str:
        look = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
        return f"<w:p>{look}<w:r><w:t>{text}</w:t></w:r></w:p>"

    def row(*cells: str) -> str:
        return "<w:tr>" + "".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in cells) + "</w:tr>"

    body = (
        paragraph("Letter to the landlord", "Heading1")
        + paragraph("The heating in flat 3 does not work since Monday. Grüße, A. Tenant")
        + f"<w:tbl>{row('Room', 'Degrees')}{row('Kitchen', '14')}</w:tbl>"
    )
    package(
        target,
        {
            "[Content_Types].xml": types(
                {"/word/document.xml": f"{main}.document.main+xml", "/word/styles.xml": f"{main}.styles+xml"}
            ),
            "_rels/.rels": relations(relation(1, "officeDocument", "word/document.xml")),
            "word/_rels/document.xml.rels": relations(relation(1, "styles", "styles.xml")),
            "word/styles.xml": f'<w:styles xmlns:w="{WORD}"><w:style w:type="paragraph" w:styleId="Heading1">'
            '<w:name w:val="heading 1"/></w:style></w:styles>',
            "word/document.xml": f'<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>',
        },
    )


def xlsx(target: Path) -> None:
    """A workbook with one sheet of three rows."""
    main = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    rows = (("Item", "Price"), ("Pens", "3.20"), ("Paper", "12.50"))
    cells = "".join(
        f'<row r="{r}">'
        + "".join(f'<c r="{"AB"[c]}{r}" t="inlineStr"><is><t>{text}</t></is></c>' for c, text in enumerate(row))
        + "</row>"
        for r, row in enumerate(rows, 1)
    )
    package(
        target,
        {
            "[Content_Types].xml": types(
                {"/xl/workbook.xml": f"{main}.sheet.main+xml", "/xl/worksheets/sheet1.xml": f"{main}.worksheet+xml"}
            ),
            "_rels/.rels": relations(relation(1, "officeDocument", "xl/workbook.xml")),
            "xl/_rels/workbook.xml.rels": relations(relation(1, "worksheet", "worksheets/sheet1.xml")),
            "xl/workbook.xml": f'<workbook xmlns="{SHEET}" xmlns:r="{OFFICE}"><sheets>'
            '<sheet name="Shopping" sheetId="1" r:id="rId1"/></sheets></workbook>',
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{SHEET}"><sheetData>{cells}</sheetData></worksheet>',
        },
    )


def eml() -> bytes:
    """A message with encoded headers, a plain and an HTML body, and an attached table."""
    message = EmailMessage(policy=SMTP)
    message["From"] = Address("Jürgen Müller", "juergen", "example.org")
    message["To"] = Address("Hand", "desk", "example.org")
    message["Subject"] = "Rechnung für März – bitte prüfen"
    message["Date"] = "Fri, 20 Nov 2026 09:30:00 +0100"
    message["Message-ID"] = "<117@example.org>"
    message.set_content("Guten Tag,\n\nanbei die Rechnung über 12,50 €.\n\nGrüße\nJürgen\n")
    message.add_alternative("<p>Guten Tag, anbei die <b>Rechnung</b>.</p>", subtype="html")
    message.add_attachment("Posten;Preis\nPapier;12,50\n", subtype="csv", filename="März.csv")
    message.set_boundary("=-outer-1")
    for number, part in enumerate(message.iter_parts()):
        if part.is_multipart():
            part.set_boundary(f"=-inner-{number}")
    return message.as_bytes()


def main() -> None:
    """Write them all."""
    (HERE / "invoice.pdf").write_bytes(pdf(PDF_LINES))
    (HERE / "broken.pdf").write_bytes(pdf(PDF_LINES)[:120] + b"\x00garbage\xff" * 20)
    docx(HERE / "letter.docx")
    xlsx(HERE / "shopping.xlsx")
    (HERE / "people-cp1252.csv").write_bytes(PEOPLE.encode("cp1252"))
    (HERE / "people-utf16.csv").write_bytes(PEOPLE.encode("utf-16"))
    (HERE / "mail.eml").write_bytes(eml())
    (HERE / "page.html").write_text(
        "<!doctype html><html lang=en><head><meta charset=utf-8><title>Opening hours</title>"
        "<style>p{color:red}</style><script>alert('x')</script></head><body>\n<h1>Opening hours</h1>\n"
        "<p>The <em>library</em> is <strong>open</strong>; see <a href='https://example.org/map'>the map</a>.</p>\n"
        "<ul><li>Monday</li><li>Tuesday<ul><li>morning</li></ul></li></ul>\n"
        "<table><tr><th>Day</th><th>Hours</th></tr><tr><td>Monday</td><td>9|5</td></tr></table>\n"
        "<pre>as  is\n```\n</pre></body></html>\n",
        encoding="utf-8",
    )
    (HERE / "order.json").write_text('{"order":117,"items":[{"name":"Müsli","count":2}],"paid":false}', "utf-8")


if __name__ == "__main__":
    main()
