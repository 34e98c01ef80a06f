"""A web service on loopback, for tests: what it answers is a function of the request."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Asked:
    """A request as the service got it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Told:
    """An answer; `raw` in its place is written as it is."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None

    def encoded(self) -> bytes:
        if self.raw is not None:
            return self.raw
        lines = [f"HTTP/1.1 {self.status} X", f"Content-Length: {len(self.body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body


Answering = Callable[[Asked], Awaitable[Told]]


class Service:
    """What was asked, and where."""

    def __init__(self, answering: Answering) -> None:
        self.answering = answering
        self.asked: list[Asked] = []
        self.connections = 0
        self.url = ""
        self._open: set[asyncio.Task[None]] = set()

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                first, *rest = head.strip().split("\r\n")
                method, path, _ = first.split(" ")
                headers = {
                    name.lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in rest)
                }
                size = int(headers.get("content-length", "0"))
                body = await reader.readexactly(size)
                asked = Asked(method, path, headers, body)
                self.asked.append(asked)
                writer.write((await self.answering(asked)).encoded())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            writer.transport.abort()

    async def drop(self) -> None:
        """Drop every connection."""
        while self._open:
            for task in self._open:
                task.cancel()
            await asyncio.wait(self._open)


@asynccontextmanager
async def serving(answering: Answering) -> AsyncIterator[Service]:
    """Serve on a free port for the time of a block."""
    service = Service(answering)
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    service.url = f"http://127.0.0.1:{port}/answer"
    try:
        yield service
    finally:
        server.close()
        await service.drop()
        await server.wait_closed()


async def never(_: Asked) -> Told:
    """Answer nothing."""
    await asyncio.Event().wait()
    raise AssertionError
