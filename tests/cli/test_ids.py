"""Which task a person means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.cli import ids
from deskhand.core.names import is_id, key_of, task_id
from deskhand.errors import UsageError

SUFFIX = st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=6, max_size=6)
IDS = st.builds(task_id, st.text(min_size=1, max_size=30), st.floats(1.7e9, 1.9e9), SUFFIX)
DESKS = st.lists(IDS, min_size=1, max_size=12, unique_by=key_of).map(lambda found: {key_of(one): one for one in found})


@given(DESKS, st.data())
def test_every_unique_beginning_or_end_resolves(known: dict[str, str], data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(known)))
    form = data.draw(st.sampled_from([key, known[key]]))
    length = data.draw(st.integers(1, len(form)))
    text = data.draw(st.sampled_from([form[:length], form[-length:]]))
    others = {
        other
        for other, identifier in known.items()
        if other != key and any(one.startswith(text) or one.endswith(text) for one in (other, identifier))
    }
    if not others or text == form:
        assert ids.resolve(text, known) == key
    else:
        with pytest.raises(UsageError, match="may be"):
            ids.resolve(text, known)


@given(DESKS, st.text(max_size=12))
def test_any_text_resolves_to_a_known_task_or_says_so(known: dict[str, str], text: str) -> None:
    if len(ids.matching(text, known)) == 1:
        assert ids.resolve(text, known) in known
    else:
        with pytest.raises(UsageError):
            ids.resolve(text, known)


KNOWN = {
    "20261120-195331-abcdef": "20261120-195331-letter-abcdef",
    "20261120-195332-abcdex": "20261120-195332-letter-abcdex",
}


@pytest.mark.parametrize(
    "text",
    [
        "20261120-195331-letter-abcdef.json",
        "queue/approvals/20261120-195331-letter-abcdef.json.approved",
        "20261120-195331-letter-abcdef.in.pdf",
        "/somewhere/queue/completed/20261120-195331-letter-abcdef.out/",
        "ABCDEF",
        " abcdef ",
    ],
)
def test_names_of_its_files_mean_the_task(text: str) -> None:
    assert ids.resolve(text, KNOWN) == "20261120-195331-abcdef"


def test_last_is_the_newest_and_says_when_there_is_none() -> None:
    assert ids.resolve("@last", KNOWN, last="20261120-195332-abcdex") == "20261120-195332-abcdex"
    with pytest.raises(UsageError, match="there is no waiting task yet"):
        ids.resolve("@last", {}, what="waiting task")


def test_an_ambiguous_text_names_what_it_may_be() -> None:
    many = {f"20261120-19533{n}-aaaaa{c}": f"20261120-19533{n}-x-aaaaa{c}" for n, c in enumerate("bcdefgh")}
    with pytest.raises(UsageError) as caught:
        ids.resolve("20261120", many)
    assert "20261120-195330-x-aaaaab" in caught.value.cause and "and 2 more" in caught.value.cause
    assert all(is_id(identifier) for identifier in many.values())


def test_a_whole_id_wins_over_being_the_end_of_another_one() -> None:
    known = {"a-b": "b", "x-a-b": "x"}
    assert ids.resolve("a-b", known) == "a-b"
