"""A whole broker without sockets, for tests."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from vestibule.protocol.crypto import parse_server_key
from vestibule.server.broker import Broker
from vestibule.server.config import Config
from vestibule.server.testing.peer import RawPeer
from vestibule.server.testing.wire import joined


__all__ = ["MemoryBroker", "memory_broker"]


class MemoryBroker:
    """A broker that is reached through `connect`, not through a port."""

    def __init__(self, broker: Broker) -> None:
        self.broker: Final = broker
        password = broker.first_password
        self.admin_password: Final = "" if password is None else password.reveal()
        """The password of `_ADMIN` in this broker's fresh directory."""

    async def connect(
        self,
        *,
        address: str = "127.0.0.1",
        headers: Mapping[str, str] | None = None,
    ) -> RawPeer:
        """Connect a peer that seems to come from `address`; it is in quarantine."""
        peer = RawPeer(parse_server_key(self.broker.server_key), dict(headers or {}))
        joined(asyncio.get_running_loop(), self.broker.pump(), peer, address=address)
        return peer

    async def login(self, auth_data: Mapping[str, Any]) -> RawPeer:
        """Connect a peer and log it in."""
        peer = await self.connect()
        await peer.login(dict(auth_data))
        return peer

    async def admin(self) -> RawPeer:
        """Connect as the administrator."""
        return await self.login({"username": "_ADMIN", "password": self.admin_password})


@asynccontextmanager
async def memory_broker(
    handler: object | None = None,
    /,
    *,
    clock: Callable[[], float] | None = None,
    wall: Callable[[], float] = time.time,
    **settings: Any,
) -> AsyncIterator[MemoryBroker]:
    """Run a broker in memory with a fresh directory in a temporary folder.

    `settings` are keys of the configuration. Passwords are hashed as cheaply as the
    configuration allows.
    """
    settings.setdefault("passwords", {"opslimit": 2, "memlimit": 19 * 1024 * 1024})
    settings.setdefault("shutdown", {"drain": 0.2, "spread": 0.1})
    with tempfile.TemporaryDirectory(prefix="vestibule-") as folder:
        config = Config(data=folder, http=None, **settings)
        broker = Broker(config, handler, clock=clock, wall=wall, listen=False)
        async with broker:
            yield MemoryBroker(broker)
