"""Deadlines of many short-lived things, for one timer of the loop."""

import asyncio
import heapq
from itertools import count
from typing import Final, Protocol

import structlog

from vestibule.server.errors import place_of


__all__ = ["Deadlines", "Due"]

log = structlog.get_logger("vestibule.deadlines")


class Due(Protocol):
    """Something that is late from `due` on, a time of the loop's clock in seconds."""

    @property
    def due(self) -> float:
        """When it is late; it may move later while it waits."""

    @property
    def over(self) -> bool:
        """Whether it is late no more, whatever the time."""

    def late(self) -> None:
        """Called once, when it is late and not over."""


class Deadlines:
    """Watches things until they are over or late.

    Most are over long before: taking them out early would cost more than passing over
    them when their time comes. So they stay here till then, and hold little.
    """

    __slots__ = ("_heap", "_loop", "_order", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop: Final = loop
        self._heap: list[tuple[float, int, Due]] = []
        self._order: Final = count()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._heap)

    def watch(self, thing: Due) -> None:
        """Call `thing.late()` from `thing.due` on, unless it is over by then."""
        due = thing.due
        heapq.heappush(self._heap, (due, next(self._order), thing))
        self._arm(due)

    def _arm(self, due: float) -> None:
        """Look at `due`, or earlier if that was planned already."""
        timer = self._timer
        if timer is not None:
            if timer.when() <= due:
                return
            timer.cancel()
        self._timer = self._loop.call_at(due, self._look)

    def _look(self) -> None:
        self._timer = None
        heap, now = self._heap, self._loop.time()
        while heap and (heap[0][2].over or heap[0][0] <= now):
            _, _, thing = heapq.heappop(heap)
            if thing.over:
                continue
            if thing.due > now:
                heapq.heappush(heap, (thing.due, next(self._order), thing))
                continue
            try:
                thing.late()
            except Exception as problem:  # noqa: BLE001 - the others are watched on
                log.warning(
                    "deadline.failed",
                    exception=type(problem).__name__,
                    place=place_of(problem),
                )
        if heap:
            self._arm(heap[0][0])

    def close(self) -> None:
        """Watch nothing any more."""
        self._heap.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
