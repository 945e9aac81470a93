"""``deskhand recipe``: from a draft to a version that runs."""

from __future__ import annotations

import pytest

from deskhand.cli import recipe_new

from .conftest import Console


def test_list_and_show(console: Console) -> None:
    data = console.json("recipe", "list")
    assert [(item["id"], item["version"], item["runs"]) for item in data["recipes"]] == [
        ("archive", 1, True),
        ("hand-over", 1, True),
        ("note", 1, True),
    ]
    blessed = console.desk.recipes / "blessed" / "note" / "v0001.yaml"
    assert console("recipe", "show", "note").output == blessed.read_text()
    assert console("recipe", "show", "note@v0001").output == blessed.read_text()
    assert console.json("recipe", "show", "note@1")["recipe"]["id"] == "note"
    assert "has no version '2'" in console("recipe", "show", "note@2", code=2).stderr
    assert "did you mean" in console("recipe", "show", "nte", code=2).stderr


def test_a_changed_recipe_is_named_and_refused(console: Console) -> None:
    path = console.desk.recipes / "blessed" / "note" / "v0001.yaml"
    path.chmod(0o600)
    path.write_text(path.read_text() + "# changed\n")
    assert "not what was blessed" in console("recipe", "show", "note", code=4).stderr
    note = next(item for item in console.json("recipe", "list")["recipes"] if item["id"] == "note")
    assert note["runs"] is False and "not what was blessed" in note["problem"]
    assert "must not run" in console("recipe", "list").output


def test_from_flags_to_blessed(console: Console) -> None:
    flags = ["--command", "cat '{input}'", "--approval", "never", "--deliver", "out/{name}", "--match", "*.cat"]
    assert "drafts/shout.yaml" in console("recipe", "new", "shout", *flags).output
    assert console("recipe", "check").output.startswith("shout: right")
    assert "shout version 1 may run" in console("recipe", "bless", "shout", "--reason", "useful").output
    assert console.json("recipe", "show", "shout")["recipe"]["argv"] == ["cat", "{input}"]
    assert "reason=useful" in console("audit", "show", "--type", "recipe.blessed").output
    assert "exactly what was blessed" in console("recipe", "bless", "shout", code=2).stderr


def test_all_violations_at_once_with_lines(console: Console) -> None:
    draft = console.desk.recipes / "drafts" / "bad.yaml"
    draft.write_text("schema: 1\nid: bad\nkind: nonsense\npurpse: x\n")
    error = console("recipe", "check", "bad", code=2).stderr
    assert "bad.yaml:3:" in error and "bad.yaml:4:" in error
    data = console.json("recipe", "check", "bad", code=2)
    assert data["ok"] is False and len(data["drafts"][0]["problems"]) > 2
    assert "bad.yaml:3:" in console("recipe", "check", str(draft), code=2).stderr
    assert "no such draft" in console("recipe", "check", "nosuch", code=2).stderr
    console("recipe", "bless", "bad", code=2)


def test_nothing_to_check(console: Console) -> None:
    assert "there are no drafts" in console("recipe", "check").output


@pytest.mark.parametrize("name", ["UPPER", "a b", "con", "../x"])
def test_names_that_are_none(console: Console, name: str) -> None:
    assert "no name of a recipe" in console("recipe", "new", name, code=2).stderr


def test_new_asks_on_a_terminal(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe_new, "interactive", lambda: True)
    answers = ["command", "cat {input}", "Says it.", "", "", "", "", "", "never", "out/{name}"]
    console("recipe", "new", "shout", answers="\n".join(answers) + "\n")
    console("recipe", "bless", "shout")
    made = console.json("recipe", "show", "shout")["recipe"]
    assert (made["purpose"], made["argv"], made["deliver"]) == ("Says it.", ["cat", "{input}"], "out/{name}")
    assert made["approval"]["mode"] == "never" and made["environment"]
