"""Functions of `python` recipes, run in a process of their own."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from deskhand.core.recipe import Recipe
from deskhand.errors import ConfigError, RunError
from deskhand.handlers.python import python_line, write_parameters

CODE = """
import sys
from dataclasses import dataclass

@dataclass
class Letter:
    text: str

def run(input, output_dir, params):
    letter = Letter(input.read_text())
    (output_dir / "result.txt").write_text(letter.text.upper() + params["sign"])

def fail(input, output_dir, params):
    raise LookupError("no such customer")

def leave(input, output_dir, params):
    sys.exit(7)

constant = 3
"""


class Place:
    """An attempt's folder with a snapshot of the code."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.code = folder / "v0001.py"
        self.code.write_text(CODE)
        self.input = folder / "letter ä.txt"
        self.input.write_text("hello ")
        self.out = folder / "out"
        self.out.mkdir()
        self.params = write_parameters(folder, {"sign": "Ω"})

    def recipe(self, function: str = "run", sha256: str | None = None) -> Recipe:
        return Recipe(
            *("letters", "python", "purpose", "environment", "inputs", "outputs", "safety", "observability"),
            code="letters.py",
            function=function,
            code_sha256=sha256 or hashlib.sha256(self.code.read_bytes()).hexdigest(),
        )

    def run(self, recipe: Recipe) -> subprocess.CompletedProcess[str]:
        argv = python_line(recipe, self.code, input=self.input, output_dir=self.out, parameters=self.params)
        env = {"LANG": "C", "PYTHONSTARTUP": "/nowhere", "PYTHONPATH": str(self.folder)}
        return subprocess.run(argv, cwd=self.folder, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Ready to run."""
    return Place(tmp_path)


def test_function_gets_input_output_and_parameters(place: Place) -> None:
    done = place.run(place.recipe())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (place.out / "result.txt").read_text(encoding="utf-8") == "HELLO Ω"


def test_no_bytecode_is_written(place: Place) -> None:
    place.run(place.recipe())
    assert not list(place.folder.rglob("*.pyc"))


def test_exception_is_exit_1_with_a_traceback_that_shows_the_line(place: Place) -> None:
    done = place.run(place.recipe("fail"))
    assert done.returncode == 1
    assert done.stderr.endswith("LookupError: no such customer\n")
    assert 'raise LookupError("no such customer")' in done.stderr


def test_exit_status_of_its_own_is_kept(place: Place) -> None:
    assert place.run(place.recipe("leave")).returncode == 7


@pytest.mark.parametrize("function", ["missing", "constant"])
def test_function_that_is_not_there_is_named(place: Place, function: str) -> None:
    done = place.run(place.recipe(function))
    assert done.returncode == 1
    assert f"has no function {function}" in done.stderr


def test_code_that_changed_since_blessing_is_not_run(place: Place) -> None:
    blessed = place.recipe()
    place.code.write_text(CODE + "\nprint('changed')\n")
    done = place.run(blessed)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the code has changed since it was blessed" in done.stderr
    assert not list(place.out.iterdir())


def test_code_without_a_hash_is_refused(place: Place) -> None:
    recipe = Recipe("a", "python", "", "", "", "", "", "", code="a.py")
    with pytest.raises(ConfigError, match="the hash of its code is not known"):
        place.run(recipe)


@pytest.mark.parametrize("function", ["", "-c", "a.b", "a b"])
def test_function_must_be_a_name(place: Place, function: str) -> None:
    with pytest.raises(ConfigError, match="not the name of a function"):
        place.run(place.recipe(function))


def test_parameters_are_private_and_no_arguments(place: Place) -> None:
    assert place.params.stat().st_mode & 0o777 == 0o600
    assert json.loads(place.params.read_text(encoding="utf-8")) == {"sign": "Ω"}
    argv = python_line(place.recipe(), place.code, input=place.input, output_dir=place.out, parameters=place.params)
    assert not any("Ω" in part for part in argv)


def test_parameters_are_never_written_through_what_is_there(place: Place) -> None:
    with pytest.raises(RunError, match="hand over the parameters"):
        write_parameters(place.folder, {})
