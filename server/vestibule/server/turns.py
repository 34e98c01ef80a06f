"""Turns of the event loop: what was queued in one leaves at its end, all together."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from vestibule.server.errors import place_of


__all__ = ["Turns"]

log = structlog.get_logger("vestibule.turns")


class Turns:
    """Runs callbacks at the end of the current turn, for one call to the loop a turn.

    `number` tells turns apart, for whoever bounds what it does in one.
    """

    __slots__ = ("_armed", "_call_soon", "_pending", "number")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._call_soon: Final = loop.call_soon
        self._pending: list[Callable[[], None]] = []
        self._armed = False
        self.number = 0

    def at_end(self, callback: Callable[[], None]) -> None:
        """Run `callback` at the end of this turn; what it raises stops no other."""
        self._pending.append(callback)
        if not self._armed:
            self._armed = True
            self._call_soon(self._end)

    def _end(self) -> None:
        self.number += 1
        self._armed = False
        pending, self._pending = self._pending, []
        for callback in pending:
            try:
                callback()
            except Exception as problem:  # noqa: BLE001 - the others' turn goes on
                log.warning(
                    "turn.failed",
                    exception=type(problem).__name__,
                    place=place_of(problem),
                )
