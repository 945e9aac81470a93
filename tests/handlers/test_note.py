"""Notes from end to end, the document reader as a real child process."""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deskhand.core import strict_yaml
from deskhand.core.task import InputFile, manifest_sha256
from deskhand.errors import RunError
from deskhand.handlers import note
from deskhand.handlers.note import NoteRequest, NoteResult, child_problem, finish, plan
from deskhand.handlers.note_kind import Kind

DATA = Path(__file__).parent.parent / "data"
Make = Callable[..., NoteRequest]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """``make(name, data)`` or ``make(name, path=...)``: a request with its own output folder."""

    def request(name: str, data: bytes = b"", *, path: Path | None = None, warning: str | None = None) -> NoteRequest:
        root = tmp_path / "attempt"
        (root / "out").mkdir(parents=True)
        if path is None:
            path = root / "input"
            path.write_bytes(data)
        content = b"" if path.is_dir() else path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        task = "20261120-195331-x-abcdef"
        return NoteRequest(path, name, task, 1_795_204_411.0, digest, len(content), root / "out", warning)

    return request


def run(request: NoteRequest) -> tuple[NoteResult, dict[str, object], str]:
    """What the engine does: plan, the child under its limits, finish.  Result, properties, body."""
    planned = plan(request)
    problem = None
    if planned.child_argv is not None:

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_AS, (note.EXTRACT_LIMITS.memory or 0,) * 2)

        environment = {"PATH": os.environ["PATH"], **note.EXTRACT_ENVIRONMENT}
        done = subprocess.run(
            planned.child_argv, stderr=subprocess.PIPE, text=True, env=environment, cwd=request.output_dir,
            preexec_fn=limit, check=False, timeout=60,
        )  # fmt: skip
        problem = child_problem(
            max(done.returncode, 0), -done.returncode if done.returncode < 0 else None, None, done.stderr
        )
    result = finish(request, planned, problem)
    assert os.listdir(request.output_dir) == [result.path.name]
    text = result.path.read_bytes().decode()
    front, _, body = text.removeprefix("---\n").partition("---\n\n")
    document = strict_yaml.read(front.encode())
    assert document.root is not None and document.violations == ()
    return result, strict_yaml.plain(document.root), body


def test_plain_text(make: Make) -> None:
    data = "Grüße\r\n# not a heading\r\n".encode()
    result, properties, body = run(make("notes.txt", data))
    assert properties == {
        "source": "notes.txt",
        "task": "20261120-195331-x-abcdef",
        "received": "2026-11-20T19:53:31Z",
        "type": "text/plain",
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "conversion": "complete",
        "encoding": "utf-8",
        "encoding_confidence": "certain",
        "bom": False,
        "newlines": "CRLF",
    }
    assert body == "```text\nGrüße\n# not a heading\n```\n"
    assert result.path.name == "notes.md" and result.kind is Kind.TEXT
    assert result.summary == "note made: notes.md (text/plain)"


def test_markdown_keeps_its_words_and_its_properties(make: Make) -> None:
    _, properties, body = run(make("Idea.md", "\ufeff---\nsource: me\n---\n# Idea\n\n[[Other]]\n".encode()))
    assert properties["source"] == "me" and properties["deskhand_source"] == "Idea.md"
    assert properties["bom"] is True
    assert body == "# Idea\n\n[[Other]]\n"


@pytest.mark.parametrize("file", ["people-cp1252.csv", "people-utf16.csv"])
def test_tables_of_any_encoding_are_the_same(make: Make, file: str) -> None:
    _, properties, body = run(make(file, path=DATA / file))
    assert body.splitlines()[2] == "| Müller | Köln | 12,50 € |"
    assert (properties["rows"], properties["delimiter"]) == (3, "semicolon")


