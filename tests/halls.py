"""A broker in memory, its administrator, and users: for cases that need sessions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from vestibule.protocol import messages
from vestibule.protocol.codec import decode_body
from vestibule.protocol.errors import ErrorCode
from vestibule.server.testing import (
    MemoryBroker,
    RawPeer,
    RequestRefused,
    memory_broker,
)


__all__ = ["Hall", "denied", "events", "hall_of", "notices", "refused"]


class Hall:
    """The broker `hub`; changes are made by `admin`."""

    def __init__(self, broker: MemoryBroker, admin: RawPeer) -> None:
        self.broker = broker
        self.admin = admin

    async def security(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of `security` as the administrator."""
        return await self.admin.component(f"hub/security/{method}", *args, **kwargs)

    async def group(
        self, name: str, permissions: Any = None, **facts: Any
    ) -> dict[str, Any]:
        """Make or change a group."""
        if permissions is not None:
            facts["permissions"] = permissions
        answer: dict[str, Any] = await self.security(
            "upsert_group", {"name": name, **facts}
        )
        return answer

    async def user(self, name: str, *groups: str, **facts: Any) -> RawPeer:
        """Make a user whose password is its name, and log it in."""
        user = {
            "username": name,
            "password": name,
            "groups": dict.fromkeys(groups, True),
            **facts,
        }
        await self.security("upsert_user", user)
        return await self.login(name)

    async def login(self, name: str, **login: Any) -> RawPeer:
        """Log a user in once more."""
        return await self.broker.login({"username": name, "password": name, **login})


@asynccontextmanager
async def hall_of(
    handler: object | None = None, **settings: Any
) -> AsyncIterator[Hall]:
    """Run a broker `hub` for the time of a block."""
    async with memory_broker(handler, name="hub", **settings) as broker:
        yield Hall(broker, await broker.admin())


async def notices(peer: RawPeer) -> list[messages.AnyNotice]:
    """Give what the broker said without being asked, once all under way has come."""
    for _ in range(20):
        await asyncio.sleep(0)
    return [peer.notices.get_nowait() for _ in range(peer.notices.qsize())]


async def events(peer: RawPeer) -> list[tuple[str, Any]]:
    """Give the events among it."""
    return [
        (one.name, decode_body(one.data))
        for one in await notices(peer)
        if isinstance(one, messages.Event)
    ]


async def refused(attempt: Any, code: ErrorCode) -> RequestRefused:
    """Await a request that is refused with a code."""
    with pytest.raises(RequestRefused) as caught:
        await attempt
    assert caught.value.code == code
    return caught.value


async def denied(attempt: Any) -> None:
    """Await a request that the gate refuses."""
    await refused(attempt, ErrorCode.MESSAGE_DENIED)
