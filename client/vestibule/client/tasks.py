"""An owner of background tasks: it starts them and waits until they have ended."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any


__all__ = ["Tasks"]

log = logging.getLogger("vestibule.client")


class Tasks:
    """Tasks that live no longer than their owner.

    A task that raises is logged by exception type and ends alone.
    """

    __slots__ = ("_closed", "_running")

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._running)

    def start(
        self, work: Coroutine[Any, Any, None], *, name: str
    ) -> asyncio.Task[None]:
        """Run `work` until it ends or `close` cancels it.

        After `close` nothing is started any more: the task is cancelled before it runs.
        """
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)
        if self._closed:
            task.cancel()
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if task.cancelled():
            return
        problem = task.exception()
        if problem is not None:
            # The text and the traceback may hold data of a session.
            log.error(
                "task.failed",
                extra={"task": task.get_name(), "exception": type(problem).__name__},
            )

    async def close(self) -> None:
        """Cancel what still runs and wait until it has ended.

        A task that closes its owner is left to end by itself.
        """
        self._closed = True
        current = asyncio.current_task()
        # A task that is being cancelled may start another: until none is left.
        while running := [task for task in self._running if task is not current]:
            for task in running:
                task.cancel()
            await asyncio.wait(running)
