"""JSON, set out with one value per line, in a fenced block.

Only blanks change: numbers keep their digits, keys their order.  What is not valid JSON, or nested too deep to be set
out, is shown as it is, with the reason.  Pure.
"""

from __future__ import annotations

import msgspec

from deskhand.handlers.note_markdown import fence
from deskhand.handlers.note_page import Page

SPREAD_MAX = 16 * 1024 * 1024
"""Characters above which the set-out form (indented blanks add up) is not shown."""


def convert(text: str) -> Page:
    """The fenced block."""
    try:
        laid_out = msgspec.json.format(text, indent=2)
    except msgspec.DecodeError as error:
        return Page(fence(text, "json"), remarks=(f"This is not valid JSON: {error}.",))
    except RecursionError:
        return Page(fence(text, "json"), remarks=("This is nested too deep to be set out; it is shown as it is.",))
    if len(laid_out) > SPREAD_MAX:
        return Page(fence(text, "json"), remarks=("Set out, this would be too long; it is shown as it is.",))
    return Page(fence(laid_out, "json"))
