"""An owner of background tasks: it starts them, waits for them, tells their failures."""

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any

import structlog


__all__ = ["Tasks"]

log = structlog.get_logger("vestibule.tasks")


class Tasks:
    """Tasks that live no longer than their owner.

    A task that raises is logged by exception type and ends alone; whoever needs to
    know awaits the task instead.
    """

    __slots__ = ("_running",)

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def start(
        self, work: Coroutine[Any, Any, None], *, name: str
    ) -> asyncio.Task[None]:
        """Run `work` until it ends or `close` cancels it."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def abandon(self, work: Awaitable[object]) -> None:
        """Let go of what need not be awaited any more, without a warning about it.

        It begins, so that it lets go of what it holds itself, and is cancelled then.
        """

        async def begin() -> None:
            await work

        task = self.start(begin(), name="abandoned")
        asyncio.get_running_loop().call_soon(task.cancel)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if task.cancelled():
            return
        problem = task.exception()
        if problem is not None:
            # The text and the traceback may hold data of a session.
            log.error(
                "task.failed", task=task.get_name(), exception=type(problem).__name__
            )

    async def settle(self, seconds: float) -> None:
        """Wait until all that runs has ended by itself, for `seconds` at most."""
        try:
            async with asyncio.timeout(seconds):
                while running := self._running - {asyncio.current_task()}:
                    await asyncio.wait(running)
        except TimeoutError:
            pass

    async def close(self) -> None:
        """Cancel what still runs and wait until it has ended."""
        # One that has not begun begins first, and lets go of what it was handed.
        await asyncio.sleep(0)
        # What ends may start something, such as telling somebody about its end.
        while running := self._running - {asyncio.current_task()}:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            await asyncio.sleep(0)
