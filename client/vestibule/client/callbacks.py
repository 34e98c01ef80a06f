"""Runs what applications pass in as callbacks: sync ones at once, async ones in order."""

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from vestibule.client.tasks import Tasks


__all__ = ["Callbacks"]

log = logging.getLogger("vestibule.client")


class Callbacks:
    """Calls callbacks so that none of them can break or reorder anything.

    Callbacks are called in the order in which `call` was, on the loop. What an async
    one returns is awaited by one task, one after the other. One that raises is logged.
    """

    __slots__ = ("_idle", "_tasks", "_waiting", "_working")

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._waiting: deque[Awaitable[object]] = deque()
        self._working = False
        self._idle = asyncio.Event()
        self._idle.set()

    def call(self, callback: Callable[..., object] | None, *arguments: Any) -> None:
        """Call `callback`, unless it is None."""
        if callback is None:
            return
        try:
            result = callback(*arguments)
        except Exception:
            log.exception("callback.failed")
            return
        if inspect.isawaitable(result):
            self._waiting.append(result)
            if not self._working:
                self._working = True
                self._idle.clear()
                self._tasks.start(self._work(), name="vestibule callbacks")

    async def _work(self) -> None:
        try:
            while self._waiting:
                try:
                    await self._waiting.popleft()
                except Exception:
                    log.exception("callback.failed")
        finally:
            self._working = False
            self._idle.set()
            # Cancelled: what nobody will await any more is closed, not forgotten.
            while self._waiting:
                awaitable = self._waiting.popleft()
                if inspect.iscoroutine(awaitable):
                    awaitable.close()

    async def drain(self, patience: float) -> None:
        """Wait until the async ones are done, `patience` seconds at most."""
        try:
            async with asyncio.timeout(patience):
                await self._idle.wait()
        except TimeoutError:
            log.warning("callback.slow")
