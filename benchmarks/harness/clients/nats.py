"""NATS by its official Python client, over TCP or over WebSocket."""

import asyncio
import importlib
from collections.abc import Callable, Mapping
from typing import Any

from harness.clients.base import PASSWORD, Client, Denials, user
from harness.plan import Plan


__all__ = ["driver"]

PATIENCE_SECONDS = 60
PENDING_BYTES = 64 * 1024 * 1024
FLUSHER_QUEUE = 4_096
CALLBACK_SECONDS = 0.1
"""The library hands messages to callbacks in tasks of its own."""


class NatsClient:
    """One nats-py connection. The library has no types: it is `Any` here alone."""

    def __init__(self, connection: Any, payload: bytes) -> None:
        self.connection = connection
        self.payload = payload

    async def close(self) -> None:
        """End the connection."""
        await self.connection.close()

    async def provide_echo(self, name: str) -> None:
        """Answer requests on `name`."""

        async def answer(message: Any) -> None:
            await message.respond(message.data)

        await self.connection.subscribe(name, cb=answer)
        await self.connection.flush()

    async def call(self, name: str) -> None:
        """Send a request and wait for its answer."""
        await self.connection.request(name, self.payload, timeout=PATIENCE_SECONDS)

    async def subscribe(self, name: str, on_event: Callable[[], None]) -> None:
        """Subscribe without a bound on what waits here."""

        async def arrived(_message: object) -> None:
            on_event()

        await self.connection.subscribe(
            name, cb=arrived, pending_msgs_limit=-1, pending_bytes_limit=-1
        )
        await self.connection.flush()

    async def publish(self, name: str) -> None:
        """Put an event into the client's buffer."""
        await self.connection.publish(name, self.payload)


class NatsDriver:
    """Makes nats-py connections to one URL."""

    def __init__(self, url: str, plan: Plan) -> None:
        self.url = url
        self.users = plan.users
        self.payload = b"x" * plan.payload
        self.nats = importlib.import_module("nats")

    def name(self, path: str) -> str:
        """NATS separates by dots."""
        return path.replace("/", ".")

    async def prepare(self) -> None:
        """Users and permissions stand in the server's configuration."""

    async def connect(self, number: int) -> Client:
        """Log in; the flush is there because `connect` can return undecided."""
        return await self.login(user(number, self.users), PASSWORD, [])

    async def login(
        self, username: str, password: str, problems: list[str]
    ) -> NatsClient:
        """Connect; what the server complains about later goes into `problems`."""

        async def complain(problem: Exception) -> None:
            problems.append(str(problem))

        connection = await self.nats.connect(
            self.url,
            user=username,
            password=password,
            allow_reconnect=False,
            connect_timeout=PATIENCE_SECONDS,
            error_cb=complain,
            pending_size=PENDING_BYTES,
            flusher_queue_size=FLUSHER_QUEUE,
        )
        await connection.flush(PATIENCE_SECONDS)
        return NatsClient(connection, self.payload)

    async def denials(self) -> list[str]:
        """Try a wrong password, and what no permission covers."""
        seen = Denials()
        problems: list[str] = []
        got: list[str] = []
        try:
            await self.login("u0", "wrong", problems)
        except Exception as refusal:  # noqa: BLE001 - the library raises several
            seen.expect("password", denied="uthorization" in str(refusal))
        else:
            seen.expect("password", denied=False)
        problems.clear()
        writer = await self.login("u0", PASSWORD, problems)
        reader = await self.login("u1", PASSWORD, problems)
        await reader.subscribe("readonly.x", lambda: got.append("denied"))
        await reader.subscribe("ev.x", lambda: got.append("allowed"))
        await writer.publish("readonly.x")
        await writer.publish("ev.x")
        await settle(writer, reader)
        refused = told(problems, "violation for publish")
        seen.expect("publish", denied=refused and got == ["allowed"])
        await reader.subscribe("closed.x", lambda: None)
        await settle(reader)
        seen.expect("subscribe", denied=told(problems, "violation for subscription"))
        await writer.publish("closed.rpc")  # a call is a publication with a reply
        await settle(writer)
        seen.expect("call", denied=told(problems, "violation for publish"))
        await writer.close()
        await reader.close()
        return seen.seen

    async def close(self) -> None:
        """Nothing is left."""


async def settle(*clients: NatsClient) -> None:
    """Return when the server's complaints and the deliveries have been handed over."""
    for client in clients:
        await client.connection.flush()
    await asyncio.sleep(CALLBACK_SECONDS)


def told(problems: list[str], what: str) -> bool:
    """Say whether the server complained of `what`, and forget its complaints."""
    found = any(what in problem.lower() for problem in problems)
    problems.clear()
    return found


def driver(options: Mapping[str, str], plan: Plan) -> NatsDriver:
    """Make a driver for `options["url"]`."""
    return NatsDriver(options["url"], plan)
