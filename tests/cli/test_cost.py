"""`deskhand cost` and its limits."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from .conftest import Console

SAYS = """sh -c 'echo "{\\"amount\\": 0.2, \\"usage\\": {\\"model\\": \\"small\\"}}" > "$DESKHAND_COST_FILE"'"""


@pytest.fixture
def spent(console: Console) -> Console:
    """A desk on which a run cost 0.20 and another did not say."""
    for name, command in (("letters", SAYS), ("silent", "true")):
        console("recipe", "new", name, "--command", command)
        draft = console.desk.recipes / "drafts" / f"{name}.yaml"
        draft.write_text(f"{draft.read_text()}\ncost:\n  reserve: 0.5\n  category: post\n")
        console("recipe", "bless", name)
        identifier = console.drop(f"{name}.txt", name.encode(), "--recipe", name)
        assert console.json("task", "show", identifier)["task"]["request"]["request"]["each_may_cost"] == 0.5
        console("approve", identifier, "--yes")
        console.work_off()
    return console


def test_costs_are_added_up(spent: Console) -> None:
    data = spent.json("cost")
    assert [(row["name"], row["amount"], row["of_it_not_known"]) for row in data["rows"]] == [
        ("silent", 0.5, 0.5),
        ("letters", 0.2, 0.0),
    ]
    assert data["total"] == {"runs": 2, "amount": 0.7, "of_it_not_known": 0.5, "running": 0}
    assert data["today"] == {"spent": 0.7, "limit": None}
    by_model = spent.json("cost", "--breakdown", "model")["rows"]
    assert {row["name"]: row["amount"] for row in by_model} == {"small": 0.2, "not said": 0.5}
    text = spent("cost").output
    assert "silent" in text and "0.50" in text and "no limit" in text
    assert spent("cost", "--date", "2020-01-01").output.startswith("2020-01-01: no run cost anything")
    assert "is no date" in spent("cost", "--date", "soon", code=2).stderr


def test_limits_are_set_and_shown(console: Console) -> None:
    console("cost", "limits", "--daily", "10", "--per-run", "0.50", "--per-recipe", "note=2.50")
    console("cost", "limits", "--per-recipe", "letters=1", "--per-recipe", "note=none")
    assert console.json("cost", "limits") == {
        "schema": 1,
        "currency": "USD",
        "daily": 10.0,
        "per_run": 0.5,
        "per_recipe": {"letters": 1.0},
    }
    assert "daily: 10" in console.desk.config.read_text()
    text = console("cost", "limits", "--daily", "none").output
    assert text.splitlines()[0].split() == ["a", "day", "no", "limit"]
    for wrong in (("--daily", "much"), ("--per-run", "-1"), ("--per-recipe", "note"), ("--per-recipe", "note=x")):
        assert "deskhand cost limits" in console("cost", "limits", *wrong, code=2).stderr


def test_a_limit_holds_and_the_task_says_what_to_do(spent: Console) -> None:
    spent("cost", "limits", "--daily", "1")
    identifier = spent.drop("again.txt", b"again", "--recipe", "letters")
    spent("approve", identifier, "--yes")
    spent.work_off()
    task = spent.json("task", "show", identifier)["task"]
    assert task["state"] == "parked"
    assert task["reason"].endswith("it starts tomorrow, or: deskhand cost limits --daily 1.20")
    assert "70 %" in spent("cost").output


def test_a_bill_is_compared_and_counts(spent: Console, tmp_path: Path) -> None:
    day = datetime.now(UTC).date()
    bill = tmp_path / "bill.csv"
    bill.write_text(f"Date,Cost\n{day},3.00\n")
    (row,) = spent.json("cost", "import", str(bill), "--dry-run")["days"]
    assert (row["ours"], row["billed"], row["difference"]) == (0.7, 3.0, 2.3)
    assert spent.json("cost")["today"]["spent"] == 0.7
    text = spent("cost", "import", str(bill)).output
    assert "+2.30" in text and "1 day put on record" in text
    assert spent.json("cost")["today"]["spent"] == 3.0
    bill.write_text("Tokens\n9\n")
    assert "--date-column" in spent("cost", "import", str(bill), code=2).stderr
    spent("cost", "import", str(tmp_path / "none.csv"), code=1)
