"""Bar charts as SVG: a few numbers over time, readable on a light and on a dark page, without any script."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from msgspec import Struct

WIDTH, HEIGHT = 720, 220
LEFT, TOP, BOTTOM = 56, 34, 26
"""Pixels around the bars."""
GREY = "#888888"
"""Reads on white and on black."""


class Series(Struct, frozen=True):
    """One colour of bars, stacked on those before it."""

    name: str
    colour: str
    values: tuple[float | None, ...]
    """One for each label; None where nothing is known."""


def bars(title: str, labels: Sequence[str], series: Sequence[Series], unit: str = "") -> str:
    """The picture.  What is not known is shown as a dash, not as nothing."""
    count = max(1, len(labels))
    highest = max((sum(part.values[at] or 0.0 for part in series) for at in range(len(labels))), default=0.0)
    room, each = HEIGHT - TOP - BOTTOM, (WIDTH - LEFT) / count
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="sans-serif" font-size="11" fill="{GREY}" role="img" aria-label="{_text(title)}">'
    )
    parts = [
        head,
        f'<text x="0" y="14" font-size="13">{_text(title)}</text>',
        *_legend(series),
        f'<text x="{LEFT - 6}" y="{TOP + 4}" text-anchor="end">{_text(_number(highest))}{_text(unit)}</text>',
        f'<text x="{LEFT - 6}" y="{TOP + room}" text-anchor="end">0</text>',
        f'<path d="M{LEFT} {TOP}V{TOP + room}H{WIDTH}" stroke="{GREY}" fill="none"/>',
    ]
    for at, label in enumerate(labels):
        x, y = LEFT + at * each + each * 0.12, float(TOP + room)
        if all(part.values[at] is None for part in series):
            parts.append(f'<text x="{x + each * 0.38:.1f}" y="{TOP + room - 3}" text-anchor="middle">–</text>')
        for part in series:
            height = room * (part.values[at] or 0.0) / highest if highest else 0.0
            if height:
                y -= height
                parts.append(
                    f'<rect x="{x:.1f}" y="{y:.1f}" width="{each * 0.76:.1f}" height="{height:.1f}" '
                    f'fill="{part.colour}"><title>{_text(label)}: {_text(_number(part.values[at] or 0.0))}'
                    f"{_text(unit)} {_text(part.name)}</title></rect>"
                )
        if at % max(1, -(-count // 12)) == 0:
            parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 8}">{_text(label)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _legend(series: Sequence[Series]) -> list[str]:
    found, x = [], float(WIDTH)
    for part in reversed(series):
        x -= 16 + 7 * len(part.name)
        found.append(f'<rect x="{x:.0f}" y="6" width="9" height="9" fill="{part.colour}"/>')
        found.append(f'<text x="{x + 12:.0f}" y="14">{_text(part.name)}</text>')
    return found


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"


def _text(value: str) -> str:
    return escape(value, {'"': "&quot;"})
