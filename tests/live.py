"""Live sessions in a broker in memory: users, scripts and calls in few words."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from vestibule.protocol import messages
from vestibule.server.session import Session
from vestibule.server.testing import (
    MemoryBroker,
    RawPeer,
    RequestRefused,
    memory_broker,
)


M = TypeVar("M", bound=messages.Message)


class LiveBroker:
    """A broker named `hub` whose administrator is there."""

    def __init__(self, memory: MemoryBroker, admin: RawPeer) -> None:
        self.memory = memory
        self.broker = memory.broker
        self.directory = memory.broker.directory
        self.admin = admin

    async def security(self, *lines: str) -> None:
        """Apply a script of the security view."""
        await self.directory.update_security_store("\n".join(lines), by="_ADMIN")

    async def system(self, *lines: str) -> None:
        """Apply a script of the authentication view."""
        await self.directory.update_authentication_store("\n".join(lines), by="_ADMIN")

    async def user(self, name: str, *roles: str) -> None:
        """Make a user whose password is `pw-` and its name."""
        await self.system(f"add principal '{name}' 'pw-{name}' {list(roles)}")

    async def enter(self, name: str, **said: Any) -> RawPeer:
        """Log in as a user."""
        return await self.memory.login({**proof(name), **said})

    async def session_of(self, name: str, *roles: str, **said: Any) -> RawPeer:
        """Make a user and log in as it."""
        await self.user(name, *roles)
        return await self.enter(name, **said)

    async def properties(self, peer: RawPeer) -> dict[str, str]:
        """Give all properties of a session."""
        given: dict[str, str] = await call(
            self.admin, "get_session_properties", id_of(peer)
        )
        return given

    async def roles(self, peer: RawPeer) -> str:
        """Give the roles of a session, as text."""
        return (await self.properties(peer))["$Roles"]

    def session(self, peer: RawPeer) -> Session:
        """Give the session on a peer's connection."""
        return self.broker.sessions[id_of(peer)]


@asynccontextmanager
async def live(
    handler: object | None = None,
    /,
    *,
    wall: Callable[[], float] | None = None,
    **settings: Any,
) -> AsyncIterator[LiveBroker]:
    """Run such a broker."""
    if wall is not None:
        settings["wall"] = wall
    async with memory_broker(handler, name="hub", **settings) as memory:
        yield LiveBroker(memory, await memory.admin())


def proof(name: str) -> dict[str, str]:
    """Give the login data of a user."""
    return {"username": name, "password": f"pw-{name}"}


def id_of(peer: RawPeer) -> str:
    """Give the session id of a peer."""
    return peer.initiator.session_id


async def next_of(peer: RawPeer, kind: type[M]) -> M:
    """Wait for the next notice of a kind, passing over others."""
    while True:
        notice = await peer.notices.get()
        if isinstance(notice, kind):
            return notice


def told(peer: RawPeer, *kinds: type[M]) -> list[M]:
    """Take the notices of these kinds that have come."""
    came = [peer.notices.get_nowait() for _ in range(peer.notices.qsize())]
    return [notice for notice in came if isinstance(notice, kinds)]


async def call(peer: RawPeer, method: str, *args: Any, **kwargs: Any) -> Any:
    """Call a method of `security`."""
    return await peer.component(f"hub/security/{method}", *args, **kwargs)


async def refused(peer: RawPeer, method: str, *args: Any, **kwargs: Any) -> str:
    """Call a method of `security` that is refused; give the code."""
    with pytest.raises(RequestRefused) as caught:
        await call(peer, method, *args, **kwargs)
    return caught.value.code
