"""`deskhand report` and `task failure` on desks with real tasks."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Console, Shown


@pytest.mark.parametrize("kind", ["daily", "weekly", "monthly", "performance", "sla", "handoff"])
def test_a_report_is_a_note_in_the_vault(shown: Shown, kind: str) -> None:
    path = Path(shown.console("report", kind).output.strip())
    assert path.parent == shown.console.desk.vault / "_deskhand" / "reports"
    text = path.read_text()
    assert text.startswith("# ") and f"**{shown.console.json('report', kind)['desk']}**" in text
    for picture in path.parent.glob(f"{path.stem}-*.svg"):
        assert f"]({picture.name})" in text
    assert shown.console("report", kind, "--output", "-").output.splitlines()[0] == text.splitlines()[0]


def test_numbers_are_those_of_the_log(shown: Shown) -> None:
    data = shown.console.json("report", "daily")
    assert data["whole"]["counts"]["received"] == 3 and data["whole"]["counts"]["completed"] == 1
    assert len(data["waiting"]) == 1 and len(data["held_up"]) == 1
    assert sum(part["counts"].get("received", 0) for part in data["parts"] if part) == 3
    assert data["before"] is None
    ran = shown.console.json("report", "performance")["recipes"]
    assert ran["note"]["counts"]["completed"] == 1


def test_a_report_goes_where_it_is_told(shown: Shown, tmp_path: Path) -> None:
    target = tmp_path / "today.md"
    assert shown.console("report", "daily", "--output", str(target)).output.strip() == str(target)
    assert target.read_text().startswith("# Daily report")
    missing = shown.console("report", "daily", "--output", str(tmp_path / "no" / "x.md"), code=1)
    assert "writing a report" in missing.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("daily", "--date", "someday"), "is no date"),
        (("daily", "--date", "2999-01-01"), "is not here yet"),
        (("failure",), "failure takes an ID"),
        (("daily", "@last"), "daily takes no ID"),
        (("failure", "@last"), "did not fail"),
    ],
)
def test_what_makes_no_sense_is_refused(shown: Shown, options: tuple[str, ...], said: str) -> None:
    assert said in shown.console("report", *options, code=2).stderr


def test_a_past_day_has_no_data(shown: Shown) -> None:
    text = shown.console("report", "sla", "--month", "2020-01", "--output", "-").output
    assert "Availability is unknown" in text


def test_a_failure_is_explained_and_counted(console: Console) -> None:
    console("recipe", "new", "bad", "--command", "sh -c 'echo broken; exit 3'")
    console("recipe", "bless", "bad")
    ids = [console.drop(f"{name}.txt", name.encode(), "--recipe", "bad") for name in ("one", "two")]
    for identifier in ids:
        console("approve", identifier, "--yes")
    console.work_off()
    data = console.json("task", "failure", ids[0])
    assert (data["state"], data["alike"]["count"], data["name"]) == ("failed", 2, "one.txt")
    text = console("task", "failure", ids[0]).output
    assert "broken" in text and "| failed like this | 2 ×" in text
    assert f"failure-{ids[0]}.md" in console("report", "failure", ids[0]).output
