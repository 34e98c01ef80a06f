"""Attempts of the tests: what a checker is given of a login."""

from types import MappingProxyType
from typing import Any

import msgspec

from vestibule.protocol.errors import CloseCode, EndReason
from vestibule.protocol.messages import TicketReplaced
from vestibule.protocol.signatures import SigningKey
from vestibule.server import ConnectionData
from vestibule.server.attempts import Attempt, Challenge
from vestibule.server.handler import Headers


LISAS_KEY = SigningKey(b"lisa's key".ljust(32, b"."))
EXPORTER = b"e" * 32
STRANGER = ConnectionData("192.0.2.1", Headers(), "00" * 16)


def attempt(
    scheme: str,
    username: str = "",
    *,
    exporter: bytes | None = EXPORTER,
    challenge: Challenge | None = None,
    **fields: Any,
) -> Attempt:
    """Make one as the quarantine does."""
    return Attempt(
        connection=STRANGER,
        scheme=scheme,
        username=username,
        account=username or None,
        auth_data=MappingProxyType(fields),
        exporter=exporter,
        challenge=challenge,
    )


class SentLink:
    """Keeps what a session is sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    @property
    def put(self) -> Any:
        return self.sent.append

    def end(
        self,
        code: CloseCode,
        reason: EndReason,
        *,
        retry_after_ms: int = 0,
        discard: bool = False,
    ) -> None:
        raise AssertionError("tickets end no session")

    def slow(self) -> None:
        raise AssertionError

    def fail(self) -> None:
        raise AssertionError

    def replaced(self) -> TicketReplaced:
        (sent,) = self.sent
        return msgspec.msgpack.decode(sent, type=TicketReplaced)
