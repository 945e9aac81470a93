"""The program line of a recipe of kind `python`: a function in a snapshotted file, run in a process of its own.

The parameters go through a file that only the daemon's user can read, because any user can read arguments.  The hash of
the code is handed over and checked against the very bytes that are executed.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from deskhand.core.recipe import Recipe
from deskhand.errors import ConfigError, RunError

PROGRAM = Path(__file__).with_name("python_main.py")
PARAMETERS = "params.json"


def write_parameters(folder: Path, values: Mapping[str, str]) -> Path:
    """Put *values* into a new file (mode 0600) in the attempt's *folder*.  Raises RunError."""
    path = folder / PARAMETERS
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            json.dump(dict(values), file)
    except OSError as error:
        raise RunError("hand over the parameters", error.strerror or str(error), path=path) from error
    return path


def python_line(
    recipe: Recipe, code: Path, *, input: str | os.PathLike[str], output_dir: str | os.PathLike[str], parameters: Path
) -> tuple[str, ...]:
    """The program and its arguments that call `function(input, output_dir, params)` of the file *code*; absolute paths.

    Raises ConfigError for a recipe without a hash of its code or with a function that is not a name.
    """
    if recipe.code_sha256 is None:
        raise ConfigError(
            f"run {recipe.id}", "the hash of its code is not known", path=code, hint="bless the recipe again"
        )
    if not recipe.function.isidentifier():
        raise ConfigError(f"run {recipe.id}", f"not the name of a function: {recipe.function!r}", path=code)
    interpreter = (sys.executable, "-I", "-B", "-X", "utf8", str(PROGRAM))
    return (
        *interpreter,
        str(code),
        recipe.code_sha256,
        recipe.function,
        os.fspath(input),
        os.fspath(output_dir),
        str(parameters),
    )
