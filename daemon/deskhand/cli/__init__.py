"""The command line: ``main`` is what the command ``deskhand`` runs.

One file per verb, imported only when the verb is used.  Verbs parse, ask the layers below, and print; they decide
nothing.  What is printed for programs (``--json``) has a schema number; exit codes are those of ``deskhand.errors``.
"""

from __future__ import annotations

from deskhand.cli.group import Root
from deskhand.cli.verbs import ROOT

__all__ = ["main"]

main = Root(name="deskhand", verbs=ROOT)
