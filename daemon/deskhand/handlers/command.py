"""The program line of a recipe of kind `command`, and the parameters of any recipe.

``{input}`` ``{output_dir}`` ``{id}`` ``{name}`` ``{param.x}`` are filled in inside single elements of ``argv``: there
is no shell and nothing is split, so a value is always part of exactly one argument.  A value can never become an
option: an argument that begins with a placeholder may not come out beginning with ``-``.  Braces around anything that
does not look like a placeholder are literal.

Decides and computes only; touches no disk and starts nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from os import PathLike, fspath

from deskhand.core.recipe import Parameter, Recipe
from deskhand.core.task import TaskFile
from deskhand.errors import ConfigError

_PLACEHOLDER = re.compile(r"\{([a-z_]+(?:\.[A-Za-z0-9_-]+)?)\}")


def parameters(recipe: Recipe, given: Mapping[str, str]) -> dict[str, str]:
    """The value of every parameter of *recipe*, from what a drop gave and the defaults.

    Raises ConfigError, one line per violation: unknown, missing, not among the choices, beginning with `-`, with a NUL.
    """
    problems = [f"{name}: the recipe has no such parameter" for name in sorted(given.keys() - recipe.params.keys())]
    values: dict[str, str] = {}
    for name, parameter in recipe.params.items():
        value = given.get(name, parameter.default)
        problem = _problem(parameter, value)
        if problem is not None:
            problems.append(f"{name}: {problem}")
        elif value is not None:
            values[name] = value
    if problems:
        raise ConfigError(f"fill in the parameters of {recipe.id}", "\n".join(problems))
    return values


def _problem(parameter: Parameter, value: str | None) -> str | None:
    if value is None:
        return "missing"
    if value.startswith("-"):
        return "its value begins with '-' and could be taken for an option"
    if "\0" in value:
        return "contains a NUL character"
    if parameter.choices and value not in parameter.choices:
        return f"its value is not one of {', '.join(parameter.choices)}"
    return None


def command_line(
    recipe: Recipe, task: TaskFile, *, input: str | PathLike[str], output_dir: str | PathLike[str]
) -> tuple[str, ...]:
    """The program and its arguments for one attempt; *input* and *output_dir* are absolute paths in its folder.

    Raises ConfigError when a parameter is refused, a placeholder is unknown, or a value would become an option.
    """
    values = {"input": fspath(input), "output_dir": fspath(output_dir), "id": task.id, "name": task.name}
    values |= {f"param.{name}": value for name, value in parameters(recipe, task.options.params).items()}
    if not recipe.argv:
        raise ConfigError(f"build the command of {recipe.id}", "argv is empty")
    return tuple(_fill(recipe, element, values) for element in recipe.argv)


def _fill(recipe: Recipe, element: str, values: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        if name not in values:
            known = ", ".join(f"{{{known}}}" for known in values)
            raise ConfigError(
                f"build the command of {recipe.id}",
                f"unknown placeholder {{{name}}} in {element!r}",
                hint=f"known here: {known}; to mean the braces literally, put a space inside them",
            )
        return values[name]

    filled = _PLACEHOLDER.sub(value, element)
    if filled.startswith("-") and not element.startswith("-"):
        raise ConfigError(
            f"build the command of {recipe.id}",
            f"{element!r} would begin with '-' and could be taken for an option",
            hint=f"write './{element}' or use {{input}}",
        )
    if "\0" in filled:
        raise ConfigError(f"build the command of {recipe.id}", f"{element!r} would contain a NUL character")
    return filled
