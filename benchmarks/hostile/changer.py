"""An administrator in a process of its own: what it waits is the broker's time alone.

The process that has a thousand sessions is busy hearing of a change itself.
"""

import asyncio
import json
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hostile.ground import ADMIN, Server
from hostile.witness import standard_input
from vestibule.client import open_session


__all__ = ["Changer", "changing"]

BENCHMARKS = Path(__file__).resolve().parents[1]


class Changer:
    """Calls methods of `security`, one after the other."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def call(self, method: str, *args: Any) -> float:
        """Call one, and give the milliseconds until it was answered."""
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        assert self._process.stdout is not None  # noqa: S101 - as above
        self._process.stdin.write(json.dumps([method, args]).encode() + b"\n")
        return float(await self._process.stdout.readline())


@asynccontextmanager
async def changing(server: Server) -> AsyncIterator[Changer]:
    """Have an administrator at hand during a block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hostile.changer",
        server.url,
        server.key,
        stdin=PIPE,
        stdout=PIPE,
        cwd=BENCHMARKS,
        env=os.environ,
    )
    try:
        yield Changer(process)
    finally:
        assert process.stdin is not None  # noqa: S101 - it was asked for
        process.stdin.close()
        await process.wait()


async def change(url: str, key: str) -> None:
    """Be the administrator, until the parent has no more to say."""
    lines = await standard_input()
    async with open_session(url, ADMIN, server_key=key) as session:
        while line := await lines.readline():
            method, args = json.loads(line)
            began = time.perf_counter()
            await session.exchange.security[method](*args)
            print((time.perf_counter() - began) * 1e3, flush=True)


if __name__ == "__main__":
    asyncio.run(change(*sys.argv[1:]))