def test_a_guessed_encoding_and_the_engines_warning_stand_above_the_text(make: Make) -> None:
    data = "Привет, мир".encode("cp1251")
    _, properties, body = run(make("x.txt", data, warning="The same bytes were completed before (task 42)."))
    assert properties["encoding_confidence"] == "guess"
    first, second = (line for line in body.splitlines() if line.startswith("> [!warning]"))
    assert "The same bytes were completed before (task 42)." in first
    assert "is a guess (cp1252)" in second


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("invoice.pdf", ["```text\nInvoice 2026-117\nPaper, 500 sheets: 12.50 EUR\nTotal due: 12.50 EUR\n```"]),
        ("letter.docx", ["## Letter to the landlord", "Grüße, A. Tenant", "| Kitchen | 14 |"]),
        ("shopping.xlsx", ["| Item | Price |", "| Paper | 12.50 |"]),
    ],
)
def test_documents_are_read_by_a_limited_child(make: Make, file: str, words: list[str]) -> None:
    pytest.importorskip("kreuzberg")
    result, properties, body = run(make(file, path=DATA / file))
    assert (properties["conversion"], result.kind) == ("complete", Kind.DOCUMENT)
    for expected in words:
        assert expected in body


def test_a_corrupt_pdf_gives_a_card_that_says_why(make: Make) -> None:
    pytest.importorskip("kreuzberg")
    result, properties, body = run(make("broken.pdf", path=DATA / "broken.pdf"))
    assert properties["conversion"] == "unreadable"
    assert "The document could not be read: " in body and "Invalid PDF" in body
    assert f"`{properties['sha256']}`" in body
    assert "garbage" not in body
    assert result.summary == "note made, a card without text: broken.md (application/pdf)"


def test_a_pdf_without_text_says_so(make: Make) -> None:
    pytest.importorskip("kreuzberg")
    empty = (DATA / "invoice.pdf").read_bytes().replace(b" Tj", b" %j")
    _, properties, body = run(make("scan.pdf", empty))
    assert properties["conversion"] == "none"
    assert "There is no text inside; it may be a scan" in body


