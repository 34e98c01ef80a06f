"""Publications on their way: a window, and the time each took to reach everybody."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from time import perf_counter


__all__ = ["Flight"]


class Flight:
    """Publishes in a window and waits until every receiver has everything.

    Each receiver must get every event, in order: its own count of arrivals tells which
    publication it has. A publication is done when the last receiver has it.
    """

    def __init__(self, receivers: int) -> None:
        self.receivers = receivers
        self.arrivals = [0] * receivers
        self.missing: list[int] = []
        self.sent: list[float] = []
        self.latencies: list[float] = []
        self.wanted = 0
        self.waiter: asyncio.Future[None] | None = None

    def receiver(self, number: int) -> Callable[[], None]:
        """Give what receiver `number` calls for each event."""
        return partial(self.arrived, number)

    def arrived(self, number: int) -> None:
        """Count one delivery."""
        position = self.arrivals[number]
        self.arrivals[number] = position + 1
        self.missing[position] -= 1
        if self.missing[position] == 0:
            self.latencies.append(perf_counter() - self.sent[position])
            if self.waiter is not None and len(self.latencies) >= self.wanted:
                self.waiter.set_result(None)
                self.waiter = None

    async def until(self, done: int) -> None:
        """Wait until that many publications have reached everybody."""
        if len(self.latencies) < done:
            self.wanted = done
            self.waiter = asyncio.get_running_loop().create_future()
            await self.waiter

    async def fly(
        self, publish: Callable[[], Awaitable[None]], count: int, window: int
    ) -> list[float]:
        """Publish `count` times, at most `window` on their way; gives the latencies.

        A full window is let drain to its half, so that both ends can batch. A window
        of 1 is complete delivery before the next publication.
        """
        self.arrivals = [0] * self.receivers
        self.missing = [self.receivers] * count
        self.sent = []
        self.latencies = []
        for number in range(1, count + 1):
            self.sent.append(perf_counter())
            await publish()
            if number - len(self.latencies) >= window:
                await self.until(number - window // 2)
        await self.until(count)
        return self.latencies
