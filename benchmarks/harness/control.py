"""The Python driver's side of `conductor`: what it prints and what it waits for."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence


__all__ = ["Control"]


class Control:
    """Talks to the conductor over standard input and output."""

    async def measure(
        self,
        scenario: str,
        units: int,
        run: Callable[[], Awaitable[Sequence[float]]],
        after: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Measure `run`, which gives the latencies it saw, as often as asked.

        `after` tidies up outside the measured time, after each repeat.
        """
        while True:
            self.say({"begin": scenario, "units": units})
            await self.hear()
            cpu = time.process_time()
            start = time.perf_counter()
            latencies = await run()
            wall = time.perf_counter() - start
            cpu = time.process_time() - cpu
            self.say(
                {
                    "end": scenario,
                    "wall_s": wall,
                    "client_cpu_s": cpu,
                    "p50_us": percentile(latencies, 0.50),
                    "p99_us": percentile(latencies, 0.99),
                }
            )
            word = await self.hear()
            if after is not None:
                await after()
            if word == "next":
                return

    def say(self, message: dict[str, object]) -> None:
        """Print one message."""
        sys.stdout.write(f"{json.dumps(message)}\n")
        sys.stdout.flush()

    async def hear(self) -> str:
        """Wait for a word; connections are served meanwhile."""
        word: str = await asyncio.to_thread(sys.stdin.readline)
        if not word:
            raise EOFError("the conductor has gone")
        return word.strip()


def percentile(seconds: Sequence[float], share: float) -> float | None:
    """Give a percentile in microseconds, None of nothing."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e6, 1)
