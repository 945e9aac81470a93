"""Program lines of `command` recipes: what is filled in, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.core.recipe import Parameter, Recipe
from deskhand.core.task import InputFile, Options, Source, TaskFile
from deskhand.errors import ConfigError
from deskhand.handlers.command import command_line, parameters

INPUT = Path("/desk/queue/.work/k-1/in/letter.txt")
OUT = Path("/desk/queue/.work/k-1/out")


def recipe(*argv: str, **params: Parameter) -> Recipe:
    return Recipe(
        *("scan", "command", "purpose", "environment", "inputs", "outputs", "safety", "observability"),
        argv=argv,
        params=params,
    )


def task(name: str = "letter.txt", **params: str) -> TaskFile:
    return TaskFile(
        *(1, "20261120-200000-letter-abcdef", name, 0.0, "main", "file", (InputFile("", "0" * 64, 1),), "salt"),
        source=Source(1, 2, 3, 4, 5),
        input="20261120-200000-letter-abcdef.in.txt",
        options=Options(params=params),
    )


def line(template: Recipe, dropped: TaskFile) -> tuple[str, ...]:
    return command_line(template, dropped, input=INPUT, output_dir=OUT)


def test_placeholders_are_filled_in_inside_their_element() -> None:
    made = line(
        recipe(
            "convert", "{input}", "{output_dir}/{param.kind}.pdf", "--title={name} ({id})", kind=Parameter("d", "a4")
        ),
        task(),
    )
    assert made == (
        "convert",
        str(INPUT),
        f"{OUT}/a4.pdf",
        "--title=letter.txt (20261120-200000-letter-abcdef)",
    )


def test_nothing_is_split_and_nothing_is_a_shell() -> None:
    evil = "a b; rm -rf $HOME `id` 'x' \"y\"\n*"
    assert line(recipe("echo", "{param.text}", text=Parameter("d")), task(text=evil)) == ("echo", evil)


def test_filled_in_text_is_not_filled_in_again() -> None:
    assert line(recipe("echo", "x{name}"), task("{input}")) == ("echo", "x{input}")


@pytest.mark.parametrize("literal", ["{}", "{ print $1 }", '{"a":1}', "${HOME}", "a{b", "{{"])
def test_other_braces_are_literal(literal: str) -> None:
    assert line(recipe("x", literal), task())[1] == literal


@pytest.mark.parametrize("unknown", ["{inptu}", "{param.missing}", "{param}"])
def test_unknown_placeholder_is_refused_with_what_is_known(unknown: str) -> None:
    with pytest.raises(ConfigError, match="unknown placeholder") as caught:
        line(recipe("x", unknown), task())
    assert "{input}, {output_dir}, {id}, {name}" in str(caught.value.hint)


@pytest.mark.parametrize("value", ["-", "-rf", "--help"])
def test_parameter_that_could_be_an_option_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="begins with '-'"):
        line(recipe("x", "ok/{param.p}", p=Parameter("d")), task(p=value))
    with pytest.raises(ConfigError, match="begins with '-'"):
        line(recipe("x", p=Parameter("d", default=value)), task())


def test_dropped_name_never_becomes_an_option() -> None:
    with pytest.raises(ConfigError, match="taken for an option") as caught:
        line(recipe("x", "{name}"), task("-rf"))
    assert caught.value.hint == "write './{name}' or use {input}"
    assert line(recipe("x", "./{name}"), task("-rf")) == ("x", "./-rf")


def test_empty_parameters_cannot_uncover_an_option() -> None:
    with pytest.raises(ConfigError, match="taken for an option"):
        line(recipe("x", "{param.p}-rf", p=Parameter("d")), task(p=""))


def test_option_of_the_recipe_itself_is_fine() -> None:
    assert line(recipe("x", "-o{name}"), task("-y")) == ("x", "-o-y")


def test_nul_is_refused() -> None:
    with pytest.raises(ConfigError, match="NUL"):
        line(recipe("x", p=Parameter("d")), task(p="a\0b"))
    with pytest.raises(ConfigError, match="NUL"):
        line(recipe("x", "{name}"), task("a\0b"))


def test_empty_command_is_refused() -> None:
    with pytest.raises(ConfigError, match="argv is empty"):
        line(recipe(), task())


def test_every_violation_of_the_parameters_is_named_at_once() -> None:
    declared = recipe(
        "x",
        need=Parameter("d"),
        size=Parameter("d", choices=("a4", "a5")),
        dash=Parameter("d"),
        fine=Parameter("d", "1"),
    )
    with pytest.raises(ConfigError) as caught:
        parameters(declared, {"size": "a0", "dash": "-x", "typo": "1"})
    assert caught.value.cause.splitlines() == [
        "typo: the recipe has no such parameter",
        "need: missing",
        "size: its value is not one of a4, a5",
        "dash: its value begins with '-' and could be taken for an option",
    ]


def test_given_values_win_over_defaults() -> None:
    declared = recipe("x", a=Parameter("d", "1"), b=Parameter("d", "2"))
    assert parameters(declared, {"b": "3"}) == {"a": "1", "b": "3"}


@given(
    name=st.text(), value=st.text(), elements=st.lists(st.sampled_from(["{name}", "{param.p}", "a", "{input}", "-o"]))
)
def test_whatever_is_dropped_the_arguments_stay_the_recipes(name: str, value: str, elements: list[str]) -> None:
    template = recipe("prog", *("".join(elements[i : i + 2]) for i in range(0, len(elements), 2)), p=Parameter("d"))
    try:
        made = line(template, task(name, p=value))
    except ConfigError:
        return
    assert len(made) == len(template.argv)
    for before, after in zip(template.argv, made, strict=True):
        assert "\0" not in after
        assert before.startswith("-") or not after.startswith("-")
