"""The limits of what a drop may say about itself."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.core.options import MAX_ITEMS, MAX_MOMENT, MAX_TEXT, check_options
from deskhand.core.task import Options

MANY = tuple(f"k{number}" for number in range(MAX_ITEMS + 1))


@pytest.mark.parametrize(
    ("options", "option", "words"),
    [
        (Options(after=MANY), "after", "more than 100"),
        (Options(params=dict.fromkeys(MANY, "")), "params", "more than 100"),
        (Options(after=("",)), "after", "1 to 200"),
        (Options(key="k" * (MAX_TEXT + 1)), "key", "1 to 200"),
        (Options(recipe=""), "recipe", "1 to 200"),
        (Options(not_before=1e300), "not_before", "1970"),
        (Options(not_before=-1e300), "not_before", "1970"),
        (Options(not_before=math.nan), "not_before", "1970"),
        (Options(priority=10**30), "priority", "-10 to 10"),
        (Options(priority=-11), "priority", "-10 to 10"),
        (Options(key="\udcff"), "key", "UTF-8"),
        (Options(params={"a": "\ud800"}), "params", "UTF-8"),
    ],
)
def test_what_is_out_of_its_limits(options: Options, option: str, words: str) -> None:
    (problem,) = check_options(options)
    assert problem.option == option
    assert words in problem.message


def test_what_is_within_them() -> None:
    after = tuple("k" * (MAX_TEXT - 3) + f"{number:03}" for number in range(MAX_ITEMS))
    params = dict.fromkeys(MANY[:MAX_ITEMS], "")
    assert check_options(Options()) == ()
    assert check_options(Options(after=after, params=params, key="k", recipe="r", priority=-10, not_before=0)) == ()
    assert check_options(Options(not_before=MAX_MOMENT - 1)) == ()


@given(st.builds(Options))
def test_any_options_are_judged_without_repeating_them(options: Options) -> None:
    assert {problem.option for problem in check_options(options)} <= set(Options.__struct_fields__)
