"""The status note."""

from __future__ import annotations

import re
from datetime import timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from deskhand.core.state import State
from deskhand.operations.status_note import Asked, Line, Stalled, StatusFacts, Unwell, escape, render

T = 1_790_000_000.0  # 2026-09-21 14:13:20 UTC
ID = "20260921-133320-letter-abcdef"


def facts(**more: object) -> StatusFacts:
    return StatusFacts(**{"desk": "desk", "version": "0.1.0", "up_since": T, **more})  # type: ignore[arg-type]


def test_a_quiet_desk() -> None:
    assert render(facts()) == "**desk** · deskhand 0.1.0\n\nUp since 2026-09-21 14:13:20.\n\nNo tasks.\n"


def test_everything_is_shown() -> None:
    text = render(
        facts(
            counts={State.COMPLETED: 12, State.WAITING: 1, State.IN_DOUBT: 1, State.FAILED: 0},
            waiting=(
                Asked(ID, "letter.pdf", "hand-over", "this recipe always asks", T, T + 60),
                Asked(ID.replace("letter", "mail"), "mail.eml", "send", "", T, None, in_doubt=True),
            ),
            failed=(Line(ID, "x.pdf", T, "note", "exit code 3"),),
            parked=(Line(ID, "y.pdf", T, "", "no recipe called scan"),),
            stalled=(Stalled("big.iso", "main", T, "still being written"),),
            completed=tuple(Line(ID, f"{number}.txt", T, "note") for number in range(12)),
            problems=("inbox scanner: no such file",),
        )
    )
    assert "1 waiting · 1 in doubt · 12 completed" in text
    assert f"rename `queue/approvals/{ID}.json` to `….json.approved`, or `deskhand approve {ID}`" in text
    assert "expires 2026-09-21 14:14:20" in text
    assert "`….json.happened`" in text
    assert "exit code 3" in text and "no recipe called scan" in text
    assert "**big.iso** in main, unfinished since" in text
    assert "9.txt" in text and "10.txt" not in text, "the last ten"
    assert "inbox scanner: no such file" in text
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        *("## Does not work right now", "## Waits for you", "## Needs a hand", "## Failed"),
        *("## Still being written", "## Done last"),
    ]


def test_stopped_and_paused() -> None:
    assert "**No daemon runs.**" in render(facts(up_since=None))
    assert "**Paused**: disk full." in render(facts(paused="disk full"))


def test_same_facts_same_text_and_the_zone_is_an_argument() -> None:
    assert render(facts()) == render(facts())
    assert "16:13:20" in render(facts(), timezone(timedelta(hours=2)))


def test_long_lists_are_counted() -> None:
    text = render(facts(failed=tuple(Line(ID, f"{number}", T) for number in range(1000))))
    assert "- and 975 more: `deskhand tasks`" in text
    assert len(text.splitlines()) < 40


def test_names_cannot_say_anything_in_markdown() -> None:
    name = "![[secret]] [x](javascript:a) <img src=x> `code` **b** #tag | $m$ %%c%% ==h== ^b ~~s~~\n# head\x1b[2J"
    text = render(facts(completed=(Line(ID, name[:75], T), Line(ID, name[40:], T))))
    unescaped = re.sub(r"\\[!-/:-@\[-`{-~]", "", text)
    for sign in ("[[", "](", "<", "%%", "==", "~~", "#tag", "\x1b"):
        assert sign not in unescaped
    assert "\n# head" not in text


@given(st.text())
def test_escape_gives_one_short_harmless_line(text: str) -> None:
    got = escape(text)
    assert "\n" not in got and "\r" not in got
    assert not re.search(r"(?<!\\)(?:\\\\)*[<>`*\[\]#|$%]", re.sub(r"\\[<>`*\[\]#|$%_~=^&!{}\\]", "", got))
    got.encode()


def test_what_is_not_well_and_open_incidents_are_shown() -> None:
    text = render(
        facts(
            health=(Unwell("disk", "degraded", "only 3 MB free for *the desk*"),),
            incidents=(Line("incident-20260921-3", "the scanner", T, "P1"),),
        )
    )
    assert "## Not as it should be\n\n- **disk** degraded: only 3 MB free for \\*the desk\\*" in text
    assert "- **P1** the scanner · [[incident-20260921-3]], open since 2026-09-21 14:13:20" in text
