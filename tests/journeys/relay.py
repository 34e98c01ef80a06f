"""Somebody in the middle of the wire: a relay with hooks, and one with its own key."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from websockets.asyncio.client import connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from journeys.conftest import raw_peer
from vestibule.protocol.crypto import IdentityKey
from vestibule.protocol.events import Event, LoginProofReceived, LoginReceived
from vestibule.protocol.limits import WireLimits
from vestibule.protocol.responder import Responder
from vestibule.server import Broker
from vestibule.server.testing import RequestRefused


Hook = Callable[[int, bytes], Sequence[bytes]]
"""Takes a message and its place in its direction, the hello being 0; gives what
arrives instead."""

PLAIN_WEBSOCKET: Any = {
    "subprotocols": [Subprotocol("vestibule.1")],
    "compression": None,
    "ping_interval": None,
    "max_size": None,
    "close_timeout": 1,
}


def unchanged(place: int, message: bytes) -> Sequence[bytes]:
    return (message,)


class Relay:
    """Passes WebSocket messages and close codes between clients and a broker.

    `up` and `down` are all messages that came from clients and from the broker. After
    `cut_after` messages of both directions, hellos included, the sockets are cut.
    """

    def __init__(self, broker_url: str, to_broker: Hook, to_client: Hook) -> None:
        self.url = ""
        self.to_broker = to_broker
        self.to_client = to_client
        self.up: list[bytes] = []
        self.down: list[bytes] = []
        self.cut_after: int | None = None
        self._broker_url = broker_url
        self._ends: list[Connection] = []

    def cut(self) -> None:
        """End everything without a word."""
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()

    async def close(self, code: int) -> None:
        """End everything with a close frame."""
        for end in self._ends:
            await end.close(code)

    async def meet(self, client: ServerConnection) -> None:
        async with connect(self._broker_url, proxy=None, **PLAIN_WEBSOCKET) as broker:
            self._ends += [client, broker]
            await asyncio.gather(
                self._carry(client, broker, self.up, upwards=True),
                self._carry(broker, client, self.down, upwards=False),
            )

    async def _carry(
        self,
        source: Connection,
        target: Connection,
        seen: list[bytes],
        *,
        upwards: bool,
    ) -> None:
        place = 0
        with suppress(ConnectionClosed):
            while True:
                message = await source.recv(decode=False)
                seen.append(message)
                hook = self.to_broker if upwards else self.to_client
                for changed in hook(place, message):
                    await target.send(changed)
                place += 1
                if len(self.up) + len(self.down) == self.cut_after:
                    self.cut()
        received = source.protocol.close_rcvd
        if received is None:
            target.transport.abort()
        else:
            await target.close(received.code)


@asynccontextmanager
async def relaying(
    broker: Broker, *, to_broker: Hook = unchanged, to_client: Hook = unchanged
) -> AsyncIterator[Relay]:
    """Run a relay in front of a broker."""
    relay = Relay(broker.url, to_broker, to_client)
    async with serve(relay.meet, "127.0.0.1", 0, **PLAIN_WEBSOCKET) as server:
        relay.url = f"ws://127.0.0.1:{port_of(server)}"
        yield relay


def port_of(server: Any) -> int:
    port: int = next(iter(server.sockets)).getsockname()[1]
    return port


class Impostor:
    """Has a key of its own, poses as the broker, and passes on what it can read.

    `logins` are the logins that it could open, `admitted` tells whether one of them
    admitted it to the real broker.
    """

    def __init__(self, broker: Broker) -> None:
        self.url = ""
        self.logins: list[LoginReceived] = []
        self.admitted = False
        self.refusals: list[str] = []
        self._broker = broker
        self._identity = IdentityKey.generate()

    async def meet(self, client: ServerConnection) -> None:
        core = Responder([self._identity], WireLimits())
        now = asyncio.get_running_loop().time
        with suppress(ConnectionClosed):
            async for message in client:
                assert isinstance(message, bytes)
                for event in core.receive(message, now()):
                    await self._heard(core, event, now())
                for box in core.outgoing(now()):
                    await client.send(box)

    async def _heard(self, core: Responder, event: Event, now: float) -> None:
        """Pass a login, or the proof of one, on to the broker."""
        match event:
            case LoginReceived():
                self.logins.append(event)
                self._peer = await raw_peer(self._broker)
                answer = self._peer.present(event.scheme, event.fields)
            case LoginProofReceived():
                answer = self._peer.prove(event.fields)
            case _:
                return
        try:
            fields = await answer
        except RequestRefused as refused:
            self.refusals.append(refused.code)
        else:
            if "server_nonce" in fields:
                core.challenge(fields, now)
                return
            self.admitted = True
        self._peer.cut()
        core.refuse("INVALID_AUTH_DATA", "got it", {}, now)


@asynccontextmanager
async def posing(broker: Broker) -> AsyncIterator[Impostor]:
    """Run an impostor in front of a broker."""
    impostor = Impostor(broker)
    async with serve(impostor.meet, "127.0.0.1", 0, **PLAIN_WEBSOCKET) as server:
        impostor.url = f"ws://127.0.0.1:{port_of(server)}"
        yield impostor
