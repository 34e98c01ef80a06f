"""The audit trail of a running broker: put, wait, ask, close."""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from vestibule.server.trail.database import Database
from vestibule.server.trail.lines import Line
from vestibule.server.trail.opening import open_trail
from vestibule.server.trail.queries import Query
from vestibule.server.trail.retention import Limits, Retention
from vestibule.server.trail.waiting import Waiting
from vestibule.server.trail.writer import Writer


__all__ = ["Settings", "Trail"]

_QUERY_SECONDS: Final = 5.0
"""A million lines take one or two."""


class Settings(Limits, Protocol):
    """The section `audit` of the configuration."""

    @property
    def queue_lines(self) -> int:
        """Lines of a kind that may wait for the disk."""

    @property
    def on_failure(self) -> Literal["continue", "refuse"]:
        """What the broker does while lines cannot be written."""


class Trail:
    """An open trail. `open` makes it, `close` must be awaited at the end.

    All but the thread behind it belongs to the event loop.
    """

    def __init__(
        self,
        waiting: Waiting,
        writer: Writer,
        reader: Database,
        *,
        refuse: bool,
        on_lost: Callable[[], None],
    ) -> None:
        self._waiting: Final = waiting
        self._writer: Final = writer
        self._reader: Final = reader
        self._refuse: Final = refuse
        self._on_lost: Final = on_lost
        self._reading: Final = asyncio.Lock()
        self.put: Final[Callable[[str, Mapping[str, Any]], None]] = waiting.put
        """Take a line on: kind and fields. Cheap; see `Waiting.put`."""

    @classmethod
    async def open(
        cls,
        folder: Path,
        settings: Settings,
        *,
        on_lost: Callable[[], None],
        now: Callable[[], float] = time.time,
    ) -> "Trail":
        """Go on with the trail in a folder, or begin one.

        `on_lost` is called, on the loop, for each line that could not be kept.

        Raises:
            TrailDamaged: its files do not fit together; one line says which and why.
        """
        opened = await asyncio.to_thread(open_trail, folder, now)
        waiting = Waiting(settings.queue_lines, on_lost=on_lost, clock=now)
        retention = Retention(settings, now=now)
        writer = Writer(folder, opened.writer, opened.key, waiting, retention, now=now)
        writer.start()
        refuse = settings.on_failure == "refuse"
        return cls(waiting, writer, opened.reader, refuse=refuse, on_lost=on_lost)

    @property
    def failed(self) -> bool:
        """Whether the last attempt to write failed."""
        return self._waiting.failing

    @property
    def refuses(self) -> bool:
        """Whether nothing may be done now that has to leave a line."""
        return self._refuse and self._waiting.failing

    async def settled(self) -> None:
        """Wait until the lines put so far are on disk, or could not be written."""
        await self._waiting.settle().wait()

    async def room(self) -> None:
        """Wait until deeds have a place again; at once where they have one."""
        while self._waiting.full and not self._waiting.failing:
            await self.settled()

    async def query(self, query: Query) -> list[Line]:
        """Give the lines that fit, latest first, one more than asked if there is one.

        It knows of everything that was put before.

        Raises:
            TrailError: it takes too long, or cannot be read.
        """
        await self.settled()
        async with self._reading:
            end = time.monotonic() + _QUERY_SECONDS

            def expired() -> bool:
                return time.monotonic() > end

            return await asyncio.to_thread(self._reader.select, query, expired=expired)

    async def close(self) -> None:
        """Write what waits and close the files; what cannot be written is counted."""
        async with self._reading:
            # Before the writer, which as the last one leaves a file without others.
            self._reader.close()
        self._waiting.close()
        await asyncio.to_thread(self._writer.join)
        self._waiting.failed()
        for _ in range(self._writer.unwritten):
            self._on_lost()
