"""Names: ids, slugs, the parts of a task, and gestures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.core import names
from deskhand.core.names import Part

SUFFIX = st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=6, max_size=6)
MOMENT = st.floats(0, 4_000_000_000, allow_nan=False)


@given(st.text(), MOMENT, SUFFIX)
def test_every_name_gives_a_safe_id(name: str, now: float, suffix: str) -> None:
    identifier = names.task_id(name, now, suffix)
    assert names.is_id(identifier)
    assert identifier.isascii()
    assert identifier == identifier.lower()
    assert len(identifier) <= 15 + 1 + 40 + 1 + 6
    assert names.is_key(names.key_of(identifier))


@given(st.text(), SUFFIX)
def test_ids_sort_by_time(name: str, suffix: str) -> None:
    earlier, later = names.task_id("z" + name, 1_000_000_000, suffix), names.task_id(name, 1_000_000_001, suffix)
    assert earlier < later


@given(st.text(), MOMENT, SUFFIX, st.sampled_from(["task.json", "in", "in.pdf", "log", "out", "json", "json.approved"]))
def test_the_parts_of_a_task_are_recognised(name: str, now: float, suffix: str, rest: str) -> None:
    identifier = names.task_id(name, now, suffix)
    member = names.member(f"{identifier}.{rest}")
    assert member is not None
    assert member.id == identifier
    assert member.part is not Part.UNKNOWN


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("health_check.txt", "health_check"),
        ("Rechnung März 2026.PDF", "rechnung-marz-2026"),
        ("CON", "con"),
        ("..", "file"),
        ("\u202egnp.exe", "gnp"),
        ("日本語.txt", "file"),
        ("a" * 300, "a" * 40),
    ],
)
def test_slugs_are_what_a_person_would_search_for(name: str, slug: str) -> None:
    assert names.slug(name) == slug


@pytest.mark.parametrize(
    ("name", "extension"),
    [("a.PDF", ".pdf"), ("a", ""), (".bashrc", ""), ("a.tar.gz", ".gz"), ("a.verylongextension", ""), ("a.ü", "")],
)
def test_extensions_are_plain(name: str, extension: str) -> None:
    assert names.extension(name) == extension


ID = "20261120-195331-letter-abcdef"


@pytest.mark.parametrize(
    ("name", "part"),
    [
        (f"{ID}.json.approved", Part.APPROVED),
        (f"{ID}.approved.json", Part.APPROVED),
        (f"{ID}.json.rejected", Part.REJECTED),
        (f"{ID}.rejected.json", Part.REJECTED),
        (f"{ID}.json.happened", Part.HAPPENED),
        (f"{ID}.json", Part.REQUEST),
        (f"{ID}.request.json", Part.DECIDED),
        (f"{ID}.json.APPROVED", Part.UNKNOWN),
        (f"{ID}.json.approved.txt", Part.UNKNOWN),
        (f"{ID}.task.json.approved", Part.UNKNOWN),
        (f"{ID}.json (conflicted copy).approved", Part.UNKNOWN),
    ],
)
def test_gestures_are_exact(name: str, part: Part) -> None:
    member = names.member(name)
    assert member is not None
    assert member.part is part


@pytest.mark.parametrize("name", [f"{ID}.json.approved.txt", f"{ID}.json.APPROVED", f"{ID}.task.json.approved"])
def test_f41_a_misspelled_gesture_gets_a_hint(name: str) -> None:
    hint = names.gesture_hint(name)
    assert hint is not None
    assert f"{ID}.json.approved" in hint


@pytest.mark.parametrize(
    "name",
    [
        "a.part",
        "a.crdownload",
        "x.tmp",
        "notes.txt~",
        "~$letter.docx",
        ".DS_Store",
        "Thumbs.db",
        "desktop.ini",
        ".nfs001",
    ],
)
def test_f20_temporary_names_are_never_drops(name: str) -> None:
    assert names.ignored(name)
    assert names.ignored(name.upper())


@given(st.text(min_size=1))
def test_shown_names_have_no_control_characters(name: str) -> None:
    shown = names.visible(name)
    assert shown.isprintable() or shown == ""
    shown.encode()
