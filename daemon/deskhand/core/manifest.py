"""``MANIFEST.sha256``: a line for each file of a backup, as ``sha256sum`` prints and checks it.

``<64 hex digits>  <path>`` and LF, sorted by the path's bytes.  Paths are the names of the archive's entries, which
have neither backslash nor line break (``core.entry_name``), so no line is ever escaped.
"""

from __future__ import annotations

from collections.abc import Mapping


def encode_manifest(hashes: Mapping[str, str]) -> bytes:
    """The file's content; *hashes*: path -> SHA-256 in hex."""
    lines = sorted((path.encode(), digest) for path, digest in hashes.items())
    return b"".join(b"%b  %b\n" % (digest.encode(), path) for path, digest in lines)
