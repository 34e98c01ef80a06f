"""The scenarios in Python; `js/bench.mjs` is the same for JavaScript clients."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from functools import partial
from time import perf_counter
from typing import Any, Final, TypeVar

from harness.clients.base import Client, Driver
from harness.control import Control
from harness.flight import Flight
from harness.plan import Plan


__all__ = ["RUNS", "Bench"]

T = TypeVar("T")
Run = Callable[[int], Awaitable[Sequence[float]]]

FIRST_CHUNK = 50
WARM_LOGINS = 20
LOGINS_AT_ONCE = 20


class Bench:
    """One driver's scenarios, each leaving no connection behind."""

    def __init__(self, driver: Driver, plan: Plan, control: Control) -> None:
        self.driver = driver
        self.plan = plan
        self.control = control

    async def login_seq(self) -> None:
        """Log in one connection after the other, each of another user."""
        clients: list[Client] = []

        async def run(count: int) -> list[float]:
            latencies = []
            for number in range(count):
                start = perf_counter()
                clients.append(await self.driver.connect(number))
                latencies.append(perf_counter() - start)
            return latencies

        close = partial(self.close, clients)
        count = await self.sized(run, after=close, chunk=WARM_LOGINS)
        await self.control.measure("login_seq", count, partial(run, count), close)

    async def login_conc(self) -> None:
        """Log in many connections at once."""
        clients: list[Client] = []

        async def login(number: int) -> float:
            start = perf_counter()
            clients.append(await self.driver.connect(number))
            return perf_counter() - start

        async def run() -> list[float]:
            return await together(login(number) for number in range(self.plan.logins))

        close = partial(self.close, clients)
        await run()
        await close()
        await self.control.measure("login_conc", self.plan.logins, run, close)

    async def rpc_1(self) -> None:
        """Call an echo, each call after the answer to the one before."""
        await self.round_trips("rpc_1", callers=1)

    async def rpc_50(self) -> None:
        """Call an echo from many connections, each one call at a time."""
        await self.round_trips("rpc_50", callers=self.plan.callers)

    async def round_trips(self, scenario: str, callers: int) -> None:
        """Call an echo that another connection of this process provides."""
        name = self.driver.name("rpc/echo")
        provider = await self.driver.connect(0)
        await provider.provide_echo(name)
        clients = await self.connect_many(callers, first=1)

        async def call(client: Client, count: int) -> list[float]:
            latencies = []
            for _ in range(count):
                start = perf_counter()
                await client.call(name)
                latencies.append(perf_counter() - start)
            return latencies

        async def run(count: int) -> list[float]:
            share = count // callers
            each = await together(call(client, share) for client in clients)
            return [latency for latencies in each for latency in latencies]

        count = await self.sized(run, chunk=FIRST_CHUNK * callers, step=callers)
        await self.control.measure(scenario, count, partial(run, count))
        await self.close([provider, *clients])

    async def publish(self) -> None:
        """Publish to one subscriber, pipelined."""
        await self.flights("publish", "ev/one", receivers=1, window=self.plan.window)

    async def fan_16(self) -> None:
        """Publish to many subscribers, pipelined."""
        plan = self.plan
        await self.flights("fan_16", "ev/fan", plan.subscribers, plan.fan_window)

    async def fan_1(self) -> None:
        """Publish to many subscribers, each after the one before is with all."""
        await self.flights("fan_1", "ev/fan", self.plan.subscribers, window=1)

    async def flights(
        self, scenario: str, path: str, receivers: int, window: int
    ) -> None:
        """Publish to `receivers` connections, at most `window` events on their way."""
        name = self.driver.name(path)
        publisher = await self.driver.connect(0)
        clients = await self.connect_many(receivers, first=1)
        flight = Flight(receivers)
        for number, client in enumerate(clients):
            await client.subscribe(name, flight.receiver(number))

        async def run(count: int) -> list[float]:
            return await flight.fly(partial(publisher.publish, name), count, window)

        count = await self.sized(run, chunk=FIRST_CHUNK)
        units = count * receivers
        await self.control.measure(scenario, units, partial(run, count))
        await self.close([publisher, *clients])

    async def idle(self) -> None:
        """Hold many logged-in connections that do nothing."""
        clients: list[Client] = []
        await self.close(await self.connect_many(WARM_LOGINS))

        async def run() -> list[float]:
            clients.extend(await self.connect_many(self.plan.idle))
            await asyncio.sleep(self.plan.idle_settle_seconds)
            return []

        await self.control.measure("idle", self.plan.idle, run)
        await self.close(clients)

    async def connect_many(self, count: int, *, first: int = 0) -> list[Client]:
        """Connect users `first` and following, some at a time."""
        clients: list[Client] = []
        for start in range(first, first + count, LOGINS_AT_ONCE):
            batch = range(start, min(start + LOGINS_AT_ONCE, first + count))
            clients += await together(self.driver.connect(number) for number in batch)
        return clients

    async def close(self, clients: list[Client]) -> None:
        """Close connections and forget them."""
        for client in clients:
            await client.close()
        clients.clear()

    async def sized(
        self,
        run: Run,
        *,
        chunk: int,
        step: int = 1,
        after: Callable[[], Awaitable[None]] | None = None,
    ) -> int:
        """Warm up, and say how many units a measure of the planned length has.

        The last chunk's rate decides, when compilers and caches are warm; chunks grow,
        so that a fast peer is not timed over a few milliseconds.
        """
        until = perf_counter() + self.plan.warm_seconds
        count = chunk
        while True:
            start = perf_counter()
            await run(count)
            took = perf_counter() - start
            if after is not None:
                await after()
            planned = max(chunk, int(count / took * self.plan.seconds))
            if perf_counter() >= until:
                return planned - planned % step
            count = min(count * 2, max(chunk, planned // 4))
            count -= count % step


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Do all at once; the first that fails ends the others."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(each) for each in work]
    return [each.result() for each in running]


RUNS: Final[dict[str, Callable[[Bench], Awaitable[None]]]] = {
    "login_seq": Bench.login_seq,
    "login_conc": Bench.login_conc,
    "rpc_1": Bench.rpc_1,
    "rpc_50": Bench.rpc_50,
    "publish": Bench.publish,
    "fan_16": Bench.fan_16,
    "fan_1": Bench.fan_1,
    "idle": Bench.idle,
}
