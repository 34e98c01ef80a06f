"""The witness: an admitted client that does its work while something happens.

    python -m hostile.witness URL SERVER_KEY

It calls a method `echo` of another client with 64 bytes every 5 ms. Logins come as a
JSON line on standard input; `begin` and `end` mark the window, which goes on for a
second after `end`. Then it prints what the calls took.
"""

import asyncio
import contextlib
import json
import os
import statistics
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from hostile.ground import Finding, Server
from vestibule.client import Session, VestibuleError, open_session


__all__ = ["Witness", "quantile", "watching"]

EVERY_SECONDS = 0.005
AFTER_SECONDS = 1.0
BENCHMARKS = Path(__file__).resolve().parents[1]
PAYLOAD = b"w" * 64
LATE_SECONDS = 30.0


@dataclass(slots=True)
class Witness:
    """What the calls of a window took, once it is over."""

    p99_ms: float = 0.0
    longest_ms: float = 0.0
    calls: int = 0
    lost: int = 0

    def findings(
        self, *, p99_ms: float, longest_ms: float | None = None
    ) -> list[Finding]:
        """Give the figures under their limits."""
        return [
            Finding("witness p99", self.p99_ms, "ms", p99_ms),
            Finding("witness longest", self.longest_ms, "ms", longest_ms),
            Finding("witness calls lost", self.lost, "calls", 0),
            Finding("witness calls", self.calls, "calls", None),
        ]

    @classmethod
    def of_times(cls, times: list[float], lost: int) -> Self:
        """Sum up calls, in seconds."""
        p99 = quantile(times, 99)
        return cls(p99 * 1e3, max(times, default=0.0) * 1e3, len(times), lost)


def quantile(times: list[float], percent: int) -> float:
    """Give a percentile, never beyond what was measured; 0 of nothing."""
    if len(times) < 2:
        return max(times, default=0.0)
    return statistics.quantiles(times, n=100, method="inclusive")[percent - 1]


@asynccontextmanager
async def watching(server: Server) -> AsyncIterator[Witness]:
    """Have a witness, in a process of its own, during a block and a second after."""
    async with server.admin() as admin:
        permissions = {"echo": {"actions": ["call", "provide"]}}
        await server.add_group(admin, "witnesses", methods=permissions)
        logins = [
            await server.add_user(admin, name, "witnesses")
            for name in ("witness", "echo")
        ]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hostile.witness",
        server.url,
        server.key,
        stdin=PIPE,
        stdout=PIPE,
        cwd=BENCHMARKS,
        env=os.environ,
    )
    assert process.stdin is not None  # noqa: S101 - it was asked for
    assert process.stdout is not None  # noqa: S101 - as above
    try:
        process.stdin.write(json.dumps(logins).encode() + b"\n")
        await process.stdout.readline()
        process.stdin.write(b"begin\n")
        witness = Witness()
        yield witness
        process.stdin.write(b"end\n")
        told = json.loads(await process.stdout.readline())
        for name, value in told.items():
            setattr(witness, name, value)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


class Calls:
    """The calls of one window, each started on time whatever became of the others."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.times: list[float] = []
        self.lost = 0

    async def one(self) -> None:
        """Call once."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            answer = await self.session.rpc.call("echo", PAYLOAD, timeout=LATE_SECONDS)
        except VestibuleError:
            answer = None
        self.times.append(loop.time() - began)
        self.lost += answer != PAYLOAD

    async def until(self, over: asyncio.Event) -> None:
        """Call every 5 ms."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        async with asyncio.TaskGroup() as tasks:
            while not over.is_set():
                tasks.create_task(self.one())
                due += EVERY_SECONDS
                await asyncio.sleep(due - loop.time())


async def witness(url: str, key: str) -> None:
    """Be the witness."""
    lines = await standard_input()
    caller, provider = json.loads(await lines.readline())
    async with (
        open_session(url, provider, server_key=key) as providing,
        open_session(url, caller, server_key=key) as calling,
        providing.rpc.provide("echo", echo),
    ):
        print("ready", flush=True)
        await lines.readline()
        calls, over = Calls(calling), asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(calls.until(over))
            await lines.readline()
            await asyncio.sleep(AFTER_SECONDS)
            over.set()
    seen = Witness.of_times(calls.times, calls.lost)
    names = ("p99_ms", "longest_ms", "calls", "lost")
    print(json.dumps({name: getattr(seen, name) for name in names}), flush=True)


async def echo(data: Any) -> Any:
    """Give back what came."""
    return data


async def standard_input() -> asyncio.StreamReader:
    """Read the parent's lines without a thread."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    return reader


if __name__ == "__main__":
    asyncio.run(witness(*sys.argv[1:]))