def test_without_the_docs_extra_the_card_says_how_to_get_it(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    request = make("invoice.pdf", path=DATA / "invoice.pdf")
    assert plan(request).child_argv is None
    _, properties, body = run(request)
    assert "pip install 'deskhand\\[docs\\]'" in body
    assert properties["conversion"] == "unreadable"


@pytest.mark.parametrize(
    ("exit", "signal", "cut", "log", "sentence"),
    [
        (0, None, None, "noise", None),
        (1, None, None, "a\n\n broken\x1b. \n", "The document could not be read: broken\\x1b."),
        (3, None, None, "", "The document could not be read: exit status 3."),
        (None, 9, None, "", "Reading the document needed more than it may (ended by signal 9)."),
        (None, 15, "timeout", "", "Reading the document was cut off (timeout)."),
    ],
)
def test_what_became_of_the_child(
    exit: int | None, signal: int | None, cut: str | None, log: str, sentence: str | None
) -> None:
    assert child_problem(exit, signal, cut, log) == sentence


def test_the_child_gives_one_line_and_never_writes_over_a_file(tmp_path: Path) -> None:
    program = Path(note.__file__).with_name("extract_main.py")

    def call(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-I", program, *arguments], capture_output=True, text=True, check=False, timeout=60
        )
        return done.returncode, done.stderr

    assert call("only one")[0] == 2
    taken = tmp_path / "taken"
    taken.write_text("mine")
    pytest.importorskip("kreuzberg")
    code, said = call(str(DATA / "invoice.pdf"), str(taken), "application/pdf")
    assert (code, said.count("\n"), taken.read_text()) == (1, 1, "mine")
    code, said = call(str(tmp_path / "missing"), str(tmp_path / "out"), "application/pdf")
    assert (code, said.count("\n")) == (1, 1)


def test_anything_else_is_a_card(make: Make) -> None:
    data = b"\x89PNG\r\n\x1a\n" + b"\0" * 2000
    _, properties, body = run(make("photo|`x`.jpg", data))
    assert properties["type"] == "image/png" and properties["conversion"] == "none"
    assert "The name ends in .jpg, but the content is a Portable Network Graphics file." in body
    assert "| Size | 2.0 KiB (2,008 bytes) |" in body
    assert "| Name | ``photo\\|`x`.jpg`` |" in body


def test_an_empty_file_and_a_text_that_turns_out_not_to_be_one(make: Make, tmp_path: Path) -> None:
    _, properties, body = run(make("empty.txt", b""))
    assert "The file is empty." in body and properties["type"] == "application/x-empty"
    late = tmp_path / "late"
    late.write_bytes(b"a" * 70_000 + b"\0\1")
    (tmp_path / "other").mkdir()
    request = NoteRequest(late, "late.txt", "t", 0.0, "0" * 64, 70_002, tmp_path / "other")
    _, properties, body = run(request)
    assert properties["conversion"] == "unreadable" and "the content is not" in body


def test_a_folder_is_a_list_of_its_files_and_links_stay_closed(make: Make, tmp_path: Path) -> None:
    root = tmp_path / "trip"
    (root / "sub").mkdir(parents=True)
    (root / "a|b.txt").write_bytes(b"x")
    (root / "sub" / "c").write_bytes(b"")
    (root / "link").symlink_to("/etc/passwd")
    (root / "loop").symlink_to(root)
    os.mkfifo(root / "pipe")
    digest = manifest_sha256((InputFile("", hashlib.sha256(b"x").hexdigest(), 1),))
    result, properties, body = run(make("trip.2026", path=root))
    assert (result.path.name, properties["files"], properties["type"]) == ("trip.2026.md", 5, "inode/directory")
    assert body.startswith("5 files, 1 byte.\n")
    assert f"| a\\|b.txt | 1 byte | `{digest}` |" in body
    for other in ("link", "loop", "pipe"):
        assert f"| {other} | not a file |  |" in body


def test_long_texts_are_shortened_and_say_so(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(note, "TEXT_MAX", 10_000)
    _, properties, body = run(make("x.txt", "zeile ü\n".encode() * 5_000))
    assert properties["conversion"] == "shortened" and properties["encoding_confidence"] == "certain"
    assert body.count("zeile ü") == 200


@pytest.mark.parametrize("text", ["ü" * 6_000, "日" * 6_000, "x" * 20_000])
def test_a_limit_does_not_cut_a_character_in_two(make: Make, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(note, "TEXT_MAX", 10_001)
    _, properties, body = run(make("x.json", text.encode()))
    assert properties["encoding_confidence"] == "certain"
    assert "�" not in body


def test_large_tables_and_mails(make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(note, "TEXT_MAX", 10_000)
    monkeypatch.setattr(note, "MAIL_MAX", 100)
    _, properties, body = run(make("x.csv", b"a,b\n" * 5_000))
    assert properties["conversion"] == "shortened" and "Only the beginning of the file was read" in body
    (tmp_path / "other").mkdir()
    mail = NoteRequest(DATA / "mail.eml", "m.eml", "t", 0.0, "0" * 64, 940, tmp_path / "other")
    _, properties, body = run(mail)
    assert "larger than 32 MiB" in body and properties["type"] == "message/rfc822"


def test_a_drop_that_cannot_be_read_or_a_note_that_is_there_is_an_error(make: Make, tmp_path: Path) -> None:
    request = make("x.txt", b"x")
    with pytest.raises(RunError, match="reading a drop"):
        plan(NoteRequest(tmp_path / "gone", "x", "t", 0.0, "", 0, tmp_path))
    (request.output_dir / "x.md").write_text("mine")
    with pytest.raises(RunError, match="writing a note"):
        finish(request, plan(request))
    assert (request.output_dir / "x.md").read_text() == "mine"
