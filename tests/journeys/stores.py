"""A broker on a socket, its administrator, and users that are made for a case."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Self

from journeys.conftest import ADMIN_PASSWORD, Starting
from vestibule.client import Session, open_session
from vestibule.server import Broker


ADMIN = {"username": "_ADMIN", "password": ADMIN_PASSWORD}

SHORT = {
    "R": "READ_TOPIC",
    "S": "SELECT_TOPIC",
    "U": "UPDATE_TOPIC",
    "Q": "SEND_TO_MESSAGE_HANDLER",
}


def permissions(*lines: str) -> str:
    """Write a script: `A [VIEW_SESSION]`, `A default [R S]`, `A@x/y [R]`, `A + B C`.

    `A@x/y [R]` is A's assignment at x/y, `A + B C` what A includes, `!x` isolates x.
    """
    return "\n".join(map(_line, lines))


def _line(short: str) -> str:
    if short.startswith("!"):
        return f"isolate path '{short[1:]}'"
    if " + " in short:
        role, included = short.split(" + ")
        return f"set '{role}' includes [{' '.join(map(repr, included.split()))}]"
    head, _, given = short.partition(" [")
    words = [SHORT.get(word, word) for word in given.removesuffix("]").split()]
    listed = f"permissions [{' '.join(words)}]"
    role, default, _ = head.partition(" default")
    if default:
        return f"set '{role}' default path {listed}"
    role, at, path = head.partition("@")
    return f"set '{role}' path '{path}' {listed}" if at else f"set '{role}' {listed}"


class Stores:
    """A running broker and `admin`, a session of `_ADMIN`."""

    def __init__(self, broker: Broker, admin: Session, stack: AsyncExitStack) -> None:
        self.broker = broker
        self.admin = admin
        self.security = admin.security
        self.directory: Any = admin.exchange.security
        self._stack = stack

    @classmethod
    @asynccontextmanager
    async def of(cls, broker: Broker) -> AsyncIterator[Self]:
        async with AsyncExitStack() as stack:
            admin = await stack.enter_async_context(
                open_session(broker.url, ADMIN, server_key=broker.server_key)
            )
            yield cls(broker, admin, stack)

    async def script(self, *lines: str) -> int:
        """Apply lines to the security store."""
        return await self.security.update_security_store("\n".join(lines))

    async def store(self, *short: str) -> None:
        """Set what `permissions` writes."""
        await self.security.update_security_store(permissions(*short))

    async def users(self, *lines: str) -> int:
        """Apply lines to the authentication store."""
        return await self.security.update_authentication_store("\n".join(lines))

    async def user(self, *groups: str, name: str = "u") -> Session:
        """Make a user of these groups and log it in; its password is its name."""
        listed = " ".join(f"'{group}'" for group in groups)
        await self.users(f"add principal '{name}' '{name}' [{listed}]")
        return await self.login({"username": name, "password": name})

    async def login(self, auth_data: dict[str, Any], **options: Any) -> Session:
        """Open a session that lasts as long as the case."""
        options = {"server_key": self.broker.server_key, "reconnect": None, **options}
        return await self._stack.enter_async_context(
            open_session(self.broker.url, auth_data, **options)
        )


@asynccontextmanager
async def new_stores(starting: Starting, **settings: Any) -> AsyncIterator[Stores]:
    """Start a broker of its own."""
    async with starting(**settings) as broker, Stores.of(broker) as stores:
        yield stores


async def names(perms: Any) -> set[str]:
    """Give the names of permissions that are asked for, short where there is one."""
    letters = {name: letter for letter, name in SHORT.items()}
    return {letters.get(one, str(one)) for one in await perms}
