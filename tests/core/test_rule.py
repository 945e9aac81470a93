"""The rules of `approval: {when: ...}`: reading, meaning, and asking whenever something is unknown."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.core.recipe import Approve
from deskhand.core.rule import Facts, RuleError, evaluate, must_ask, parameters, parse, show
from deskhand.core.rule_parser import And, Compare, Duplicate, Matches, Member, Not, Or, Rule

FACTS = Facts(
    name="Invoice.EXE", bytes=12 * 1024**2, inbox="downloads", duplicate=False, params={"amount": "250.50", "word": "x"}
)


def asks(rule: str, facts: Facts = FACTS) -> bool:
    return evaluate(parse(rule), facts).asks


@pytest.mark.parametrize(
    "rule",
    [
        "bytes > 10MiB",
        "bytes >= 12582912",
        "bytes == 12MiB",
        'name matches "*.exe"',
        "name matches 'invoice*'",
        'inbox == "downloads"',
        'inbox != "main"',
        'kind == "file"',
        'ext in ("pdf", "exe")',
        'ext == ".EXE"',
        'ext not in ("pdf", "docx")',
        "param.amount > 100",
        "param.amount == 250.5",
        'param.word == "x"',
        "not duplicate",
        "files == 1",
        'route == ""',
        'bytes < 1 or inbox == "downloads"',
        'not (bytes < 1 or inbox == "main")',
        'bytes > 1 and not inbox == "main" and files < 2',
        "bytes in (1, 12MiB)",
    ],
)
def test_rules_that_hold(rule: str) -> None:
    verdict = evaluate(parse(rule), FACTS)
    assert verdict.asks
    assert verdict.why.startswith("The recipe asks when ")


@pytest.mark.parametrize(
    "rule",
    [
        "bytes < 10MiB",
        'name matches "*.pdf"',
        'kind == "folder"',
        "duplicate",
        'ext in ("pdf", "docx")',
        "param.amount > 1000",
        'inbox == "main" and param.missing > 3',
        'name == "invoice.exe"',
    ],
)
def test_rules_that_do_not_hold(rule: str) -> None:
    verdict = evaluate(parse(rule), FACTS)
    assert not verdict.asks
    assert verdict.why.startswith("The recipe asks only when ")


@pytest.mark.parametrize(
    "rule",
    [
        "param.missing > 3",
        "not param.missing > 3",
        "not (param.missing > 3)",
        "param.word > 3",
        "not param.word in (1, 2)",
        'param.missing == "a"',
        'param.missing != "a"',
        'param.missing not in ("a")',
        'not param.missing matches "a*"',
        'inbox == "main" or param.missing < 1',
        'inbox == "downloads" and not param.missing < 1',
    ],
)
def test_what_is_unknown_and_matters_asks(rule: str) -> None:
    verdict = evaluate(parse(rule), FACTS)
    assert verdict.asks
    assert "cannot be told" in verdict.why


def test_unknown_duplicates_ask() -> None:
    assert asks("duplicate", Facts(name="a", bytes=1, duplicate=None))
    assert asks("not duplicate", Facts(name="a", bytes=1, duplicate=None))


@pytest.mark.parametrize("text", ["nan", "inf", "1e3", "1,000", "", " 5", "0x5", "٣", "9" * 40])
def test_values_that_are_no_plain_numbers_ask(text: str) -> None:
    assert asks("param.amount > 1", Facts(name="a", bytes=1, params={"amount": text}))
    assert asks("not param.amount > 1", Facts(name="a", bytes=1, params={"amount": text}))


def test_numbers_are_compared_exactly() -> None:
    facts = Facts(name="a", bytes=1, params={"amount": "100.10"})
    assert not asks("param.amount > 100.1", facts)
    assert asks("param.amount == 100.1", facts)


def test_names_in_two_spellings_are_one() -> None:
    assert asks('name matches "*é*"', Facts(name="cafe\u0301.txt", bytes=1))
    assert asks('name == "é"', Facts(name="e\u0301", bytes=1))


def test_sentences_keep_names_and_values_to_themselves() -> None:
    verdict = evaluate(parse('name matches "*.exe" and param.amount > 100 and bytes > 10MiB'), FACTS)
    assert verdict.why == (
        'The recipe asks when name matches "*.exe" and param.amount > 100 and bytes > 10MiB (it has 12582912).'
    )


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("", "ends where a condition"),
        ("byte > 3", "did you mean 'bytes'"),
        ("weather == 3", "known are name"),
        ("bytes >", "ends where a value"),
        ("bytes > 10M", "did you mean MB or MiB"),
        ('bytes > "3"', "without quotes"),
        ("name == 3", "in quotes"),
        ("name > 'a'", "== and != only"),
        ('kind == "foldr"', "never 'foldr'"),
        ("name matches *.exe", "in quotes"),
        ("bytes matches '1*'", "is a number"),
        ("bytes = 3", "'=' does not belong"),
        ("ext is 'pdf'", "equality is written =="),
        ("bytes > 3 bytes < 4", "join conditions"),
        ("(bytes > 3", "')'"),
        ("ext in ()", "expected a number or text"),
        ("ext in 'a'", "'('"),
        ("and", "expected a fact"),
        ("param. > 3", "no such fact"),
        ("param.A > 3", "no such fact"),
        ("param.amount > 10k", "only bytes has units"),
        ("not " * 30 + "duplicate", "nested deeper"),
        ("(" * 30 + "duplicate" + ")" * 30, "nested deeper"),
        ("bytes > 1 or " * 200 + "duplicate", "longer than 1000"),
        ('name == "a\\b"', "does not belong"),
        ("bytes > 1; import os", "does not belong"),
    ],
)
def test_rules_that_are_refused(rule: str, words: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse(rule)
    assert words in str(caught.value)


def test_parameters_of_a_rule() -> None:
    assert parameters(parse("param.a > 1 and not (param.b == 'x' or duplicate)")) == {"a", "b"}


def test_must_ask() -> None:
    assert must_ask(Approve("required"), FACTS).asks
    assert not must_ask(Approve("never"), FACTS).asks
    assert must_ask(Approve("never"), FACTS, strict=True).asks
    assert must_ask(Approve("when", "bytes > 1"), FACTS).asks
    assert not must_ask(Approve("when", "bytes < 1"), FACTS).asks


@pytest.mark.parametrize("broken", [None, "", "byte > 1", "("])
def test_a_broken_rule_asks(broken: str | None) -> None:
    assert must_ask(Approve("when", broken), FACTS).asks


_texts = st.text(st.characters(exclude_characters="\"'\\", exclude_categories=("Cc", "Cs")), max_size=6)
_numbers = st.decimals(-1000, 1000, places=2).map(lambda number: Decimal(f"{number:f}"))
_atoms: st.SearchStrategy[Rule] = st.one_of(
    st.just(Duplicate()),
    st.builds(Matches, st.sampled_from(["name", "ext", "param.x"]), _texts),
    st.builds(Compare, st.sampled_from(["bytes", "files", "param.x"]), st.sampled_from(["<", ">=", "=="]), _numbers),
    st.builds(Compare, st.sampled_from(["name", "param.x"]), st.sampled_from(["==", "!="]), _texts),
    st.builds(Member, st.just("ext"), st.lists(_texts, min_size=1, max_size=3).map(tuple), st.booleans()),
)
_rules = st.recursive(
    _atoms,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)


@given(_rules)
def test_rules_read_back(rule: Rule) -> None:
    if len(show(rule)) <= 1000:
        assert parse(show(rule)) == rule


@given(_rules, st.text(max_size=5))
def test_every_rule_has_an_answer(rule: Rule, name: str) -> None:
    facts = Facts(name=name, bytes=5)
    verdict, opposite = evaluate(rule, facts), evaluate(Not(rule), facts)
    assert verdict.asks or opposite.asks, "a rule and its opposite never both let something through"


@given(st.text("abyteskind.param()<>=!'\",0123 notrmches", max_size=40))
def test_any_text_is_a_rule_or_an_error(text: str) -> None:
    try:
        rule = parse(text)
    except RuleError:
        return
    assert evaluate(rule, FACTS).why
