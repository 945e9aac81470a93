"""Which recipe a drop goes to, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from deskhand.core.recipe import Match, Parameter, Pin, Recipe
from deskhand.core.routing import Choice, Drop, choose
from deskhand.core.settings import Inbox
from deskhand.core.task import Options


def recipe(identifier: str, **more: Any) -> Recipe:
    prose: dict[str, Any] = dict.fromkeys(
        ("purpose", "environment", "inputs", "outputs", "safety", "observability"), "x"
    )
    return Recipe(id=identifier, kind="keep", version=3, sha256="ab", **prose, **more)


NOTE = recipe("note")
PDF = recipe("pdf", match=Match(names=("*.pdf",)), priority=2)
INVOICE = recipe("invoice", match=Match(names=("*.txt", "invoice*.pdf")))
SCAN = recipe("scan", match=Match(names=("*.pdf",), inboxes=("scanner",)))
HIDDEN = recipe("hidden", selectable=False)
STAMP = recipe(
    "stamp",
    params={
        "text": Parameter("What it says"),
        "colour": Parameter("Of the ink", default="red", choices=("red", "blue")),
    },
)
ALL = [NOTE, PDF, INVOICE, SCAN, HIDDEN, STAMP]


def pick(name: str = "a.bin", inbox: Inbox | None = None, recipes: list[Recipe] | None = None, **more: Any) -> Choice:
    options = Options(**{key: more.pop(key) for key in list(more) if key not in ("route", "unavailable")})
    drop = Drop(name, inbox.name if inbox else "main", more.get("route"), options)
    return choose(drop, ALL if recipes is None else recipes, inbox, unavailable=more.get("unavailable"))


def chosen(choice: Choice) -> str:
    assert choice.problem is None
    assert choice.recipe is not None
    assert choice.pin == Pin(choice.recipe.id, 3, "ab", None)
    return choice.recipe.id


def test_the_order() -> None:
    box = Inbox(name="scanner", path="x", recipe="stamp")
    assert chosen(pick()) == "note"
    assert chosen(pick(inbox=Inbox(name="misc", path="x", recipe="hidden"))) == "hidden"
    assert chosen(pick("a.pdf", Inbox(name="misc", path="x", recipe="hidden"))) == "pdf"
    assert chosen(pick("a.pdf", box, route="hidden")) == "hidden"
    assert chosen(pick("a.pdf", box, route="hidden", recipe="note")) == "note"


def test_every_choice_says_why() -> None:
    assert pick().why == "Nothing else claims it, so it goes to recipe note."
    assert pick("A.PDF").why == "Its name matches '*.pdf' of recipe pdf."
    assert pick(route="note").why == "It was dropped into the folder of recipe note."
    assert pick(recipe="note").why == "The drop asks for recipe note."


def test_the_most_specific_match_wins() -> None:
    assert chosen(pick("Invoice 3.PDF")) == "invoice"
    assert chosen(pick("a.pdf", Inbox(name="scanner", path="x"))) == "scan"
    assert chosen(pick("invoice.pdf", Inbox(name="scanner", path="x"))) == "scan"


def test_equal_claims_park() -> None:
    other = recipe("other", match=Match(names=("*.pdf",)))
    choice = pick("a.pdf", recipes=[NOTE, PDF, other])
    assert choice.pin is None
    assert choice.recipe is None
    assert "other and pdf claim this name equally" in str(choice.problem)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"recipe": "nota"}, "did you mean 'note'?"),
        ({"recipe": "hidden"}, "selectable: false"),
        ({"recipe": "../../x"}, "no blessed recipe '../../x'"),
        ({"recipe": "x\x1b[31m"}, "x\\x1b[31m"),
        ({"route": "gone"}, "no blessed recipe 'gone'"),
        ({"route": "stamp", "unavailable": {}}, "'text' is missing (What it says)"),
        ({"recipe": "stamp", "params": {"text": "-rf"}}, "starts with '-'"),
        ({"recipe": "stamp", "params": {"text": "a\0"}}, "not text"),
        ({"recipe": "stamp", "params": {"text": "a", "colour": "green"}}, "must be one of red, blue"),
        ({"recipe": "stamp", "params": {"text": "a", "color": "red"}}, "did you mean 'colour'?"),
        ({"recipe": "note", "params": {"x": "1"}}, "no parameter 'x'"),
    ],
)
def test_what_cannot_be_is_a_problem(more: dict[str, Any], words: str) -> None:
    choice = pick("a.pdf", **more)
    assert choice.pin is None
    assert choice.recipe is None
    assert words in str(choice.problem)
    assert "Cancel this task" in str(choice.problem) or "cancel this task" in str(choice.problem)


def test_every_problem_with_parameters_is_named_at_once() -> None:
    problem = str(pick(recipe="stamp", params={"colour": "green", "x": "y"}).problem)
    assert "colour" in problem
    assert "'x'" in problem
    assert "'text' is missing" in problem


def test_values_of_parameters_are_not_repeated() -> None:
    assert "geheim" not in str(pick(recipe="stamp", params={"text": "-geheim", "colour": "geheim"}).problem)


def test_a_damaged_recipe_is_named_with_its_reason() -> None:
    choice = pick(recipe="pay", unavailable={"pay": "its SHA-256 is not the recorded one"})
    assert "must not run: its SHA-256 is not the recorded one" in str(choice.problem)


def test_no_default_is_a_problem() -> None:
    assert "no blessed recipe 'note'" in str(pick(recipes=[PDF]).problem)


def test_parameters_get_their_defaults() -> None:
    assert pick(recipe="stamp", params={"text": "PAID"}).params == {"text": "PAID", "colour": "red"}


@pytest.mark.parametrize(("asked", "got"), [(None, 2), (9, 2), (2, 2), (-3, -3)])
def test_a_drop_only_lowers_its_priority(asked: int | None, got: int) -> None:
    assert pick("a.pdf", priority=asked).priority == got
