"""The client of `bare_hub`."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from harness.clients import frames
from harness.clients.base import Client
from harness.plan import Plan


__all__ = ["driver"]

TOPICS: Final = {"ev/one": b"1", "ev/fan": b"2", "rpc/echo": b""}


class BareClient:
    """One connection; it waits for one answer at a time."""

    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        self.socket: frames.Socket | None = None
        self.answer: asyncio.Future[None] | None = None
        self.on_event: Callable[[], None] | None = None

    def take(self, message: bytes) -> None:
        """Take an event, an answer, or a call."""
        if self.on_event is not None and message == self.payload:
            self.on_event()
        elif message[:1] == b"C":
            self.send(b"R" + message[1:])
        elif self.answer is not None:
            self.answer.set_result(None)
            self.answer = None

    def send(self, message: bytes) -> None:
        """Send one message."""
        if self.socket is not None:
            self.socket.send(message)

    async def ask(self, message: bytes) -> None:
        """Send and wait for the answer."""
        self.answer = asyncio.get_running_loop().create_future()
        self.send(message)
        await self.answer

    async def close(self) -> None:
        """End the connection."""
        if self.socket is not None:
            await self.socket.close()

    async def provide_echo(self, name: str) -> None:  # noqa: ARG002 - there is one
        """Answer calls."""
        await self.ask(b"V")

    async def call(self, name: str) -> None:  # noqa: ARG002 - there is one
        """Call the echo."""
        await self.ask(b"C" + self.payload)

    async def subscribe(self, name: str, on_event: Callable[[], None]) -> None:
        """Subscribe to one of the topics."""
        await self.ask(b"S" + TOPICS[name])
        self.on_event = on_event

    async def publish(self, name: str) -> None:
        """Publish to one of the topics."""
        self.send(b"P" + TOPICS[name] + self.payload)


class BareDriver:
    """Makes connections to the hub."""

    def __init__(self, port: int, plan: Plan) -> None:
        self.port = port
        self.payload = b"x" * plan.payload

    def name(self, path: str) -> str:
        """Names are the harness's own."""
        return path

    async def prepare(self) -> None:
        """There are no users."""

    async def connect(self, number: int) -> Client:  # noqa: ARG002 - all are alike
        """Connect; nobody logs in."""
        client = BareClient(self.payload)
        client.socket = await frames.connect("127.0.0.1", self.port, client.take)
        return client

    async def denials(self) -> list[str]:
        """Nothing is denied here."""
        return []

    async def close(self) -> None:
        """Nothing is left."""


def driver(options: Mapping[str, int], plan: Plan) -> BareDriver:
    """Make a driver for `options["port"]`."""
    return BareDriver(options["port"], plan)
