"""Logins of a peer that makes its own messages, by every scheme."""

import base64
from collections.abc import Awaitable
from typing import Any

from vestibule.client import Session
from vestibule.protocol.scram import ScramExchange, canonical_password, password_keys
from vestibule.protocol.signatures import SigningKey, key_login, ticket_login
from vestibule.server import Broker
from vestibule.server.testing import (
    MemoryBroker,
    RawPeer,
    RequestRefused,
)


KEY = SigningKey.generate()
OTHER = SigningKey.generate()
PASSWORD = "sesame"
LISA = {"username": "lisa", "password": PASSWORD}
BY_KEY = {"username": "lisa", "signing_key": KEY}
LOGIN_REFUSED = 7


async def with_lisa(broker: Broker, **facts: Any) -> None:
    key = base64.b64encode(KEY.public).decode()
    user = {**LISA, "public_key": key, **facts}
    await broker.directory.upsert_user(user, by="_ADMIN")


# Logins of a peer that makes its own messages.


class Raw:
    """One connection, and what it can say to log in."""

    def __init__(self, peer: RawPeer) -> None:
        self.peer = peer
        self.resume = SigningKey.generate()
        self.given = b""
        self.challenges: list[dict[str, Any]] = []

    async def scram(
        self, password: str = PASSWORD, username: str = "lisa"
    ) -> dict[str, Any]:
        nonce = b"n" * 32
        more = {"resume_key": self.resume.public}
        fields = {"username": username, "client_nonce": nonce, **more}
        challenge = await self.peer.present("scram", fields)
        self.challenges.append(challenge)
        exchange = ScramExchange(
            username=username,
            client_nonce=nonce,
            exporter=self.peer.exporter,
            **challenge,
        )
        keys = password_keys(
            canonical_password(password),
            exchange.salt,
            exchange.opslimit,
            exchange.memlimit,
        )
        accepted = await self.peer.prove({"proof": exchange.proof(keys)})
        assert exchange.signed(accepted["server_signature"], keys)
        return accepted

    async def key(
        self, key: SigningKey = KEY, username: str = "lisa"
    ) -> dict[str, Any]:
        await self.peer.ready()
        signature = key.sign(key_login(self.peer.exporter, username))
        return await self.peer.present(
            "key",
            {
                "username": username,
                "public_key": key.public,
                "signature": signature,
                "resume_key": self.resume.public,
            },
        )

    async def ticket(self, ticket: bytes, key: SigningKey) -> dict[str, Any]:
        await self.peer.ready()
        signature = key.sign(ticket_login(self.peer.exporter, ticket))
        return await self.peer.present(
            "ticket",
            {
                "ticket": ticket,
                "signature": signature,
                "resume_key": self.resume.public,
            },
        )

    async def plain(self, password: str = PASSWORD) -> dict[str, Any]:
        data = {"username": "lisa", "password": password}
        more = {"resume_key": self.resume.public}
        return await self.peer.present("plain", {"auth_data": data, **more})


async def raw(broker: MemoryBroker, address: str = "192.0.2.1") -> Raw:
    return Raw(await broker.connect(address=address))


async def code_of(login: Awaitable[Any]) -> str:
    """Give the code of a refusal, `admitted` where there is none."""
    try:
        await login
    except RequestRefused as refused:
        return refused.code
    return "admitted"


BAD = "INVALID_AUTH_DATA"


def came_back(session: Session, before: str) -> bool:
    """Whether a session that was cut off has been taken up again."""
    return session.connection.state == "open" and session.session_id != before
