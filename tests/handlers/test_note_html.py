"""HTML as Markdown."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.handlers.note_html import convert, declared_encoding
from deskhand.handlers.note_html_tokens import Tag, Text, tokens


@pytest.mark.parametrize(
    ("html", "markdown"),
    [
        ("<p>One<p>Two", "One\n\nTwo"),
        ("<h2>A</h2>b", "## A\n\nb"),
        ("a<br>b<br/><br>", "a\\\nb"),
        ("<b>x </b>y <i> z</i>", "**x** y  *z*"),
        ("<b></b><i> </i>", ""),
        ("<a href='https://e.org/?a=1&amp;b=2'>x</a>", "[x](<https://e.org/?a=1&b=2>)"),
        ("<a href='javascript:alert(1)'>x</a>", "x"),
        ("<a href='https://e.org/>)![[x'>x</a>", "x"),
        ("<a href=https://e.org>never closed", "[never closed](<https://e.org>)"),
        ("<a href=https://e.org><br></a>x<b>y<br></b>", "x" + "y"),
        ("<ul><li>a<li>b<ol><li>c</li><li>d</li></ol></ul>after", "- a\n- b\n    1. c\n    2. d\n\nafter"),
        ("<blockquote><p>q<p>r</blockquote>s", "> q\n\n> r\n\ns"),
        ("<pre>a <b>b</b>\n ```\n</pre>", "````text\na b\n ```\n````"),
        ("<p>1 &lt; 2 &amp;&amp; [[x]] # $y$</p>", "1 \\< 2 && \\[\\[x\\]\\] \\# \\$y\\$"),
        ("a<hr>b", "a\n\n---\n\nb"),
        ("<img src='http://track/1.png' alt='a *map*'>", "a \\*map\\*"),
        ("<table><tr><td>a<td>b<tr><td>c|d</table>", "| a | b |\n| --- | --- |\n| c\\|d |  |"),
        ("<table><tr><td><p>only</p><ul><li>one</ul></table>", "only one"),
        (
            "<table><tr><td>head<table><tr><td>x<td>y</table>tail<td>more</table>end",
            "head\n\n| x | y |\n| --- | --- |\n\ntail\n\nmore\n\nend",
        ),
        ("</p></ul></table></b></a></pre>x", "x"),
        ("<li>loose", "- loose"),
        ("<b><i>x</b>y</i>", "**x**y"),
        ("<style>p{}</style><script>if (a<b) '</p>'</script>shown<noscript>no</noscript>", "shown"),
        ("<script>never closed", ""),
        ("<!-- <p>no</p> -->yes<!doctype x><?xml ?>", "yes"),
        ("<!-->a<!--->b", "ab"),
        ("3 < 4 <", "3 \\< 4 \\<"),
        ("<textarea>x</textarea><unknown-tag y>z", "xz"),
        ("~<b></b>~~js", "\\~\\~\\~js"),
    ],
)
def test_what_is_shown(html: str, markdown: str) -> None:
    assert convert(html).body == markdown


def test_title_is_a_property_and_only_the_first() -> None:
    page = convert("<title> A &amp;\n B </title><p>x</p><svg><title>icon</title></svg><title>C</title>")
    assert page.properties == {"title": "A & B"}
    assert page.body == "x"


def test_a_page_without_text_says_so() -> None:
    page = convert("<html><script>x</script></html>")
    assert (page.body, page.conversion) == ("", "none")
    assert page.remarks


@pytest.mark.parametrize(
    ("head", "charset"),
    [
        (b"<meta charset=utf-8>", "utf-8"),
        (b'<META http-equiv="Content-Type" content="text/html; charset=ISO-8859-1">', "ISO-8859-1"),
        (b"<p>charset=utf-8", None),
        (b" " * 1100 + b"<meta charset=utf-8>", None),
    ],
)
def test_declared_encoding(head: bytes, charset: str | None) -> None:
    assert declared_encoding(head) == charset


def test_tags_end_at_the_right_place() -> None:
    found = list(tokens("<a title='>' href=\"x>y\">z</a ><b it's>w"))
    assert [token.text for token in found if isinstance(token, Text)] == ["z", "w"]
    first = found[0]
    assert isinstance(first, Tag) and (first.attribute("href"), first.attribute("title")) == ("x>y", ">")
    assert first.attribute("none") is None


@given(st.text(alphabet="<>/!-='\" abp\n&;`~|#[]", max_size=80))
def test_no_input_gives_html_code_or_wikilinks(html: str) -> None:
    bare = re.sub(r"\\.", "E", convert(html).body)
    assert not re.search(r"[<`$]|\[\[|~~|==|%%", bare.replace("<br>", ""))


@given(st.text(max_size=60))
def test_text_without_markup_is_kept(text: str) -> None:
    body = convert(text.replace("<", "").replace("&", "")).body
    kept = [char for char in text if char.isalnum()]
    assert [char for char in body if char.isalnum()] == kept


@pytest.mark.parametrize(
    "piece",
    [
        *("<!--", "<!", "<?", "<", "</", "&", "=", "<a", "<a b=c", "<a href='", '<a "', "<a href=https://e.org>x"),
        *("<b>x", "</b>", "<i><b>", "<ul>", "<ul><li>x", "<blockquote>x", "<table><td>", "<pre>", "<title>"),
        *("<script", "<script>"),
    ],
)
def test_hostile_input_takes_linear_time(piece: str) -> None:
    start = time.process_time()
    convert(piece * (60_000 // len(piece)))
    assert time.process_time() - start < 2


def test_emphasis_inside_emphasis_is_bounded() -> None:
    assert convert("<b>" * 20 + "x" + "</b>" * 20).body == "**" * 8 + "x" + "**" * 8
