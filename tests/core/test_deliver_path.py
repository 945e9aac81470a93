"""The path template of ``deliver:``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.core.deliver_path import Place, fit, is_absolute, numbered, problems, render, split_name
from deskhand.errors import ConfigError

PLACE = Place(
    id="20261120-235959-letter-abc234",
    received=1_795_219_199.0,
    recipe="hand-over",
    inbox="main",
    params={"customer": "ACME & Co", "up": "..", "path": "a/b", "win": "a\\b", "empty": ""},
)


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("outbox/{name}", "outbox/letter.v2.PDF"),
        ("./outbox/./{name}", "outbox/letter.v2.PDF"),
        ("{stem}-{id}{ext}", "letter.v2-20261120-235959-letter-abc234.PDF"),
        ("archive/{year}/{month}/{day}/{name}", "archive/2026/11/20/letter.v2.PDF"),
        ("{recipe}/{inbox}/{date} {param.customer}{ext}", "hand-over/main/2026-11-20 ACME & Co.PDF"),
        ("/srv/out//{name}", "/srv/out/letter.v2.PDF"),
        ("C:/out/{name}", "C:/out/letter.v2.PDF"),
        ("a{{recipe}}/{0} {x y} {}{", "a{hand-over}/{0} {x y} {}{"),
        ("x{param.empty}/report.txt", "x/report.txt"),
        ("{param.up}{param.up}x", "....x"),
    ],
)
def test_templates(template: str, path: str) -> None:
    assert render(template, PLACE, "letter.v2.PDF") == path


@pytest.mark.parametrize(
    "template",
    [
        *("", " ", " a", "a/", "a/.", ".", "../x", "a/../../x", "a/..", "~/x", "a\\b", "a\x00", "a\nb"),
        *("a/{nope}", "{param.path}/x", "{param.win}", "{param.up}/x", "{param.empty}", "x/{param.missing}"),
        *("{name}{nope}", "{param.up}"),
    ],
)
def test_paths_that_are_refused(template: str) -> None:
    with pytest.raises(ConfigError):
        render(template, PLACE, "letter.pdf")


@pytest.mark.parametrize("name", ["..", ".", "a/b", "a\x00b", "", "\ud800"])
def test_result_names_cannot_leave_their_folder(name: str) -> None:
    with pytest.raises(ConfigError):
        render("outbox/{name}", PLACE, name)


def test_names_that_are_odd_but_plain_are_kept() -> None:
    for name in ("-rf", "..\\x", "a\nb", "ü", "\udcff\udcfe.txt", "x.", "...", ".hidden"):
        assert render("outbox/{name}", PLACE, name) == f"outbox/{name}"


def test_problems_are_all_found_and_name_undeclared_parameters() -> None:
    assert problems("outbox/{name}") == ()
    assert problems("{param.a}/{param.b}", frozenset({"a"})) == ("uses {param.b}, which is not a declared parameter",)
    assert len(problems("../{x}/{y}\\{")) == 4


def test_absolute_or_not() -> None:
    assert [is_absolute(path) for path in ("/x", "C:/x", "c:\\x", "x/y", "C:x")] == [True, True, True, False, False]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a.txt", ("a", ".txt")),
        ("a.tar.gz", ("a.tar", ".gz")),
        (".bashrc", (".bashrc", "")),
        ("..x", ("..x", "")),
        ("x.", ("x.", "")),
        ("Dr. Who said", ("Dr. Who said", "")),
        ("", ("", "")),
    ],
)
def test_where_the_extension_begins(name: str, parts: tuple[str, str]) -> None:
    assert split_name(name) == parts


@given(st.text(max_size=300), st.integers(2, 99_999))
def test_f29_numbered_names_fit_and_differ(text: str, number: int) -> None:
    name = text.encode("utf-8", "replace").decode()
    made = numbered(fit(*split_name(name)), number)
    assert len(made.encode()) <= 255
    assert f" ({number})" in made
    assert split_name(made)[1] == split_name(fit(*split_name(name)))[1] or not name


def test_f29_long_names_lose_the_end_of_their_stem() -> None:
    assert numbered("a.txt", 2) == "a (2).txt"
    long = "ü" * 200 + ".pdf"
    assert fit(*split_name(long)) == "ü" * 125 + ".pdf"
    assert numbered(fit(*split_name(long)), 12) == "ü" * 123 + " (12).pdf"
    assert len(render("{stem}-{id}{ext}", PLACE, "x" * 255).encode()) == 255


@given(
    st.text(max_size=60),
    st.text(max_size=20),
    st.sampled_from(["{name}", "a/{stem}-{param.p}{ext}", "/x/{param.p}/y"]),
)
def test_no_name_and_no_parameter_changes_the_folders(name: str, value: str, template: str) -> None:
    place = Place(id="i", received=0.0, recipe="r", inbox="m", params={"p": value})
    try:
        path = render(template, place, name)
    except ConfigError:
        return
    assert path.count("/") == template.count("/")
    assert not {"", ".", ".."} & set(path.removeprefix("/").split("/"))
