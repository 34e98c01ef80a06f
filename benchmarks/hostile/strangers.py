"""Q1: strangers that say nothing."""

import asyncio

from hostile.ground import SOURCES, Finding, Ground, Server
from hostile.witness import watching


__all__ = ["q1"]

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"Sec-WebSocket-Protocol: vestibule.1\r\n\r\n"
)
WAIT_SECONDS = 30.0
TAKEN_SECONDS = 6.0


async def silent(server: Server, number: int, *, upgraded: bool) -> float:
    """Connect, say nothing, and give the seconds until the broker ends it."""
    loop = asyncio.get_running_loop()
    host, port = server.address
    source = f"127.0.0.{number % SOURCES + 1}"
    reader, writer = await asyncio.open_connection(host, port, local_addr=(source, 0))
    began = loop.time()
    try:
        if upgraded:
            writer.write(UPGRADE)
        async with asyncio.timeout(WAIT_SECONDS):
            while await reader.read(4_096):
                pass
    except (ConnectionError, TimeoutError):
        pass
    finally:
        writer.transport.abort()
    return loop.time() - began


async def q1(ground: Ground) -> list[Finding]:
    """5,000 that do not even ask for the upgrade, 5,000 that stop after it."""
    count = ground.amount(10_000, 1_000)
    async with ground.broker() as server:
        before = server.rss()
        grown = 0.0
        async with watching(server) as witness:
            load = asyncio.gather(
                *(
                    silent(server, number, upgraded=number % 2 == 0)
                    for number in range(count)
                )
            )
            while not load.done():
                await asyncio.sleep(0.1)
                grown = max(grown, server.rss() - before)
            lasted = await load
    return [
        Finding("longest life of a stranger", max(lasted), "s", TAKEN_SECONDS),
        Finding("memory grown", grown, "MiB", 60),
        *witness.findings(p99_ms=20, longest_ms=1_000),
    ]
