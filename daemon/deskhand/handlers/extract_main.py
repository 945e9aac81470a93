"""The child program that reads a PDF or an office file: ``python -I extract_main.py INPUT OUTPUT MEDIA-TYPE``.

Run under limits, because a document is foreign input to a large parser.  Writes the text (UTF-8) to OUTPUT, which must
not exist, and ends with 0; else with 1 and one line on standard error.  The only module that imports kreuzberg; no
cache, no optical recognition, no network.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

PLAIN = frozenset({"application/pdf"})
"""Types whose lines matter more than the guesses of a layout analysis."""
OUTPUT_MAX = 16 * 1024 * 1024
"""Bytes of text that are written; a note shows far less."""


def main(argv: list[str]) -> int:
    """Read, convert, write."""
    if len(argv) != 4:
        sys.stderr.write("usage: extract_main.py INPUT OUTPUT MEDIA-TYPE\n")
        return 2
    source, target, media_type = argv[1:]
    try:
        text = extract(Path(source), media_type)
        data = text.encode("utf-8", "replace")[:OUTPUT_MAX]
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
    except (OSError, MemoryError, ExtractError) as error:
        sys.stderr.write(" ".join((str(error) or type(error).__name__).split()) + "\n")
        return 1
    return 0


class ExtractError(Exception):
    """The document could not be read; the text says why."""


def extract(source: Path, media_type: str) -> str:
    """The document's text: plain for a PDF, Markdown for office files.  ExtractError says why there is none."""
    try:
        from kreuzberg import ConcurrencyConfig, ExtractionConfig, KreuzbergError, extract_file_sync
    except ImportError as error:
        raise ExtractError(f"the document reader cannot be loaded ({error})") from error
    # A mapping, because the library's type information does not know `disable_ocr`.
    settings: dict[str, Any] = {
        "use_cache": False,
        "disable_ocr": True,
        "output_format": "plain" if media_type in PLAIN else "markdown",
        # Each thread reserves address space, which is what the memory limit counts.
        "concurrency": ConcurrencyConfig(max_threads=1),
    }
    try:
        return extract_file_sync(source, media_type, ExtractionConfig(**settings)).content
    except (KreuzbergError, RuntimeError, ValueError) as error:
        raise ExtractError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main(sys.argv))
