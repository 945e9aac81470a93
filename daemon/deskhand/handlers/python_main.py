"""Runs the function of a `python` recipe in a process of its own.

``python -I -B -X utf8 python_main.py CODE SHA256 FUNCTION INPUT OUTPUT_DIR PARAMETERS`` loads CODE when its bytes have
that hash, reads the parameters from the JSON file PARAMETERS, and calls ``FUNCTION(input: Path, output_dir: Path,
params: dict[str, str])``.  Exits with 0 when it returns, with 1 and the traceback on stderr when it raises or cannot be
loaded; ``SystemExit`` is obeyed.  What the function returns means nothing: results are the files in the output folder.

Standard library only, so that the recipe's code finds a clean interpreter.  Writes no bytecode beside the snapshot.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

MODULE = "deskhand_recipe"


def load(code: Path, sha256: str) -> ModuleType:
    """The file as a module.  Raises ValueError when its bytes are not those that were blessed."""
    data = code.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise ValueError(f"{code}: the code has changed since it was blessed ({found}, not {sha256})")
    module = ModuleType(MODULE)
    module.__file__ = str(code)
    # Classes defined there look their module up by name.
    sys.modules[MODULE] = module
    exec(compile(data, str(code), "exec"), module.__dict__)
    return module


def main(code: str, sha256: str, function: str, input: str, output_dir: str, parameters: str) -> None:
    """Load and call.  Raises what loading or the function raises."""
    params: dict[str, str] = json.loads(Path(parameters).read_text(encoding="utf-8"))
    module = load(Path(code), sha256)
    called: Callable[[Path, Path, dict[str, str]], object] | None = getattr(module, function, None)
    if not callable(called):
        raise ValueError(f"{code}: has no function {function}")
    called(Path(input), Path(output_dir), params)


if __name__ == "__main__":
    main(*sys.argv[1:])
