"""A hub on bare websockets and uvloop: what a message costs before anything is done.

No logins, no permissions, no codec: the yardstick between machines, not a peer.

    python -m harness.bare_hub PORT

The first byte of a message says what it is: `S` subscribe to a topic, `P` publish to
the topic of the next byte, `V` provide the echo, `C` call it, `R` a provider's answer
with the 4 bytes that the call came with.
"""

import importlib
import sys
from itertools import count
from typing import Any


__all__ = ["Hub"]

BACKLOG = 4_096
NUMBER_BYTES = 4


class Hub:
    """Passes messages between connections."""

    def __init__(self) -> None:
        self.asyncio_server = importlib.import_module("websockets.asyncio.server")
        self.subscribers: dict[int, set[Any]] = {}
        self.provider: Any = None
        self.numbers = count()
        self.callers: dict[bytes, Any] = {}

    async def serve(self, port: int) -> None:
        """Serve until the process is ended."""
        async with self.asyncio_server.serve(
            self.talk,
            "127.0.0.1",
            port,
            compression=None,
            ping_interval=None,
            backlog=BACKLOG,
        ) as server:
            await server.serve_forever()

    async def talk(self, connection: Any) -> None:
        """Serve one connection."""
        async for message in connection:
            match message[:1]:
                case b"P":
                    receivers = self.subscribers.get(message[1], set())
                    self.asyncio_server.broadcast(receivers, message[2:])
                case b"C":
                    number = (next(self.numbers) % 2**32).to_bytes(NUMBER_BYTES)
                    self.callers[number] = connection
                    await self.provider.send(b"C" + number + message[1:])
                case b"R":
                    end = 1 + NUMBER_BYTES
                    caller = self.callers.pop(message[1:end])
                    await caller.send(b"R" + message[end:])
                case b"V":
                    self.provider = connection
                    await connection.send(b"V")
                case _:
                    self.subscribers.setdefault(message[1], set()).add(connection)
                    await connection.send(b"S")
        for receivers in self.subscribers.values():
            receivers.discard(connection)


if __name__ == "__main__":
    importlib.import_module("uvloop").run(Hub().serve(int(sys.argv[1])))
