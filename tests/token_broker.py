"""A broker in memory with a user whose tokens are tried, and clocks that are set."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from vestibule.server.testing import (
    ManualClock,
    MemoryBroker,
    RawPeer,
    RequestRefused,
    memory_broker,
)


LISA = {"username": "lisa", "password": "sesame"}
BOB = {"username": "bob", "password": "sesame"}


class Hub:
    """A broker `hub` with lisa in it, its administrator, and its wall clock."""

    def __init__(self, memory: MemoryBroker, admin: RawPeer, wall: ManualClock) -> None:
        self.memory = memory
        self.admin = admin
        self.wall = wall

    async def security(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return await self.admin.component(f"hub/security/{method}", *args, **kwargs)

    async def login(
        self, data: dict[str, Any], *, address: str = "127.0.0.1"
    ) -> tuple[RawPeer, str | None]:
        """Log in; give the session and its token."""
        peer = await self.memory.connect(address=address)
        answer = await peer.login(data)
        return peer, answer["token"]

    async def refused(
        self, data: dict[str, Any], *, address: str = "127.0.0.1"
    ) -> RequestRefused:
        """Log in and be refused."""
        with pytest.raises(RequestRefused) as refusal:
            await self.login(data, address=address)
        return refusal.value

    async def code(self, token: str | None, *, address: str = "127.0.0.1") -> str:
        """Give the code with which a token is refused."""
        return (await self.refused({"token": token}, address=address)).code

    async def family(self, number: int) -> tuple[list[RawPeer], str]:
        """Make so many sessions of lisa under one token."""
        first, token = await self.login(LISA)
        assert token is not None
        more = [(await self.login({"token": token}))[0] for _ in range(number - 1)]
        return [first, *more], token


@asynccontextmanager
async def running(*others: str, **settings: Any) -> AsyncIterator[Hub]:
    wall = ManualClock(1_900_000_000.0)
    async with memory_broker(name="hub", wall=wall, **settings) as memory:
        admin = await memory.admin()
        hub = Hub(memory, admin, wall)
        await hub.security("add_group", {"name": "G"})
        await hub.security("add_user", {**LISA, "groups": {"G": True}})
        for name in others:
            await hub.security("add_user", {"username": name, "password": "sesame"})
        yield hub


async def own(peer: RawPeer, method: str, *args: Any) -> Any:
    return await peer.component(f"hub/security/{method}", *args)


def profile(**limits: Any) -> list[dict[str, Any]]:
    """Give a profile for lisa alone."""
    return [{"name": "short", "match": {"usernames": ["lisa"]}, **limits}]
