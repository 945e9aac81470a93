"""A log that remembers."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Logged:
    """One call."""

    level: str
    event: str
    fields: dict[str, object]


@dataclass
class MemoryLog:
    """``core.log.Log`` that keeps everything in ``lines``."""

    lines: list[Logged] = field(default_factory=list)

    def debug(self, event: str, **fields: object) -> None:
        """Remember."""
        self.lines.append(Logged("debug", event, fields))

    def info(self, event: str, **fields: object) -> None:
        """Remember."""
        self.lines.append(Logged("info", event, fields))

    def warning(self, event: str, **fields: object) -> None:
        """Remember."""
        self.lines.append(Logged("warning", event, fields))

    def error(self, event: str, **fields: object) -> None:
        """Remember."""
        self.lines.append(Logged("error", event, fields))

    def events(self, level: str | None = None) -> list[str]:
        """The events so far, in order; only those of *level* when it is given."""
        return [line.event for line in self.lines if level in (None, line.level)]
