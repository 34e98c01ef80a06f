"""What a refused login takes (L2), and what many at once cost the others (L3)."""

import asyncio
import statistics
import time
from contextlib import AsyncExitStack, suppress
from typing import Any, Self

from hostile.ground import SOURCES, Finding, Ground, Server
from hostile.witness import watching
from vestibule.client import LoginRefused, connect, open_session
from vestibule.protocol.crypto import parse_server_key
from vestibule.server.config_limits import MEMLIMIT_FLOOR, Passwords
from vestibule.server.testing import PeerClosed, RawPeer, RequestRefused


__all__ = ["crowd", "l2", "l3"]

ATTEMPTS = 3
"""Logins of a connection."""

MANY = 1_000_000
PUBLIC_KEY = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
KINDS = ("lisa", "nobody", "disabled", "passwordless")
MIB = 2**20
SAMPLE_SECONDS = 0.02


async def refused_in(server: Server, name: str) -> list[float]:
    """Give the seconds of as many refused logins as a connection has."""
    times = []
    login = {"username": name, "password": "a wrong one"}
    async with connect(server.url, server_key=server.key) as connection:
        for _ in range(ATTEMPTS):
            began = time.perf_counter()
            with suppress(LoginRefused):
                await connection.login(login)
            times.append(time.perf_counter() - began)
    return times


async def l2(ground: Ground) -> list[Finding]:
    """Compare the times of four kinds of refused logins, in turn."""
    rounds = ground.amount(1_000, 60) // ATTEMPTS
    async with ground.broker(
        passwords={"memlimit": MEMLIMIT_FLOOR},
        lockout={"enabled": False},
        quarantine={"max_failures_per_address": MANY},
    ) as server:
        async with server.admin() as admin:
            await server.add_user(admin, "lisa")
            await server.add_user(admin, "disabled")
            security = admin.exchange.security
            await security.update_user({"username": "disabled", "disabled": True})
            keyed = {"username": "passwordless", "public_key": PUBLIC_KEY}
            await security.upsert_user(keyed)
        times: dict[str, list[float]] = {name: [] for name in KINDS}
        for turn in range(rounds):
            # Each kind stands at each place, so that no place speaks for a kind.
            first = turn % len(KINDS)
            for name in KINDS[first:] + KINDS[:first]:
                times[name] += await refused_in(server, name)
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    apart = max(medians.values()) / min(medians.values()) - 1
    return [
        Finding("medians of four kinds are apart", apart * 100, "%", 2),
        *(
            Finding(f"median, {name}", median * 1e3, "ms", None)
            for name, median in medians.items()
        ),
    ]


async def one_login(
    server: Server, number: int, outcomes: list[tuple[str, float]]
) -> None:
    """Log in wrong from one of many addresses, as a name of its own."""
    began = time.perf_counter()
    host, port = server.address
    key, source = parse_server_key(server.key), f"127.0.0.{number % SOURCES + 1}"
    try:
        transport, peer = await asyncio.get_running_loop().create_connection(
            lambda: RawPeer(key, {}), host, port, local_addr=(source, 0)
        )
    except OSError:
        outcomes.append(("not connected", time.perf_counter() - began))
        return
    try:
        await peer.login({"username": f"name{number}", "password": "a wrong one"})
        outcome = "admitted"
    except RequestRefused as refusal:
        outcome = refusal.code
    except PeerClosed as end:
        outcome = f"ended: {end.reason}"
    outcomes.append((outcome, time.perf_counter() - began))
    transport.abort()


async def l3(ground: Ground) -> list[Finding]:
    """500 plain logins a second while a witness works."""
    seconds, rate = ground.amount(10, 3), 500
    defaults = Passwords()
    outcomes: list[tuple[str, float]] = []
    loop = asyncio.get_running_loop()
    grown = 0.0
    settings: dict[str, Any] = {"max_failures_per_address": MANY}
    async with ground.broker(quarantine=settings) as server:
        before = server.rss()
        async with watching(server) as witness, asyncio.TaskGroup() as tasks:
            due = loop.time()
            for number in range(seconds * rate):
                tasks.create_task(one_login(server, number, outcomes))
                due += 1 / rate
                await asyncio.sleep(due - loop.time())
                grown = max(grown, server.rss() - before) if number % 50 == 0 else grown
    counts: dict[str, int] = {}
    for outcome, _ in outcomes:
        counts[outcome] = counts.get(outcome, 0) + 1
    answered = counts.get("INVALID_AUTH_DATA", 0) + counts.get("BUSY", 0)
    slowest = max(took for _, took in outcomes)
    allowed = defaults.workers * defaults.memlimit / MIB + 64
    return [
        Finding("logins without an answer", len(outcomes) - answered, "logins", 0),
        Finding("slowest answer", slowest, "s", 10),
        Finding("memory grown", grown, "MiB", allowed),
        *witness.findings(p99_ms=25),
        *(Finding(f"logins: {what}", n, "logins", None) for what, n in counts.items()),
    ]


class Sampled:
    """Looks at a server's memory again and again during a block."""

    def __init__(self, server: Server) -> None:
        self.most = 0.0
        self._server = server
        self._tasks = asyncio.TaskGroup()
        self._over = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._tasks.create_task(self._look())
        return self

    async def __aexit__(self, *raised: object) -> None:
        self._over.set()
        await self._tasks.__aexit__(None, None, None)

    async def _look(self) -> None:
        while not self._over.is_set():
            self.most = max(self.most, self._server.rss())
            await asyncio.sleep(SAMPLE_SECONDS)


async def crowd(ground: Ground) -> list[Finding]:
    """Log 200 users in at once, by their right passwords, while a witness works."""
    number, defaults = ground.amount(200, 20), Passwords()
    # All from one address, and none given up before its turn to be hashed.
    door = {"max_per_address": number + 10, "timeout": 60}
    async with ground.broker(passwords={"queue": number}, quarantine=door) as server:
        async with server.admin() as admin:
            logins = [await server.add_user(admin, f"u{at}") for at in range(number)]
        before, waiting = server.rss(), set(range(number))

        async def log_in(at: int) -> None:
            with suppress(LoginRefused):
                await stack.enter_async_context(
                    open_session(
                        server.url, logins[at], server_key=server.key, reconnect=None
                    )
                )
                waiting.discard(at)

        async with (
            watching(server) as witness,
            AsyncExitStack() as stack,
            Sampled(server) as sampled,
            asyncio.TaskGroup() as tasks,
        ):
            for at in range(number):
                tasks.create_task(log_in(at))
        grown = sampled.most - before
    allowed = defaults.workers * defaults.memlimit / MIB + 64
    return [
        Finding("logins that failed", len(waiting), "logins", 0),
        Finding("memory grown", grown, "MiB", allowed),
        *witness.findings(p99_ms=20),
    ]
