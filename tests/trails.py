"""Audit trails for tests: chains of lines, and trails that stand open for a block."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vestibule.server.trail import DATABASE, Database, Line, Trail
from vestibule.server.trail.lines import GENESIS, chained, drafts


@dataclass
class Settings:
    """The section `audit`, with small numbers."""

    max_lines: int = 1_000
    max_age: float | None = None
    min_age: float = 0.0
    queue_lines: int = 100
    on_failure: Literal["continue", "refuse"] = "continue"


class Wall:
    """A wall clock that stands still until it is told."""

    def __init__(self, seconds: float = 1_900_000_000.0) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds


def denial(path: str = "news/x", user: str = "lisa") -> dict[str, Any]:
    """Give the fields of a refusal."""
    return {
        "session_id": "5e55",
        "user": user,
        "address": "::1",
        "topic": "event",
        "action": "publish",
        "path": path,
        "code": "MESSAGE_DENIED",
    }


def chain(*events: tuple[str, Mapping[str, Any]], count: int = 0) -> list[Line]:
    """Give a chain of the events, or of `count` refusals."""
    lines: list[Line] = []
    said = [*events, *(("message_denied", denial(f"n/{i}")) for i in range(count))]
    for kind, fields in said:
        (draft,) = drafts(1_000 + len(lines), kind, fields)
        before = lines[-1].hash if lines else GENESIS
        lines.append(chained(draft, len(lines) + 1, before))
    return lines


@asynccontextmanager
async def trail(
    folder: Path,
    settings: Settings | None = None,
    *,
    now: Wall | None = None,
    lost: list[int] | None = None,
) -> AsyncIterator[Trail]:
    """Open a trail for the time of a block; `lost` gets an item a lost line."""
    told: list[int] = [] if lost is None else lost
    opened = await Trail.open(
        folder,
        settings or Settings(),
        on_lost=lambda: told.append(1),
        now=now or Wall(),
    )
    try:
        yield opened
    finally:
        await opened.close()


def stored(folder: Path) -> list[Line]:
    """Give all lines of a folder's trail."""
    with closing(Database.open(folder / DATABASE)) as database:
        return list(database.lines())
