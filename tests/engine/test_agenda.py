"""What is due when, whatever the order in which it was entered."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deskhand.engine.agenda import Agenda, Entry

ENTRIES = st.lists(
    st.builds(Entry, st.sampled_from([1.0, 2.0, 3.0, 4.0]) | st.floats(0, 5), st.integers(1, 2**60), st.text())
)


@given(ENTRIES, st.floats(0, 5))
def test_everything_up_to_a_moment_is_due_and_the_rest_stays(entries: list[Entry], now: float) -> None:
    agenda = Agenda()
    for entry in entries:
        agenda.enter(entry)
    by_moment = sorted(entries, key=lambda entry: entry.moment)
    assert agenda.soonest == (by_moment[0].moment if entries else None)
    due = agenda.due(now)
    assert due == [entry for entry in by_moment if entry.moment <= now]
    agenda.drop(len(due))
    assert agenda.due(9.0) == [entry for entry in by_moment if entry.moment > now]
    assert len(agenda) == len(entries) - len(due)
