"""Text, tables, JSON and front matter as notes; and that nothing from a drop breaks out of where it stands."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deskhand.core import strict_yaml
from deskhand.handlers import note_front, note_json, note_plain, note_table
from deskhand.handlers.note_markdown import code, escape, escape_piece, fence, inert, size
from deskhand.handlers.note_name import note_name
from deskhand.handlers.note_page import VALUE_MAX, Page, quoted, render


def properties(note: bytes) -> dict[str, object]:
    """The front matter of a finished note, read back strictly."""
    text = note.decode()
    assert text.startswith("---\n")
    block = text[4 : text.index("\n---\n", 3) + 1]
    document = strict_yaml.read(block.encode())
    assert document.violations == ()
    assert document.root is not None
    read = strict_yaml.plain(document.root)
    assert isinstance(read, dict)
    return read


# -- properties ------------------------------------------------------------------------------------------------


@given(st.text(max_size=200))
def test_any_value_is_one_quoted_line_and_reads_back(text: str) -> None:
    line = quoted(text)
    assert "\n" not in line and "<%" not in line
    found = properties(render({"source": text, "after": 7}, Page("body")))
    readable = re.sub("[\ud800-\udfff]", "�", text)
    assert found == {"source": readable, "after": 7}


@pytest.mark.parametrize(
    "name",
    [
        'a"\nadmin: true\n---\n',
        "[[Secret]]",
        "<% tp.system.prompt() %>",
        "{{x}}",
        "a: b # c",
        "'",
        "\\",
        "---",
        "\x1b[31m",
    ],
)
def test_hostile_names_stay_inside_their_property(name: str) -> None:
    note = render({"source": name, "bytes": 1, "bom": False, "to": (name, name)}, Page("body\n"))
    assert properties(note) == {"source": name, "bytes": 1, "bom": False, "to": [name, name]}
    assert note.decode().endswith("---\n\nbody\n")
    assert b"<%" not in note


def test_a_long_value_is_cut_and_a_lone_surrogate_does_not_stop_the_note() -> None:
    found = properties(render({"source": "x" * 5000}, Page("\ud800")))
    assert found["source"] == "x" * VALUE_MAX + "…"
    assert render({}, Page("\ud800")).endswith(b"\\ud800\n")


def test_own_front_matter_wins_and_ours_moves_aside() -> None:
    page = note_plain.convert_markdown("---\nsource: mine # kept\ntags: [a, b]\nTask: x\n---\n# Hello\n")
    note = render({"source": "a.md", "task": "t", "bytes": 3}, page)
    assert properties(note) == {
        "source": "mine",
        "tags": ["a", "b"],
        "Task": "x",
        "deskhand_source": "a.md",
        "deskhand_task": "t",
        "bytes": 3,
    }
    assert b"source: mine # kept\n" in note
    assert note.endswith(b"---\n\n# Hello\n")


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        ("a: 1\na: 2", "twice"),
        ("a: &x [1]\nb: *x", "anchors"),
        ("a: b: c", ""),
        ("{a: 1}", "key: value"),
        ("  a: 1", "key: value"),
        ("- a\n- b", "key: value"),
        ("just words", "key: value"),
        ("a: !!python/object/apply:os.system [id]", "tags"),
        ("a: 'open", ""),
        ("a: b\u2028c: d", "line breaks"),
        ("a: " + "[" * 100_0, ""),
    ],
)
def test_front_matter_that_is_not_plain_is_shown_and_not_lost(block: str, reason: str) -> None:
    page = note_plain.convert_markdown(f"---\n{block}\n---\nbody\n")
    assert page.own_properties == ""
    assert page.body == f"{fence(block, 'yaml')}\nbody\n"
    assert reason in page.remarks[0]
    assert properties(render({"source": "x"}, page)) == {"source": "x"}


@pytest.mark.parametrize(
    "text", ["---\nno end\n", "--- \n", "---", "----\na: 1\n---\n", " ---\na: 1\n---\n", "a\n---\nb\n"]
)
def test_a_ruler_is_no_front_matter(text: str) -> None:
    assert note_front.split(text) == note_front.Front(text)


def test_empty_front_matter_and_a_closing_line_of_dots() -> None:
    assert note_front.split("---\n---\nx").body == "x"
    assert note_front.split("---\n# only a comment\n---\nx").lines == ""
    assert note_front.split("---\na: 1\n...\nx") == note_front.Front("x", "a: 1\n", frozenset({"a"}))


@given(st.text(alphabet="ab: \n-#'\"|>[]{}&*!%\t", max_size=60))
def test_whatever_front_matter_is_kept_ours_can_still_be_read(block: str) -> None:
    page = note_plain.convert_markdown(f"---\n{block}\n---\nx")
    found = properties(render({"source": "s", "bytes": 1}, page))
    assert found.get("deskhand_source", found.get("source")) == "s"
    assert page.own_keys <= found.keys()


# -- Markdown --------------------------------------------------------------------------------------------------


@given(st.text(alphabet="`~\nab ", max_size=80), st.sampled_from(["text", "json"]))
def test_no_text_closes_its_fence(text: str, info: str) -> None:
    block = fence(text, info)
    lines = block.split("\n")
    ticks = lines[0].removesuffix(info)
    assert set(ticks) == {"`"} and len(ticks) >= 3
    assert lines[-2:] == [ticks, ""]
    assert not [line for line in lines[1:-2] if ticks in line]
    assert "\n".join(lines[1:-2]) in (text, text.removesuffix("\n"))


def test_inline_code_holds_backticks() -> None:
    assert code("a`b``c") == "```a`b``c```"
    assert code("`") == "`` ` ``"
    assert code("") == "` `"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("# no heading", "\\# no heading"),
        ("- no item", "\\- no item"),
        ("12. no item", "12\\. no item"),
        ("> [!note]", "\\> \\[!note\\]"),
        ("![[secret]]", "!\\[\\[secret\\]\\]"),
        ("<img src=x>", "\\<img src=x>"),
        ("`$= dv`", "\\`\\$= dv\\`"),
        ("%%hidden%%", "\\%\\%hidden\\%\\%"),
        ("a_b __c__", "a_b \\_\\_c\\_\\_"),
        ("&lt;b&gt; & co", "\\&lt;b\\&gt; & co"),
        ("~~~js", "\\~\\~\\~js"),
        ("x ^block", "x \\^block"),
        ("===", "\\=\\=\\="),
        ("50% of 3.14 - 2", "50% of 3.14 - 2"),
    ],
)
def test_text_stands_for_itself(text: str, safe: str) -> None:
    assert escape(text) == safe


def test_two_pieces_do_not_make_a_mark() -> None:
    assert escape_piece("%") + escape_piece("%x%") + escape_piece("%") == "\\%\\%x\\%\\%"
    assert escape_piece("==") + escape_piece("a=b=") == "\\=\\=a=b\\="


@pytest.mark.parametrize(
    "active",
    [
        "<script>",
        "```dataviewjs\n",
        "`= this`",
        "![[x]]",
        "![](http://x/track.png)",
        "[[x]]",
        "$$x$$",
        "%%x%%",
        "~~~js",
    ],
)
def test_converted_documents_are_inert(active: str) -> None:
    shown = inert(f"## Title\n\n| a | b |\n{active}")
    assert not re.search(r"(?<!\\)" + re.escape(active), shown)
    assert shown.startswith("## Title\n\n| a | b |\n")
    assert re.sub(r"\\(.)", r"\1", shown).endswith(active)
    assert inert(shown) == shown


def test_converted_documents_keep_web_links_only() -> None:
    kept = "[a](https://example.org) [b](mailto:a@b) x<br>y"
    assert inert(kept) == kept
    assert inert("[a](javascript:x)") == "[a\\]\\(javascript:x)"
    assert inert("[a]: obsidian://x") == "[a\\]\\: obsidian://x"
    assert inert("\\<b>") == "\\<b>"
    assert inert("\\\\<b>") == "\\\\\\<b>"


def test_sizes_in_words() -> None:
    assert [size(n) for n in (0, 1, 1023, 1024, 1536, 1 << 20, 3 << 30, 5 << 40)] == [
        *("0 bytes", "1 byte", "1023 bytes", "1.0 KiB", "1.5 KiB", "1.0 MiB", "3.0 GiB", "5.0 TiB")
    ]


# -- names -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("Invoice 7.pdf", "Invoice 7.md"),
        ("archive.tar.gz", "archive.tar.md"),
        ("no-extension", "no-extension.md"),
        (".hidden", "hidden.md"),
        ("..", "note.md"),
        ("-rf.txt", "rf.md"),
        ("NUL.txt", "_NUL.md"),
        ("com1.backup.txt", "_com1.backup.md"),
        ("a/b\\c:d*e?f.txt", "a_b_c_d_e_f.md"),
        ("C# [draft]^1|2.md", "C_ _draft__1_2.md"),
        ("a\n\tb.txt", "a b.md"),
        ("evil\u202efdp.exe", "evilfdp.md"),
        ("x. .txt", "x.md"),
        ("Straße 東京 🎉.txt", "Straße 東京 🎉.md"),
        ("e\u0301.txt", "\xe9.md"),
        ("<% x %>.txt", "__ x __.md"),
    ],
)
def test_f28_note_names_are_safe_everywhere(name: str, note: str) -> None:
    assert note_name(name) == note


def test_a_folder_keeps_its_whole_name() -> None:
    assert note_name("photos.2024", folder=True) == "photos.2024.md"


@given(st.text(max_size=300))
@example("M\x1b\u0307")
def test_f29_any_name_gives_a_short_plain_file_name(name: str) -> None:
    made = note_name(name)
    assert made.endswith(".md") and 4 <= len(made.encode()) <= 203
    assert not re.search(r'[/\\:*?"<>|\x00-\x1f#^\[\]%]', made)
    assert made[0] not in ". -" and made.isprintable()
    assert note_name(made) == made


# -- tables, JSON ----------------------------------------------------------------------------------------------


def test_a_table_with_quotes_bars_and_line_breaks() -> None:
    page = note_table.convert('a,b\n"x, y","1|2"\n"two\nlines",-5%\n')
    assert page.body == "| a | b |\n| --- | --- |\n| x, y | 1\\|2 |\n| two<br>lines | -5% |\n"
    assert page.properties == {"rows": 2, "columns": 2, "delimiter": "comma"}
    assert (page.remarks, page.conversion) == ((), "complete")


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a;b\n1,5;2,5\n", ";"),
        ("a\tb\n1,5\t2\n", "\t"),
        ("a|b|c\n1|2|3\n", "|"),
        ('"a;b","c;d"\n"1;2","3"\n', ","),
        ("one\ntwo\n", None),
        ("", None),
    ],
)
def test_the_delimiter_is_the_one_that_occurs_evenly(text: str, delimiter: str | None) -> None:
    assert note_table.find_delimiter(text) == delimiter


def test_a_long_and_wide_table_is_cut_and_says_so() -> None:
    row = ",".join(["x"] * 60) + "\n"
    page = note_table.convert(row * 1501)
    assert page.properties["rows"] == 1500
    assert page.remarks == ("The first 1,000 of 1,500 rows are shown.", "The first 50 of 60 columns are shown.")
    assert page.conversion == "shortened"
    assert page.body.count("\n") == 1002


def test_ragged_rows_are_filled_up_and_no_table_is_no_table() -> None:
    page = note_table.convert("a,b,c\n1,2\n1,2,3\n")
    assert page.body.splitlines()[2] == "| 1 | 2 |  |"
    assert "same number" in page.remarks[0]
    assert note_table.convert("only one column\n").body == fence("only one column\n")
    huge = "a,b\n" + '"' + "x" * 200_000
    assert "not a readable table" in note_table.convert(huge).remarks[0]


def test_json_keeps_digits_order_and_duplicates() -> None:
    page = note_json.convert('{"b":1.10,"a":1e400,"b":12345678901234567890123}')
    assert page.body == '```json\n{\n  "b": 1.10,\n  "a": 1e400,\n  "b": 12345678901234567890123\n}\n```\n'


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":NaN}', '{"a":', '"\\ud800"', "```\n"]
)
def test_json_that_is_none_or_too_deep_is_shown_as_it_is(text: str) -> None:
    page = note_json.convert(text)
    assert page.body == fence(text, "json")
    assert len(page.remarks) == 1


def test_a_preview_is_bounded() -> None:
    page = note_plain.preview("line\n" * 1_000_000, "8 MiB")
    assert page.body.count("line") == note_plain.PREVIEW_LINES
    assert page.conversion == "shortened" and "8 MiB" in page.remarks[0]


@pytest.mark.parametrize(
    "text", ["\\" * 100_000, "`" * 100_000, "^a" * 50_000, "&" * 100_000, " " * 100_000, "[[" * 50_000]
)
def test_escaping_takes_linear_time(text: str) -> None:
    start = time.process_time()
    escape(text)
    inert(text)
    fence(text)
    assert time.process_time() - start < 2
